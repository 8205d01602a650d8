"""A file replaced or removed in a way that can be undone, and that never loses what another program wrote meanwhile.

The new file is complete under another name next to it; then the two names are exchanged in one step, and the old one is
compared with what was read before. Until the block ends the old file is still there under the temporary name.

An editor that writes into the file in place, instead of replacing it, is out of reach: what it writes after the
exchange goes into the old file. So is one that read the file before the exchange and replaces it afterwards.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

from dkimctl.errors import Refused, disk_errors, shell_word
from dkimctl.files.folder import Content, Folder, fill
from dkimctl.files.owner import Owner
from dkimctl.files.rename import exchange, rename_new
from dkimctl.files.temporary import removing, temporary_name
from dkimctl.files.version import FileChanged, Version
from dkimctl.files.walk import open_parent


class _Any(Enum):
    ANY = 0


ANY: Final = _Any.ANY
"""Whatever is there is replaced."""
Expected = Version | None | _Any
"""What is to be replaced: this version, None for nothing (the file is new), or anything."""


class _State(Enum):
    WAITING = 0
    CREATED = 1
    """The file is in place, and nothing was there before."""
    EXCHANGED = 2
    """The file is in place, and the old one has the temporary name."""
    REPLACED = 3
    """The file is in place, and the old one is gone: the file system cannot exchange names."""
    REMOVED = 4
    """The old file has the temporary name, and nothing is in its place."""


class Staged:
    """A change of one file that is prepared; `put` makes it, `revert` takes it back until the block ends."""

    def __init__(self, target: Path, temporary: str, new: Version | None, *, follow: bool) -> None:
        """`new`: the file that is to come; None where the change is a removal."""
        self.target = target
        self._temporary = temporary
        self._new = new
        self._follow = follow
        self._state = _State.WAITING
        self.path = target.parent / temporary
        """Where the new content can be read until `put`."""

    def is_put(self) -> bool:
        """Return True between `put` and a successful `revert`, also when `put` failed after the file was changed.

        Looks at the disk: an interruption may come between the change and our note of it. True where that fails.
        """
        if self._state is _State.WAITING:
            return False
        try:
            with self._folder() as (folder, _):
                waits = _version(folder, self._temporary)
        except (OSError, Refused):
            return True
        is_waiting = waits is None if self._new is None else waits == self._new
        if is_waiting:
            self._state = _State.WAITING
        return not is_waiting

    def put(self, expected: Expected = ANY) -> None:
        """Make the change. Raises FileChanged when what is there is not `expected`, DiskError, Refused."""
        with disk_errors(f"write {self.target}"):
            try:
                self._change(expected)
            except FileNotFoundError:
                if self._new is not None:
                    raise
                # removed already, with its directory

    def _change(self, expected: Expected) -> None:
        with self._folder() as (folder, name):
            if self._new is None:
                self._remove(folder, name, expected)
            else:
                self._require_own(folder)
                self._put(folder, name, expected)
            folder.sync()

    def _put(self, folder: Folder, name: str, expected: Expected) -> None:
        there = folder.descriptor
        if expected is None or (expected is ANY and _version(folder, name) is None):
            self._state = _State.CREATED  # before the call: an interruption may come right after it
            try:
                rename_new(self._temporary, name, there, there)
            except FileExistsError as error:
                raise FileChanged(self.target) from error
            return
        self._state = _State.EXCHANGED
        try:
            exchange(self._temporary, name, there, there)
        except FileNotFoundError as error:
            raise FileChanged(self.target) from error
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL):
                raise
            self._replace(folder, name, expected)
            return
        if expected is not ANY and _version(folder, self._temporary) != expected:
            self._exchange_back(folder, name)
            raise FileChanged(self.target)

    def _replace(self, folder: Folder, name: str, expected: Expected) -> None:
        """Rename over it, where names cannot be exchanged: what is written in these microseconds is lost."""
        if expected is not ANY and _version(folder, name) != expected:
            raise FileChanged(self.target)
        self._state = _State.REPLACED
        os.rename(self._temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)

    def _remove(self, folder: Folder, name: str, expected: Expected) -> None:
        self._state = _State.REMOVED
        try:
            rename_new(name, self._temporary, folder.descriptor, folder.descriptor)
        except FileNotFoundError:
            self._state = _State.WAITING  # it is gone already
            return
        if expected is not ANY and _version(folder, self._temporary) != expected:
            rename_new(self._temporary, name, folder.descriptor, folder.descriptor)
            self._state = _State.WAITING
            raise FileChanged(self.target)

    def revert(self) -> None:
        """Take the change back: the old file itself has its name again. Raises DiskError when it cannot.

        Raises FileChanged when the file was changed since: that change stays.
        """
        if not self.is_put():
            return
        with disk_errors(f"put back {self.target}"), self._folder() as (folder, name):
            there = folder.descriptor
            match self._state:
                case _State.CREATED:
                    if not self._is_new(folder, name):
                        raise FileChanged(self.target)
                    os.rename(name, self._temporary, src_dir_fd=there, dst_dir_fd=there)
                    self._state = _State.WAITING
                case _State.EXCHANGED:
                    self._exchange_back(folder, name)
                case _State.REMOVED:
                    rename_new(self._temporary, name, there, there)
                    self._state = _State.WAITING
                case _State.REPLACED:
                    raise OSError(errno.EOPNOTSUPP, "the file system cannot exchange two names")
            folder.sync()

    def _exchange_back(self, folder: Folder, name: str) -> None:
        exchange(self._temporary, name, folder.descriptor, folder.descriptor)
        if not self._is_new(folder, self._temporary):  # what was in place is not ours any more
            exchange(self._temporary, name, folder.descriptor, folder.descriptor)
            raise FileChanged(self.target)
        self._state = _State.WAITING

    def _is_new(self, folder: Folder, name: str) -> bool:
        return _version(folder, name) == self._new

    def _require_own(self, folder: Folder) -> None:
        if not self._is_new(folder, self._temporary):
            raise Refused(f"another user replaced {self.path}", hint=f"see who can: ls -ld {shell_word(folder.path)}")

    def discard(self) -> None:
        """Remove what has the temporary name; name it where that cannot be done."""
        with suppress(OSError, Refused), self._folder() as (folder, _), removing(folder.shown(self._temporary)):
            folder.remove(self._temporary)

    def _folder(self) -> AbstractContextManager[tuple[Folder, str]]:
        return open_parent(self.target, follow=self._follow)


def _version(folder: Folder, name: str) -> Version | None:
    try:
        return Version.of(folder.status(name))
    except FileNotFoundError:
        return None


@contextmanager
def staged_file(
    path: Path, content: Content, *, mode: int = 0o644, owner: Owner | None = None, follow: bool = False
) -> Iterator[Staged]:
    """Yield `content` in a file next to `path`, complete on the disk, to be put in place inside the block.

    `follow`: where `path` is a link to a file, that file is replaced. At the end of the block the temporary name is
    removed with what it holds: the new file when it was not put, else the old one. Raises as `write_file`.
    """
    with (
        disk_errors(f"write {path}"),
        open_parent(path, follow=follow) as (folder, _),
        folder.temporary(mode, owner) as (temporary, descriptor),
    ):
        fill(descriptor, content)
        staged = Staged(path, temporary, Version.of(os.fstat(descriptor)), follow=follow)
    try:
        yield staged
    finally:
        staged.discard()


@contextmanager
def staged_removal(path: Path) -> Iterator[Staged]:
    """Yield the removal of the file at `path`; at the end of the block it is gone for good if it was put."""
    staged = Staged(path, temporary_name(), None, follow=False)
    try:
        yield staged
    finally:
        if staged.is_put():
            staged.discard()
