"""The lock of this host's configuration: one run at a time reads, decides and writes under it."""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError
from dkimctl.files import FileChanged, locked, make_directory
from dkimctl.install.leftovers import tidy_configuration

T = TypeVar("T")
_ATTEMPTS = 5
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)
_held: set[Path] = set()
"""Directories whose lock this process holds, so that it can be acquired again."""
_made: set[Path] = set()
"""Those of them that were created for their lock."""


@contextmanager
def configuration_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock of opendkim's directory, which protects everything that an installation writes.

    It can be acquired again inside the block. Where this user cannot write the directory nothing is locked:
    nothing can be installed there either. Raises Unavailable when another run holds it for too long, DiskError.
    """
    place = settings.at(settings.paths.opendkim_directory)
    if place in _held:
        yield
        return
    with ExitStack() as stack:
        try:
            if make_directory(place, mode=0o755):
                _made.add(place)
            stack.enter_context(locked(place))
        except DiskError as error:
            if not (isinstance(error.__cause__, OSError) and error.__cause__.errno in _NOT_OURS):
                raise
        _held.add(place)
        tidy_configuration(settings)
        try:
            yield
        finally:
            _held.discard(place)
            _made.discard(place)


def is_made_for_lock(directory: Path) -> bool:
    """Return True inside `configuration_lock` for a directory that was not there before it."""
    return directory in _made


def with_current_files(settings: Settings, work: Callable[[], T]) -> T:
    """Return the result of `work`, which reads, decides and installs, done under the configuration's lock.

    It is repeated when a program without this lock, such as an editor, changed a file after it was read. Raises
    FileChanged when that goes on, and what `work` raises.
    """
    with configuration_lock(settings):
        for _ in range(_ATTEMPTS - 1):
            try:
                return work()
            except FileChanged:
                continue
        return work()
