"""An open directory and what is seen in it, by its descriptor: nobody can put another directory in its place."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from dkimctl.files.owner import Owner

Identity = tuple[int, int]
"""Device and inode."""
READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderReader:
    """A directory by its descriptor, to be looked at. `path`: as the walk came to it, for messages."""

    __slots__ = ("_at_first", "descriptor", "is_ours", "path")

    def __init__(self, descriptor: int, path: str, status: os.stat_result) -> None:
        self.descriptor = descriptor
        self.path = path
        self.is_ours = is_ours(status)
        """True when only root and the caller can make, rename or remove names in it."""
        self._at_first = status

    @classmethod
    def opened(cls, descriptor: int, path: str) -> Self:
        """Return a directory that was just opened; the descriptor is closed when it cannot be looked at."""
        try:
            return cls(descriptor, path, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def identity(self) -> Identity:
        """Return what identifies it: device and inode."""
        return file_identity(self._at_first)

    @property
    def owner(self) -> Owner:
        """Return the user and group to whom it belonged when it was opened."""
        return Owner.of(self._at_first)

    @property
    def uid(self) -> int:
        """Return the user to whom it belonged when it was opened."""
        return self._at_first.st_uid

    @property
    def is_sticky(self) -> bool:
        """Return True when it is root's and others can rename or remove only what is theirs in it, as in /tmp."""
        return self._at_first.st_uid == 0 and bool(self._at_first.st_mode & stat.S_ISVTX)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def shown(self, name: str) -> str:
        """Return the path of a name in it, for messages."""
        return f"{self.path.rstrip('/')}/{name}"

    def status(self, name: str) -> os.stat_result:
        """Return what lstat(2) says of a name. Raises OSError."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def has(self, name: str) -> bool:
        """Return whether something has this name in it. Raises OSError."""
        try:
            self.status(name)
        except FileNotFoundError:
            return False
        return True

    @property
    def is_removed(self) -> bool:
        """Return True when the directory is in no other any more."""
        return os.fstat(self.descriptor).st_nlink == 0

    def again(self) -> Self:
        """Return the same directory, open for reading by a descriptor of its own. Raises OSError."""
        return self.opened(os.open(".", READABLE, dir_fd=self.descriptor), self.path)

    def names_of_directories(self) -> Iterator[str]:
        """Yield the names of directories in it, and of links to directories. Raises OSError."""
        return (name for name, is_directory in self.listing() if is_directory)

    def listing(self) -> Iterator[tuple[str, bool]]:
        """Yield each name in it, and whether it is that of a directory, or of a link to one. Raises OSError."""
        with self._readable() as descriptor, os.scandir(descriptor) as entries:
            yield from ((entry.name, entry.is_dir()) for entry in entries)

    def enter(self, name: str) -> Self:
        """Return the directory of this name in it, open for reading. Raises OSError, as for a link."""
        return self.opened(os.open(name, READABLE, dir_fd=self.descriptor), self.shown(name))

    def names(self) -> list[str]:
        """Return the names in it. Raises OSError."""
        try:
            return os.listdir(self.descriptor)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
        with self._readable() as descriptor:  # a walk's descriptor is for walking only
            return os.listdir(descriptor)

    @contextmanager
    def _readable(self) -> Iterator[int]:
        """Yield a descriptor for reading and for changing the directory itself: a walk's are for walking only."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def inside(self, name: str) -> Iterator[int]:
        """Yield a descriptor of a directory in it, never that of a link's target. Raises OSError."""
        descriptor = os.open(name, READABLE, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def is_ours(status: os.stat_result) -> bool:
    """Return whether only root and the caller can write what has this status, a directory or a file.

    An access control list that lets others write shows as a group that may: its mask is shown as the group's mode.
    """
    if (status.st_uid != 0 and status.st_uid != os.geteuid()) or status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or status.st_gid in (0, os.getegid())


def file_identity(status: os.stat_result) -> Identity:
    """Return what identifies a file or directory: device and inode."""
    return status.st_dev, status.st_ino
