"""Which daemon runs on this machine, found by its PID file."""

from pathlib import Path

from dkimctl.files import read_file, read_regular


def find_running(pid_file: Path, name: str) -> int | None:
    """Return the process id of the daemon of this name that wrote this file, or None when none runs."""
    text = (read_regular(pid_file) or b"").strip()
    if not text.isdigit() or len(text) > 9:  # what the daemon writes there is the daemon's
        return None
    process = (read_file(Path(f"/proc/{int(text)}/comm")) or b"").decode("utf-8", "replace").strip()
    return int(text) if process.partition(":")[0] == name[:15] else None  # the kernel keeps 15 characters
