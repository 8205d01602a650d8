"""Locks: changes by several processes happen one after the other.

locked(directory)         the lock of a directory of ours, in a file `.lock` in it
folder_locked(directory)  the lock of any directory that can be read, without a file in it
file_locked(path)         the lock of another program, by a file that is there only while it is held

Another user who can write a directory, or read one that is locked itself, can hold such a lock for ever. So root has a
lock of its own besides, in a place that nobody else can open, by which its runs take turns; and after ROOTS_PATIENCE
it goes on without a lock that another user holds, and says who that is. What is in such a directory is theirs to
change at any time: each file is still exchanged as a whole.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.errors import Unavailable, disk_errors
from dkimctl.files.folder import Folder
from dkimctl.files.folder_reader import READABLE
from dkimctl.files.run_directory import run_directory
from dkimctl.files.temporary import removing
from dkimctl.files.walk import open_folder, open_parent

NAME = ".lock"
PATIENCE = 600.0
"""Seconds to wait for another run: an installation holds its lock until it is proven or put back."""
ROOTS_PATIENCE = 5.0
"""Seconds that root waits for a lock that another user can hold."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_QUIET = 1.0  # seconds of waiting before that is reported


@contextmanager
def locked(directory: Path, *, clock: Clock = SYSTEM_CLOCK, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the one lock of a directory.

    Waits `patience` seconds for another process, and notes who that is; then raises Unavailable. Raises DiskError when
    there can be no lock.
    """
    with disk_errors(f"lock {directory}"), open_folder(directory) as folder:
        descriptor = _open_lock_file(folder)
        folder.tidy()
        status, is_ours = os.fstat(folder.descriptor), folder.is_ours and _is_closed(os.fstat(descriptor))
    with _held(descriptor, status, directory, _Waiting(clock, patience, others_can_hold=not is_ours)):
        yield


@contextmanager
def folder_locked(directory: Path, *, clock: Clock = SYSTEM_CLOCK, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a directory that is not ours, such as that of zone files. Waits and raises as `locked`."""
    with disk_errors(f"lock {directory}"), open_folder(directory, any_link=True) as folder:
        folder.tidy()
        descriptor = os.open(".", READABLE, dir_fd=folder.descriptor)
        status = os.fstat(descriptor)
    with _held(descriptor, status, directory, _Waiting(clock, patience, others_can_hold=not _is_closed(status))):
        yield


@contextmanager
def file_locked(path: Path, *, clock: Clock = SYSTEM_CLOCK, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a lock by a file that is there only while it is held, as postconf does with `main.cf.tmp`.

    Waits and raises as `locked`.
    """
    with _file_locked(path, path, _Waiting(clock, patience)):
        yield


class _Waiting(NamedTuple):
    """How long to wait for a lock."""

    clock: Clock
    patience: float
    others_can_hold: bool = False
    """True when users other than root can: then root goes on without it."""


@contextmanager
def _held(descriptor: int, status: os.stat_result, directory: Path, waiting: _Waiting) -> Iterator[None]:
    """Hold the lock by an open file of a directory with this status; first root's own, when root runs this."""
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        if os.geteuid() == 0:
            place = run_directory("locks", mode=0o700) / f"{status.st_dev:x}-{status.st_ino:x}"
            stack.enter_context(_file_locked(place, directory, waiting._replace(others_can_hold=False)))
        _wait(descriptor, directory, waiting)
        yield


@contextmanager
def _file_locked(path: Path, shown: Path, waiting: _Waiting) -> Iterator[None]:
    with ExitStack() as stack:
        with disk_errors(f"lock {path}"):
            folder, name = stack.enter_context(open_parent(path))
            descriptor = _lock_by_file(folder, name, shown, waiting)
            stack.callback(os.close, descriptor)
        try:
            yield
        finally:
            with removing(folder.shown(name)):  # what was done under the lock is done
                folder.remove(name)


def _lock_by_file(folder: Folder, name: str, shown: Path, waiting: _Waiting) -> int:
    while True:
        descriptor = os.open(name, _FLAGS, 0o600, dir_fd=folder.descriptor)
        try:
            _wait(descriptor, shown, waiting)
            if _is_still_there(folder, name, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still_there(folder: Folder, name: str, descriptor: int) -> bool:
    """Return False when who had the lock before has removed its file: then it is no lock any more."""
    try:
        return os.path.samestat(folder.status(name), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _open_lock_file(folder: Folder) -> int:
    descriptor = os.open(NAME, _FLAGS, 0o600, dir_fd=folder.descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{NAME} in it is not a regular file")
    return descriptor


def _is_closed(status: os.stat_result) -> bool:
    """Return True when only root and the caller can open what has this status, and so lock it."""
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o066


def _wait(descriptor: int, directory: Path, waiting: _Waiting) -> None:
    start, told = waiting.clock.monotonic(), False
    while not _try_lock(descriptor):
        waited = waiting.clock.monotonic() - start
        if waiting.others_can_hold and os.geteuid() == 0 and waited > ROOTS_PATIENCE:
            _warn("going on without the lock of %s, which %s holds", directory, holder(descriptor))
            return
        if waited > waiting.patience:
            raise Unavailable(
                f"{directory} is in use by {holder(descriptor)}", hint="wait for it to end, then run it again"
            )
        if waited > _QUIET and not told:
            _warn("waiting for %s, which holds the lock of %s", holder(descriptor), directory)
            told = True
        waiting.clock.sleep(0.05)


def _warn(message: str, *arguments: object) -> None:
    import logging  # only here: it takes longer to load than all the rest

    logging.getLogger(__name__).warning(message, *arguments)


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
