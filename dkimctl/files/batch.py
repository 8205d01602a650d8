"""Private files of many directories changed together: whole and durable under other names first, then put in place.

One syncfs(2) stands for an fsync of each file where there are many. The order is what makes that safe: nothing has its
name before all of it is on the disk, so a kill or a loss of power leaves the old file or the new one, and no half.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Self

from dkimctl.files.folder import Folder, fill, give_descriptor, new_file
from dkimctl.files.folder_reader import Identity, file_identity
from dkimctl.files.owner import Owner
from dkimctl.files.rename import rename_new
from dkimctl.files.temporary import WHOLE, removing, temporary_name

FEW = 64
"""Up to so many directories get an fsync for each file: syncfs(2) waits for what other programs write as well."""
Enter = Callable[[str], Folder | None]
"""Opens one of the directories; None when it is missing."""


class Batch:
    """Changes of directories below `base`, for a `with` block: what is not put in place by its end is removed.

    Directories are made 0700 and files 0600, both for `owner`. Every method raises OSError.
    """

    def __init__(self, base: Folder, enter: Enter, owner: Owner) -> None:
        self._base = base
        self._enter = enter
        self._owner = owner
        self._aside: Folder | None = None
        """A directory that only the caller can write, where new ones wait: nobody can swap them meanwhile."""
        self._new: list[str] = []
        self._replaced: dict[str, list[tuple[str, str, Identity]]] = {}
        """By directory: temporary name, name, and which file it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for directory, files in self._replaced.items():
            with removing(self._base.shown(directory)), self._opened(directory) as folder:
                for temporary, _name, _file in files:
                    folder.remove(temporary)
        if self._aside is not None:
            self._aside.close()
            self._base.remove_aside(os.path.basename(self._aside.path))

    def make(self, directory: str, files: Mapping[str, bytes]) -> None:
        """Prepare a directory that is not there yet, with these files."""
        if self._aside is None:
            self._base.tidy()
            name = temporary_name() + WHOLE
            os.mkdir(name, 0o700, dir_fd=self._base.descriptor)
            self._aside = self._base.enter(name)
            if not self._aside.is_ours:
                raise PermissionError(1, "another user's directory is in its place", self._aside.path)
        os.mkdir(directory, 0o700, dir_fd=self._aside.descriptor)
        self._new.append(directory)
        folder = self._aside.enter(directory)
        try:
            for name, content in files.items():
                self._write(folder, name, content)
            give_descriptor(folder.descriptor, 0o700, self._owner)
        finally:
            folder.close()

    def replace(self, directory: str, folder: Folder, files: Mapping[str, bytes]) -> None:
        """Prepare new content for files of a directory, which is open; they get it in this order."""
        waiting = self._replaced.setdefault(directory, [])
        for name, content in files.items():
            temporary = temporary_name()
            waiting.append((temporary, name, (0, 0)))
            waiting[-1] = (temporary, name, self._write(folder, temporary, content))

    def put(self) -> None:
        """Give everything its name, durably."""
        is_together = len(self._new) + len(self._replaced) > FEW
        if is_together:
            sync_file_system(self._base)
        else:
            self._sync_each()
        for directory in self._new:
            self._put_new(directory)
        for directory in [*self._replaced]:
            self._put_files(directory, self._replaced[directory], durable=not is_together)
            del self._replaced[directory]  # nothing of it is left to be removed
        if is_together:
            sync_file_system(self._base)
        elif self._new:
            self._base.sync()

    def _write(self, folder: Folder, name: str, content: bytes) -> Identity:
        descriptor = new_file(folder.descriptor, name)
        try:
            give_descriptor(descriptor, 0o600, self._owner)
            fill(descriptor, content, flushed=False)
            return file_identity(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _put_new(self, directory: str) -> None:
        assert self._aside is not None, "it is made with the first new directory"
        rename_new(directory, directory, self._aside.descriptor, self._base.descriptor)

    def _put_files(self, directory: str, files: list[tuple[str, str, Identity]], *, durable: bool) -> None:
        with self._opened(directory) as folder:
            for temporary, name, file in files:
                os.rename(temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
                folder.require_same(name, file)
            if durable:
                folder.sync()

    def _sync_each(self) -> None:
        for directory in self._new:
            assert self._aside is not None
            folder = self._aside.enter(directory)
            try:
                _sync_files(folder, folder.names())
                folder.sync()
            finally:
                folder.close()
        for directory, files in self._replaced.items():
            with self._opened(directory) as folder:
                _sync_files(folder, [temporary for temporary, *_ in files])

    @contextmanager
    def _opened(self, directory: str) -> Iterator[Folder]:
        folder = self._enter(directory)
        if folder is None:
            raise FileNotFoundError(2, "the directory was removed meanwhile", self._base.shown(directory))
        try:
            yield folder
        finally:
            folder.close()


def _sync_files(folder: Folder, names: list[str]) -> None:
    for name in names:  # O_NONBLOCK: who owns the directory may have put a pipe there
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder.descriptor)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_file_system(folder: Folder) -> None:
    """Make everything durable that was written to the file system of a directory. Raises OSError."""
    function, last_errno = _syncfs()
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder.descriptor)
    try:
        if function(descriptor) != 0:
            raise OSError(last_errno(), os.strerror(last_errno()), folder.path)
    finally:
        os.close(descriptor)


@cache
def _syncfs() -> tuple[Any, Any]:
    """The function of the C library, which Python does not offer, and the one for its errno."""
    import ctypes

    function = ctypes.CDLL(None, use_errno=True).syncfs
    function.argtypes = [ctypes.c_int]
    return function, ctypes.get_errno
