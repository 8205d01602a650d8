"""From the old configuration to the new one: dry run, install, and every daemon reloaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import Unavailable, shell_word
from dkimctl.install.compare import Change
from dkimctl.install.excerpts import excerpts
from dkimctl.install.missed import postfix_missed_reload, signer_missed_reload
from dkimctl.install.restore import restore
from dkimctl.install.staging import check_staged
from dkimctl.install.write import Installed, install, remove_leftovers
from dkimctl.milter.wire import NothingListens, connect
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.programs import has_systemd, run_program
from dkimctl.signers.dryrun import dry_run
from dkimctl.signers.registry import signer_named, signer_of
from dkimctl.signers.rendered import Rendering
from dkimctl.signers.service import Action, ReloadResult, Running, Service, is_started_by_systemd, reload_daemon

_GREETING = 3.0  # seconds; a connection on this machine


@dataclass(frozen=True, slots=True)
class Switched:
    """The result of a switch."""

    installed: Installed
    dry_run: str
    """The result of the dry run, or why there was none."""
    daemon: ReloadResult | None
    """None in a staging tree, which has no daemon."""
    postfix: ReloadResult | None
    """None when it has read main.cf as it is."""

    @property
    def waits(self) -> bool:
        """Return whether a running daemon needs a person before the new configuration counts."""
        return any(told.waits for told in (self.daemon, self.postfix) if told)


class ReloadFailed(Unavailable):
    """The files are in place, but a daemon could not be made to read them. `switched`: for `switch_back`."""

    def __init__(self, error: Unavailable, switched: Switched) -> None:
        super().__init__(error.message, hint=error.hint)
        self.switched = switched


def switch_to(rendering: Rendering, settings: Settings, *, clock: Clock) -> Switched:
    """Install the rendering and reload the signer and Postfix. A second run changes nothing.

    It reloads what an earlier run did not get to, when that was killed after the files had changed.

    Raises what `write.install` raises, Refused when the new files have an error or the dry run fails, and ReloadFailed
    when a daemon could not be reloaded: the files are in place then.
    """
    signer = signer_named(rendering.signer)
    tried: list[str] = []

    def before_switch(staged: Mapping[str, Path]) -> None:
        if settings.is_live:
            signer.check_socket(settings, before)
        with excerpts(rendering) as (old, new):
            check_staged(rendering, settings, {**staged, **new}, old)
            tried.append(dry_run(rendering, settings, {**staged, **new}))

    before = signer.running(settings)
    installed = install(rendering, settings, now=clock.now(), before_switch=before_switch)
    switched = Switched(installed, tried[0] if tried else "", None, None)
    if settings.is_live:
        try:
            paths = [file.path for file in rendering.files if not _is_note(file.path, settings)]
            switched = replace(switched, daemon=_reload_signer(before, installed, settings, paths))
            if installed.changed.postfix or (rendering.postfix and postfix_missed_reload(settings)):
                switched = replace(switched, postfix=reload_postfix(settings))
        except Unavailable as error:
            raise ReloadFailed(error, switched) from error
    remove_leftovers(installed, settings)
    return switched


def reload_again(settings: Settings) -> ReloadResult:
    """Reload the signer although no file changed: an earlier run may have ended before the reload.

    Raises Unavailable when it could not be reloaded.
    """
    signer = signer_of(settings)
    service = signer.service(settings)
    return reload_daemon(_reread(service), service, signer.running(settings).pid)


def needs_person_to_restart(settings: Settings) -> bool:
    """Return True when the signer runs, does not listen at its new socket yet, and can only be restarted by the admin.

    Until then Postfix must keep using the old one.
    """
    if not settings.is_live or has_systemd() or signer_of(settings).running(settings).pid is None:
        return False
    try:
        with connect(parse_socket(settings.signing.socket), _GREETING):
            return False
    except NothingListens:
        return True


def needs_person_to_start(settings: Settings) -> bool:
    """Return True when the signer of this machine does not run: a reload would only say how to start it."""
    signer = signer_of(settings)
    return settings.is_live and signer.running(settings).pid is None and not is_started_by_systemd(signer.name)


def switch_back(switched: Switched, settings: Settings) -> tuple[ReloadResult, ...]:
    """Put back what `switch_to` changed, and reload the daemons; returns what was done about each.

    Raises DiskError, and Unavailable when a daemon could not be reloaded.
    """
    before = signer_of(settings).running(settings)
    restore(switched.installed, settings)
    if not settings.is_live:
        return ()
    # when it said nothing it ran before, and did not survive the new configuration
    was_running = switched.daemon is None or switched.daemon.step is not Action.START
    result = _reload_signer(before, switched.installed, settings, was_running=was_running)
    return (result, reload_postfix(settings)) if switched.installed.changed.postfix else (result,)


def _reload_signer(
    before: Running, installed: Installed, settings: Settings, paths: Sequence[str] = (), *, was_running: bool = False
) -> ReloadResult:
    """Have the signer read what changed, or what an earlier run changed of these files."""
    signer, changed = signer_of(settings), _changed_paths(installed, settings)
    service = signer.service(settings)
    action = Action.NONE
    if signer.needs_restart(settings, before, changed):
        action = Action.RESTART
    elif changed:
        action = Action.RELOAD
    elif signer_missed_reload(before.pid, service, paths, settings):
        action = _reread(service)
    return reload_daemon(action, service, before.pid, was_running=was_running)


def _reread(service: Service) -> Action:
    return Action.RELOAD if service.reload else Action.RESTART


def _changed_paths(installed: Installed, settings: Settings) -> dict[str, bool]:
    """Return each file and directory that the signer reads and that changed; True for a new one."""
    changes = (change for change in installed.changed.files if not _is_note(change.path, settings))
    files = {change.path: change.change is Change.NEW for change in changes}
    return files | {change.path: change.change is Change.NEW for change in installed.changed.directories}


def _is_note(path: str, settings: Settings) -> bool:
    """Return True for the note of an installation, which the signer does not read."""
    return path.startswith(f"{settings.paths.backups}/")


def reload_postfix(settings: Settings) -> ReloadResult:
    """Reload Postfix where it runs; otherwise it reads the settings when it starts."""
    directory = str(settings.at(settings.paths.postfix_directory))
    if run_program("postfix", "-c", directory, "status").code != 0:
        return ReloadResult(
            Action.START, False, "Postfix does not run: its settings count when it starts", "start it: postfix start"
        )
    if run_program("postfix", "-c", directory, "reload").code != 0:
        raise Unavailable("postfix reload failed", hint=f"see why: postfix -c {shell_word(directory)} check")
    return ReloadResult(Action.RELOAD, True, "Postfix was reloaded")
