"""Directories that last as long as a block: below a place that only root can write, when root runs this."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.files.folder import Folder
from dkimctl.files.owner import Owner, caller
from dkimctl.files.paths import create_file, make_directory, remove_tree, settle_directory
from dkimctl.files.reading import open_file
from dkimctl.files.walk import open_folder

PLACE = Path("/run/dkimctl")
"""Where root's scratch directories lie. Others pass through it, and neither list nor write it."""


@contextmanager
def scratch_directory(purpose: str, *, mode: int = 0o700, reader: Owner | None = None) -> Iterator[Path]:
    """Make a new directory, removed at the end with all that is in it. `purpose`: a word for its name.

    `mode`: 0711 where another user's process must pass; 0750 with `reader`, whose group may then read. Ordinary users
    have theirs where TMPDIR says. Raises DiskError.
    """
    if os.geteuid() == 0:
        base = PLACE
        settle_directory(base, mode=0o711, owner=caller())
    else:
        base = _temporary_place()
    owner = Owner(os.geteuid(), reader.gid, reader.label) if reader else None
    place = base / f"dkimctl-{purpose}-{os.urandom(8).hex()}"
    make_directory(place, mode=mode, owner=owner)
    try:
        yield place
    finally:
        remove_tree(place)


def new_directory(purpose: str) -> Path:
    """Make a directory that stays, for the caller alone, where TMPDIR says. Raises DiskError."""
    place = _temporary_place() / f"dkimctl-{purpose}-{os.urandom(8).hex()}"
    make_directory(place, mode=0o700)
    return place


def new_file(purpose: str, content: bytes) -> Path:
    """Make a file that stays, for the caller alone, where TMPDIR says. Raises DiskError."""
    path = _temporary_place() / f"dkimctl-{purpose}-{os.urandom(8).hex()}.txt"
    create_file(path, content, mode=0o600)
    return path


def _temporary_place() -> Path:
    from tempfile import gettempdir

    return Path(gettempdir())


def copy_tree(source: Path, target: Path) -> None:
    """Copy the files below `source` into the directory `target`, none of them wider than its original.

    Links are copied as what they lead to; what is neither file nor directory is left out. Raises DiskError.
    """
    with disk_errors(f"copy {source}"), open_folder(target) as folder:
        _copy_into(source, folder)


def _copy_into(source: Path, target: Folder) -> None:
    for entry in os.scandir(source):
        status = entry.stat()
        if stat.S_ISDIR(status.st_mode):
            target.make_folder(entry.name, stat.S_IMODE(status.st_mode) & 0o755)
            with open_folder(target.shown(entry.name)) as inner:
                _copy_into(Path(entry.path), inner)
        elif stat.S_ISREG(status.st_mode):
            with open_file(Path(entry.path)) as stream:
                mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o744
                target.write(entry.name, stream, mode=mode, durable=False, flushed=False)
