"""From the old configuration to the new one: dry run, install, and every daemon told. The last step of `render`."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.config.settings import SIGNERS, Settings
from dkimctl.errors import Refused, Unavailable
from dkimctl.host.running import find_running
from dkimctl.install import daemon
from dkimctl.install.compare import Change
from dkimctl.install.daemon import Step, TakenUp
from dkimctl.install.restore import restore
from dkimctl.install.staging import check_staged
from dkimctl.install.write import Installed, install, remove_leftovers
from dkimctl.milter.client import greet
from dkimctl.milter.wire import NobodyListens
from dkimctl.opendkim import conf
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.programs import run_program
from dkimctl.signers.base import Rendering
from dkimctl.signers.dryrun import dry_run
from dkimctl.signers.rspamd.rendering import PROXY
from dkimctl.signers.service import Service, service_of


@dataclass(frozen=True, slots=True)
class Switched:
    """What was done."""

    installed: Installed
    dry_run: str
    """What the dry run showed, or why there was none."""
    daemon: TakenUp | None
    """None in a staging tree, where no daemon belongs to the files."""
    postfix: TakenUp | None
    """None when main.cf did not change."""


class NotTakenUp(Unavailable):
    """The files are in place, but a daemon could not be made to take them up. `switched`: for `switch_back`."""

    def __init__(self, error: Unavailable, switched: Switched) -> None:
        super().__init__(error.message, hint=error.hint)
        self.switched = switched


def switch_to(rendering: Rendering, settings: Settings, *, clock: Clock) -> Switched:
    """Install the rendering and have the signer and Postfix take it up. A second run changes nothing.

    Raises what `render.install.install` raises, Refused when the new files have an error or the dry run fails, and
    NotTakenUp when a daemon could not be told: the files are in place then.
    """
    is_here = settings.root == Path("/")
    said: list[str] = []

    def before_switch(staged: Mapping[str, Path]) -> None:
        if is_here and rendering.signer == "opendkim":
            _refuse_taken_socket(before, settings)
        check_staged(rendering, settings, staged)
        said.append(dry_run(rendering, settings, staged))

    before = conf.read(settings.paths.opendkim_conf, settings.at)
    installed = install(rendering, settings, now=clock.now(), before_switch=before_switch)
    after = conf.read(settings.paths.opendkim_conf, settings.at)
    switched = Switched(installed, said[0] if said else "", None, None)
    if is_here:
        try:
            switched = replace(switched, daemon=_signer(before, after, installed, settings))
            switched = replace(switched, postfix=_postfix(settings) if installed.changed.postfix else None)
        except Unavailable as error:
            raise NotTakenUp(error, switched) from error
    remove_leftovers(installed, settings)
    return switched


def _refuse_taken_socket(before: conf.Configuration | None, settings: Settings) -> None:
    """Raise Refused when the daemon is to move to a socket at which some other program listens: it would not start."""
    socket = parse_socket(settings.signing.socket)
    if before and before.get("Socket") == settings.signing.socket:
        return
    try:
        greet(socket)
    except NobodyListens:
        return
    except Unavailable as error:
        place = shlex.quote(socket.path or f":{socket.port}")
        raise Refused(
            f"nothing was installed: something else listens at {socket}, where opendkim is to listen",
            hint=f"see who: ss -lp | grep -F {place}; or choose another socket",
        ) from error


def reload_again(settings: Settings) -> TakenUp:
    """Have the signer read files that did not change now: an earlier run may have ended before it was told.

    Raises Unavailable when it could not be told.
    """
    service = service_of(settings)
    pid = _pid(conf.read(settings.paths.opendkim_conf, settings.at), service)
    return daemon.take_up(Step.RELOAD if service.reload else Step.RESTART, service, pid)


def postfix_waits(settings: Settings) -> bool:
    """True when opendkim is to listen elsewhere and only a person can restart it: until then Postfix asks as before."""
    if settings.root != Path("/"):
        return False
    before = conf.read(settings.paths.opendkim_conf, settings.at)
    return daemon.waits_for_a_person(_pid(before, service_of(settings)), settings.signing.socket)


def _pid(before: conf.Configuration | None, service: Service) -> int | None:
    """The process of the signer, of opendkim wherever its old configuration has it write that."""
    if service.name != "opendkim":
        return find_running(Path(service.pid_file), service.name)
    old_pid_file = (before.get("PidFile") if before else None) or service.pid_file
    return find_running(Path(old_pid_file)) or find_running(Path(service.pid_file))


def switch_back(switched: Switched, settings: Settings) -> tuple[TakenUp, ...]:
    """Put back what `switch_to` changed, and have the daemons take it up; returns what was done about each.

    Raises DiskError, and Unavailable when a daemon could not be told.
    """
    before = conf.read(settings.paths.opendkim_conf, settings.at)
    restore(switched.installed, settings)
    after = conf.read(settings.paths.opendkim_conf, settings.at)
    if settings.root != Path("/"):
        return ()
    # no word from it: it ran, and it did not survive the new configuration
    was_running = switched.daemon is None or switched.daemon.step is not Step.START
    told = _signer(before, after, switched.installed, settings, was_running=was_running)
    return (told, _postfix(settings)) if switched.installed.changed.postfix else (told,)


def _signer(
    before: conf.Configuration | None,
    after: conf.Configuration | None,
    installed: Installed,
    settings: Settings,
    *,
    was_running: bool = False,
) -> TakenUp:
    service = service_of(settings)
    changed = bool(installed.changed.files or installed.changed.directories)
    pid = _pid(before, service)
    if service.name == "opendkim":
        step = daemon.step_needed(before, after)
    else:
        can_reload = not changed or (service.reload is not None and not _moves_rspamd(installed, settings))
        # rspamd listens long before it can bear a SIGHUP, which ends it until then: it must answer
        step = Step.RELOAD if can_reload and _answers(settings.signing.socket) else Step.RESTART
    if step is Step.RELOAD and not changed:
        step = Step.NONE
    return daemon.take_up(step, service, pid, was_running=was_running)


def _moves_rspamd(installed: Installed, settings: Settings) -> bool:
    """True when rspamd's milter may get another socket: a reload that binds the same port in new words ends it."""
    proxy = [c.change for c in installed.changed.files if c.path.endswith(f"/{PROXY}")]
    is_first = all(change is Change.NEW for change in proxy) and len(proxy) == 2  # nobody has had a say yet
    return bool(proxy) and not (is_first and settings.signing.socket == SIGNERS["rspamd"].socket)


def _answers(socket: str) -> bool:
    try:
        greet(parse_socket(socket))
    except Unavailable:
        return False
    return True


def _postfix(settings: Settings) -> TakenUp:
    """Reload Postfix where it runs; otherwise the settings count from its next start."""
    directory = str(settings.at(settings.paths.postfix_directory))
    if run_program("postfix", "-c", directory, "status").code != 0:
        return TakenUp(
            Step.START, False, "Postfix does not run: its settings count when it starts", "start it: postfix start"
        )
    if run_program("postfix", "-c", directory, "reload").code != 0:
        raise Unavailable("postfix reload failed", hint=f"see why: postfix -c {directory} check")
    return TakenUp(Step.RELOAD, True, "Postfix was reloaded")
