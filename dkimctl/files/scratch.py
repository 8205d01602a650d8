"""Directories that last as long as a block: below a place that only root can write, when root runs this.

Each is locked for as long as its run lives. One without a lock is what a killed run has left: the next run removes it.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.files.folder import Folder
from dkimctl.files.folder_reader import READABLE
from dkimctl.files.lock import folder_locked
from dkimctl.files.owner import Owner
from dkimctl.files.paths import create_file, make_directory, remove_tree
from dkimctl.files.reading import open_file
from dkimctl.files.run_directory import run_directory
from dkimctl.files.walk import open_folder

Stop = Callable[[Path], None]
"""Gets a directory that a killed run has left; ends what runs in it."""


@contextmanager
def scratch_directory(
    purpose: str, *, mode: int = 0o700, reader: Owner | None = None, stop: Stop | None = None
) -> Iterator[Path]:
    """Make a new directory, removed at the end with all that is in it. `purpose`: a word for its name.

    `mode`: 0711 where another user's process must pass; 0750 with `reader`, whose group may then read. `stop`: called
    for each one of the same purpose that a killed run has left, before it is removed. Ordinary users have theirs where
    TMPDIR says, and leftovers there stay. Raises DiskError.
    """
    owner = Owner(os.geteuid(), reader.gid, reader.label) if reader else None
    name = f"dkimctl-{purpose}-{os.urandom(8).hex()}"
    if os.geteuid() != 0:
        place = _temporary_place() / name
        make_directory(place, mode=mode, owner=owner)
        lock = None
    else:
        base = run_directory("scratch", mode=0o711)
        place = base / name
        with folder_locked(base):  # so that no other run takes a directory for a leftover before it is locked
            _remove_leftovers(base, purpose, stop)
            make_directory(place, mode=mode, owner=owner)
            lock = _try_lock(place)
    try:
        yield place
    finally:
        remove_tree(place)
        if lock is not None:
            os.close(lock)


def _remove_leftovers(base: Path, purpose: str, stop: Stop | None) -> None:
    """Remove what killed runs have left, but for what a process works in and `stop` is not made for."""
    for name in os.listdir(base):
        lock = _try_lock(place := base / name)
        if lock is None:
            continue
        try:
            if stop is not None and name.startswith(f"dkimctl-{purpose}-"):
                stop(place)
                remove_tree(place)
            elif not _is_worked_in(place):
                remove_tree(place)
        finally:
            os.close(lock)


def _try_lock(place: Path) -> int | None:
    """Return a descriptor that holds the lock of a directory; None when its run lives, or when it is gone."""
    with suppress(OSError):
        descriptor = os.open(place, READABLE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            os.close(descriptor)
    return None


def _is_worked_in(place: Path) -> bool:
    """Return True when a process has its working directory there, as the daemons of a second Postfix have."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                if Path(f"/proc/{name}/cwd").readlink().is_relative_to(place):
                    return True
    return False


def new_directory(purpose: str) -> Path:
    """Make a directory that stays, for the caller only, where TMPDIR says. Raises DiskError."""
    place = _temporary_place() / f"dkimctl-{purpose}-{os.urandom(8).hex()}"
    make_directory(place, mode=0o700)
    return place


def new_file(purpose: str, content: bytes) -> Path:
    """Make a file that stays, for the caller only, where TMPDIR says. Raises DiskError."""
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
