"""The signer of this machine: is it running, and how does it take up new files?"""

import os
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.errors import DiskError, Unavailable, UsageError, reason
from dkimctl.milter.wire import NobodyListens, connect
from dkimctl.opendkim.conf import Configuration
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.programs import has_systemd, run_program
from dkimctl.signers.service import Service

RESTART_ONLY = ("Socket", "UserID", "UMask", "PidFile", "AutoRestart", "AutoRestartRate", "AutoRestartCount")
"""What opendkim reads only when it starts; everything else it takes up on SIGUSR1, without a moment of outage."""
_GREETING = 3.0  # seconds; a connection on this machine


class Step(StrEnum):
    """What makes the daemon take up new files."""

    NONE = "none"
    RELOAD = "reload"
    RESTART = "restart"
    START = "start"


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What was done about the daemon."""

    step: Step
    done: bool
    message: str
    hint: str = ""


def step_needed(before: Configuration | None, after: Configuration | None) -> Step:
    """Reload or restart, for a daemon that runs with `before` and is to run with `after`."""
    old = {name: before.get(name) if before else None for name in RESTART_ONLY}
    new = {name: after.get(name) if after else None for name in RESTART_ONLY}
    if old != new:
        return Step.RESTART
    # an earlier run may have been stopped between writing the files and restarting the daemon
    return Step.RELOAD if _is_listening(new["Socket"]) else Step.RESTART


def _is_listening(socket: str | None) -> bool:
    try:
        with connect(parse_socket(socket or ""), _GREETING):
            return True
    except NobodyListens:
        return False
    except UsageError:  # a spelling that the daemon may know and we do not
        return True


def waits_for_a_person(pid: int | None, socket: str) -> bool:
    """True when the daemon runs, does not listen at this socket yet, and nobody but a person can restart it."""
    return pid is not None and not has_systemd() and not _is_listening(socket)


def take_up(step: Step, service: Service, pid: int | None, *, was_running: bool = False) -> TakenUp:
    """Have the daemon take up its new files, or say what a person must do. Raises Unavailable when it could not.

    `was_running`: it should run, even if it has just failed to start.
    """
    name = service.name
    by_systemd = has_systemd() and (was_running or _systemctl("is-active", "--quiet", name) == 0)
    if pid is None and not by_systemd:
        how = f"systemctl enable --now {name}" if has_systemd() else service.start
        return TakenUp(
            Step.START, False, f"no {name} runs yet: nothing is signed until it is started", f"start it: {how}"
        )
    if step is Step.NONE:
        return TakenUp(step, True, f"{name} runs and listens at its socket")
    if by_systemd:
        return _by_systemd(step, service)
    if step is Step.RESTART or pid is None or service.reload is None:
        message = f"{name} still runs with its old settings: some of the new ones need a restart"
        return TakenUp(Step.RESTART, False, message, f"restart it: kill {pid} && sleep 6 && {service.start}")
    _signal(pid, service)
    _note_told(service)
    return TakenUp(step, True, f"{name} was told to reload ({service.reload.name}): {service.takes_up}")


def _by_systemd(step: Step, service: Service) -> TakenUp:
    name = service.name
    if _systemctl(step.value, name) != 0:
        raise Unavailable(
            f"systemctl {step} {name} failed", hint=f"see why: systemctl status {name}; journalctl -u {name}"
        )
    _note_told(service)
    when = service.takes_up.replace("does so", "takes up the files")
    return TakenUp(step, True, f"{name} was " + (f"reloaded; {when}" if step is Step.RELOAD else "restarted"))


def _systemctl(*arguments: str) -> int:
    return run_program("systemctl", *arguments).code


def _signal(pid: int, service: Service) -> None:
    assert service.reload is not None
    try:
        os.kill(pid, service.reload)
    except OSError as error:
        raise DiskError(
            f"cannot signal {service.name} (pid {pid}): {reason(error)}", hint="run it as root (sudo dkimctl …)"
        ) from error


def _note_told(service: Service) -> None:
    """The pid file's time says when the daemon was told last: nothing else does, and `doctor` wants to know."""
    with suppress(OSError):
        os.utime(service.pid_file)
