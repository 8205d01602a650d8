"""The opendkim of this machine: is one running, and how does it take up new files?"""

import os
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Unavailable, UsageError, reason
from dkimctl.files import read_file
from dkimctl.opendkim.conf import Configuration
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.probe.wire import NobodyListens, connect
from dkimctl.programs import run_program

RESTART_ONLY = ("Socket", "UserID", "UMask", "PidFile", "AutoRestart", "AutoRestartRate", "AutoRestartCount")
"""What opendkim reads only when it starts; everything else it takes up on SIGUSR1, without a moment of outage."""
_SYSTEMD = Path("/run/systemd/system")
_UNIT = "opendkim"
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


def find_running(pid_file: Path) -> int | None:
    """The process id of the opendkim that wrote this file, or None when none runs."""
    text = (read_file(pid_file) or b"").strip()
    if not text.isdigit():
        return None
    name = read_file(Path(f"/proc/{int(text)}/comm")) or b""
    return int(text) if name.strip() == b"opendkim" else None


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


def take_up(step: Step, settings: Settings, pid: int | None, *, was_running: bool = False) -> TakenUp:
    """Have the daemon take up its new files, or say what a person must do. Raises Unavailable when it could not.

    `was_running`: it should run, even if it has just failed to start.
    """
    by_systemd = _SYSTEMD.is_dir() and (was_running or _systemctl("is-active", "--quiet", _UNIT) == 0)
    if pid is None and not by_systemd:
        how = f"systemctl enable --now {_UNIT}" if _SYSTEMD.is_dir() else f"opendkim -x {settings.paths.opendkim_conf}"
        return TakenUp(
            Step.START, False, "no opendkim runs yet: nothing is signed until it is started", f"start it: {how}"
        )
    if step is Step.NONE:
        return TakenUp(step, True, "opendkim runs and listens at its socket")
    if by_systemd:
        return _by_systemd(step)
    if step is Step.RESTART or pid is None:
        message = "opendkim still runs with its old settings: some of the new ones need a restart"
        return TakenUp(step, False, message, f"restart it: kill {pid} && opendkim -x {settings.paths.opendkim_conf}")
    _signal(pid)
    return TakenUp(step, True, "opendkim was told to reload (SIGUSR1): it does so at its next connection")


def _by_systemd(step: Step) -> TakenUp:
    if _systemctl(step.value, _UNIT) != 0:
        raise Unavailable(
            f"systemctl {step} {_UNIT} failed", hint=f"see why: systemctl status {_UNIT}; journalctl -u {_UNIT}"
        )
    did = "reloaded; it takes up the files at its next connection" if step is Step.RELOAD else "restarted"
    return TakenUp(step, True, f"opendkim was {did}")


def _systemctl(*arguments: str) -> int:
    return run_program("systemctl", *arguments).code


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGUSR1)
    except OSError as error:
        raise DiskError(
            f"cannot signal opendkim (pid {pid}): {reason(error)}", hint="run it as root (sudo dkimctl …)"
        ) from error
