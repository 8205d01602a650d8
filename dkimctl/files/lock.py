"""The one lock of a directory."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.errors import Unavailable, disk_errors
from dkimctl.files.walk import open_folder

NAME = ".lock"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def locked(directory: Path, *, clock: Clock = SYSTEM_CLOCK) -> Iterator[None]:
    """Hold the one lock of a directory: changes by several processes happen one after the other.

    Waits for up to a minute, then raises Unavailable.
    """
    descriptor = _open(directory)
    try:
        deadline = clock.monotonic() + 60
        while not _try_lock(descriptor):
            if clock.monotonic() > deadline:
                raise Unavailable(
                    f"{directory} is in use by another dkimctl", hint="wait for it to end, then run it again"
                )
            clock.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _open(directory: Path) -> int:
    with disk_errors(f"lock {directory}"), open_folder(directory) as folder:
        descriptor = os.open(NAME, _FLAGS, 0o600, dir_fd=folder.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, f"{NAME} in it is no regular file")
        return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
