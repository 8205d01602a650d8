"""A signer as a service of this machine: whether it runs, and how it reads changed files."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from signal import Signals

from dkimctl.errors import DiskError, Refused, Unavailable, reason
from dkimctl.files import status_of, touch
from dkimctl.host.running import daemon_pid
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.programs import find_program, has_systemd, run_program


@dataclass(frozen=True, slots=True)
class Service:
    """A daemon, with the names of its program and files."""

    name: str
    """Of its program, its process, its systemd unit, and its package in Debian."""
    pid_file: str
    start: str
    """The command that starts it where there is no systemd."""
    reload: Signals | None
    """The signal on which it reads its files again without an outage; None when only a restart does that."""
    reload_effect: str
    """When a reload takes effect, as a clause for people: `it does so …`."""
    to_reload: float
    """Seconds until a reload has taken effect."""
    to_start: float
    """Seconds until it listens after a restart."""


@dataclass(frozen=True, slots=True)
class Running:
    """The state of a running daemon, noted before its files change."""

    name: str
    pid_files: tuple[str, ...]
    """Where it may have written its process id, the likeliest first."""
    start_settings: Mapping[str, str | None] = field(default_factory=dict)
    """Settings that it reads only when it starts, by name."""

    @property
    def pid(self) -> int | None:
        """The present process id; None when the daemon does not run."""
        return daemon_pid(self.name, self.pid_files)


class Action(StrEnum):
    """The action that makes a daemon use changed files."""

    NONE = "none"
    RELOAD = "reload"
    RESTART = "restart"
    START = "start"


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The result of reloading a daemon after its files changed."""

    step: Action
    done: bool
    """False when a person has to do it; `hint` says how."""
    message: str
    hint: str = ""

    @property
    def waits(self) -> bool:
        """Return whether the changed files count only once a person acts; a stopped daemon starts with them."""
        return not self.done and self.step is not Action.START


def reload_daemon(action: Action, service: Service, pid: int | None, *, was_running: bool = False) -> ReloadResult:
    """Have the daemon read its changed files, or say what a person must do.

    `was_running`: it should run, even if it has just failed to start. Raises Unavailable when systemctl fails,
    DiskError when the process cannot be signalled.
    """
    name = service.name
    by_systemd = has_systemd() and (was_running or is_started_by_systemd(name))
    if pid is None and not by_systemd:
        how = f"start it: {f'systemctl enable --now {name}' if has_systemd() else service.start}"
        if find_program(name) is None:
            how = f"install it: apt-get install {name}"
        return ReloadResult(Action.START, False, f"no {name} runs yet: nothing is signed until it is started", how)
    if action is Action.NONE:
        return ReloadResult(action, True, f"{name} runs and listens at its socket")
    if by_systemd:
        return _by_systemd(action, service)
    if action is Action.RESTART or pid is None or service.reload is None:
        message = f"{name} still runs with its old settings: some of the new ones need a restart"
        return ReloadResult(Action.RESTART, False, message, f"restart it: kill {pid} && sleep 6 && {service.start}")
    _signal(pid, service.name, service.reload)
    _note_reload(service)
    return ReloadResult(action, True, f"{name} was told to reload ({service.reload.name}): {service.reload_effect}")


def is_started_by_systemd(name: str) -> bool:
    """Return True when systemd runs the service of this name."""
    return has_systemd() and _systemctl("is-active", "--quiet", name) == 0


def _by_systemd(action: Action, service: Service) -> ReloadResult:
    name = service.name
    if _systemctl(action.value, name) != 0:
        raise Unavailable(
            f"systemctl {action} {name} failed", hint=f"see why: systemctl status {name}; journalctl -u {name}"
        )
    _note_reload(service)
    when = service.reload_effect.replace("does so", "reads the files")
    return ReloadResult(
        action, True, f"{name} was " + (f"reloaded; {when}" if action is Action.RELOAD else "restarted")
    )


def _systemctl(*arguments: str) -> int:
    return run_program("systemctl", *arguments).code


def _signal(pid: int, name: str, signal: Signals) -> None:
    try:
        os.kill(pid, signal)
    except OSError as error:
        raise DiskError(
            f"cannot signal {name} (pid {pid}): {reason(error)}", hint="run it as root (sudo dkimctl …)"
        ) from error


def last_reload(pid_file: str) -> float | None:
    """Return when dkimctl last reloaded a daemon, or it was started (Unix time); None without a PID file.

    Nothing else records a reload. Raises DiskError.
    """
    status = status_of(pid_file)
    return status.st_mtime if status else None


def _note_reload(service: Service) -> None:
    """Note the time of the reload as the PID file's own, where `last_reload` finds it."""
    with suppress(OSError, Refused):
        touch(Path(service.pid_file))


def is_answering(socket: str) -> bool:
    """Return True when a milter at this socket (in opendkim's spelling) answers."""
    from dkimctl.milter.client import greet  # only here: a tenth of the start of `status` or an idle `rotate`

    try:
        greet(parse_socket(socket))
    except Unavailable:
        return False
    return True
