"""Where root keeps what lasts as long as a run: a directory that nobody else can list or write."""

from pathlib import Path

from dkimctl.files.owner import caller
from dkimctl.files.paths import settle_directory

RUN_DIRECTORY = Path("/run/dkimctl")


def run_directory(name: str, *, mode: int) -> Path:
    """Return the directory of this name in it, made with this mode, root's own. For root. Raises DiskError, Refused."""
    settle_directory(RUN_DIRECTORY, mode=0o711, owner=caller())
    directory = RUN_DIRECTORY / name
    settle_directory(directory, mode=mode, owner=caller())
    return directory
