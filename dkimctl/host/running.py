"""Running daemons of this machine, found by a PID file, or as the only process of the name."""

from collections.abc import Iterable
from pathlib import Path

from dkimctl.files import read_file, read_regular
from dkimctl.host.process import Process, processes


def find_running(pid_file: Path, name: str) -> int | None:
    """Return the process id of the daemon of this name that wrote this file, or None when none runs."""
    text = (read_regular(pid_file) or b"").strip()
    if not text.isdigit() or len(text) > 9:  # the content of the PID file is the daemon's, and not trusted
        return None
    process = (read_file(Path(f"/proc/{int(text)}/comm")) or b"").decode("utf-8", "replace").strip()
    return int(text) if process.partition(":")[0] == name[:15] else None  # the kernel keeps 15 characters


def daemon_pid(name: str, pid_files: Iterable[str]) -> int | None:
    """Return the process id of the daemon of this name: by a PID file, else the only one that runs on this host.

    A daemon without PidFile, or with another one, runs all the same. None when none runs, or several do.
    """
    for path in dict.fromkeys(pid_files):
        found = find_running(Path(path), name)
        if found is not None:
            return found
    daemon = only_daemon(name)
    return daemon.pid if daemon else None


def only_daemon(name: str) -> Process | None:
    """Return the process of this name that started all others of its name on this host; None for none or several."""
    found = [process for process in processes(name) if process.is_here and not _is_test(process)]
    pids = {process.pid for process in found}
    first = [process for process in found if process.parent not in pids]
    return first[0] if len(first) == 1 else None


def _is_test(process: Process) -> bool:
    """Return True for a run of opendkim that only tests: `-t`, `-n`, `-e`, `-Q`, `-V`."""
    return any(word[:2] in ("-t", "-n", "-e", "-Q", "-V") for word in process.arguments[1:])
