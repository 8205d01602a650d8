"""Locks: changes by several processes happen one after the other.

locked(directory)         the lock of a directory of ours, in a file `.lock` in it
folder_locked(directory)  the lock of any directory that can be read, without a file in it
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.errors import Unavailable, disk_errors
from dkimctl.files.folder import Folder
from dkimctl.files.walk import open_folder, open_parent

NAME = ".lock"
PATIENCE = 600.0
"""Seconds to wait for another run: an installation holds its lock until it is proven or put back."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_QUIET = 1.0  # seconds of waiting before somebody is told


@contextmanager
def locked(directory: Path, *, clock: Clock = SYSTEM_CLOCK, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the one lock of a directory.

    Waits `patience` seconds for another process, and notes who that is; then raises Unavailable. Raises DiskError when
    there can be no lock.
    """
    descriptor = _open(directory)
    try:
        _wait(descriptor, directory, clock, patience)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def folder_locked(directory: Path, *, clock: Clock = SYSTEM_CLOCK, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a directory that is not ours, such as that of zone files. Waits and raises as `locked`."""
    with disk_errors(f"lock {directory}"), open_folder(directory, any_link=True) as folder:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder.descriptor)
    try:
        _wait(descriptor, directory, clock, patience)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def file_locked(path: Path, *, clock: Clock = SYSTEM_CLOCK, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a lock by a file that is there only while it is held, as postconf does with `main.cf.tmp`.

    Waits and raises as `locked`.
    """
    with disk_errors(f"lock {path}"), open_parent(path) as (folder, name):
        while True:
            descriptor = os.open(name, _FLAGS, 0o600, dir_fd=folder.descriptor)
            try:
                _wait(descriptor, path, clock, patience)
                if _is_still_there(folder, name, descriptor):
                    yield
                    folder.remove(name)
                    return
            finally:
                os.close(descriptor)


def _is_still_there(folder: Folder, name: str, descriptor: int) -> bool:
    """Return False when who had the lock before has removed its file: then it is no lock any more."""
    try:
        return os.path.samestat(folder.status(name), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _open(directory: Path) -> int:
    with disk_errors(f"lock {directory}"), open_folder(directory) as folder:
        descriptor = os.open(NAME, _FLAGS, 0o600, dir_fd=folder.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, f"{NAME} in it is no regular file")
        return descriptor


def _wait(descriptor: int, directory: Path, clock: Clock, patience: float) -> None:
    start, told = clock.monotonic(), False
    while not _try_lock(descriptor):
        waited = clock.monotonic() - start
        if waited > patience:
            raise Unavailable(
                f"{directory} is in use by {holder(descriptor)}", hint="wait for it to end, then run it again"
            )
        if waited > _QUIET and not told:
            _tell(directory, descriptor)
            told = True
        clock.sleep(0.05)


def _tell(directory: Path, descriptor: int) -> None:
    import logging  # only here: it takes longer to load than all the rest

    logging.getLogger(__name__).warning("waiting for %s, which holds the lock of %s", holder(descriptor), directory)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder(descriptor: int) -> str:
    """Return who holds the lock of an open file, as `dkimctl publish (process 123)`, as far as that can be seen."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()  # 1: FLOCK ADVISORY WRITE 123 08:01:4567 0 EOF
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return _process(int(fields[4]))
    return "another process"


def _process(pid: int) -> str:
    command = ""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        start = next((number for number, word in enumerate(words) if word.endswith("dkimctl")), 0)
        ours = words[start].endswith("dkimctl")
        command = " ".join([os.path.basename(words[start]), *(words[start + 1 : start + 2] if ours else [])])
    safe = "".join(letter if letter.isprintable() else "?" for letter in command[:60])
    return f"{safe.strip() or 'another process'} (process {pid})"
