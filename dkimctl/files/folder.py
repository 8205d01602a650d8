"""An open directory and what is changed in it, by its descriptor: nobody can put another directory in its place."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from dkimctl.errors import Refused, shell_word
from dkimctl.files.folder_reader import FolderReader, Identity, file_identity
from dkimctl.files.owner import Owner
from dkimctl.files.rename import rename_new
from dkimctl.files.temporary import TEMPORARY_PREFIX, WHOLE, is_left, removing, temporary_name

Content = bytes | Iterable[bytes]
_tidied: set[tuple[int, int]] = set()  # directories in which this run has looked for what killed ones have left
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder(FolderReader):
    """A directory by its descriptor, in which names are made, replaced and removed."""

    __slots__ = ()

    def sync(self) -> None:
        """Make the names in it durable. Raises OSError."""
        with self._readable() as descriptor:
            os.fsync(descriptor)

    def write(
        self,
        name: str,
        content: Content,
        *,
        mode: int = 0o644,
        owner: Owner | None = None,
        durable: bool = True,
        flushed: bool = True,
    ) -> None:
        """Replace a file by `content` in one step. `durable=False` leaves the directory's fsync to the last write.

        `flushed=False` leaves out the file's own as well: for a scratch copy.
        """
        with self.temporary(mode, owner) as (temporary, descriptor):
            fill(descriptor, content, flushed=flushed)
            os.rename(temporary, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
            self.require_same(name, file_identity(os.fstat(descriptor)))
        if durable:
            self.sync()

    def create(
        self, name: str, content: Content, *, mode: int = 0o600, owner: Owner | None = None, durable: bool = True
    ) -> None:
        """Make a file, whole from its first moment. Raises FileExistsError when something has the name."""
        with self.temporary(mode, owner) as (temporary, descriptor):
            fill(descriptor, content)
            rename_new(temporary, name, self.descriptor, self.descriptor)
            self.require_same(name, file_identity(os.fstat(descriptor)))
        if durable:
            self.sync()

    @contextmanager
    def temporary(self, mode: int, owner: Owner | None) -> Iterator[tuple[str, int]]:
        """A new file under a temporary name, with its final owner and mode, and its descriptor; removed on failure."""
        self.tidy()
        name = temporary_name()
        descriptor = new_file(self.descriptor, name)
        try:
            give_descriptor(descriptor, mode, owner)
            yield name, descriptor
        except BaseException:
            with removing(self.shown(name)):
                os.unlink(name, dir_fd=self.descriptor)
            raise
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> bool:
        """Remove a file or a link; False when there is none. Raises OSError, as for a directory."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return False
        return True

    def tidy(self) -> None:
        """Remove what killed runs have left here, as far as that can be done; once in a run."""
        if self.identity not in _tidied:
            with suppress(OSError):
                self.remove_leftovers()

    def remove_leftovers(self) -> None:
        """Remove what runs that were killed have left: what has a temporary name, or a second name that is one.

        A run that is between link and unlink right now does not mind the latter. Raises OSError.
        """
        _tidied.add(self.identity)
        names = self.names()
        found = [(name, self._status(name)) for name in names if name.startswith(TEMPORARY_PREFIX)]
        temporary = [(name, status) for name, status in found if status is not None]
        finished: set[tuple[int, int] | None] = set()
        if any(status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode) for _, status in temporary):
            finished = {self._identity(name) for name in names if not name.startswith(TEMPORARY_PREFIX)}
        for name, status in temporary:
            if stat.S_ISDIR(status.st_mode):
                self._remove_aside(name, status)
            elif file_identity(status) in finished or is_left(name, status):
                with removing(self.shown(name)):
                    self.remove(name)

    def _remove_aside(self, name: str, status: os.stat_result) -> None:
        """Remove a directory in which another one was made, and that one if it is empty, when its run was killed."""
        if is_left(name, status):
            self.remove_aside(name)

    def remove_aside(self, name: str) -> None:
        """Remove a directory in which others were made, as far as that can be done."""
        with suppress(OSError):
            inner = self.enter(name)
            try:
                for made in inner.names() if inner.is_ours else ():
                    if name.endswith(WHOLE):
                        inner.remove_files(made)
                    os.rmdir(made, dir_fd=inner.descriptor)
            finally:
                inner.close()
        with removing(self.shown(name)):
            os.rmdir(name, dir_fd=self.descriptor)

    def remove_files(self, directory: str) -> None:
        """Remove the files in a directory. Raises OSError."""
        inner = self.enter(directory)
        try:
            for file in inner.names():
                inner.remove(file)
        finally:
            inner.close()

    def _status(self, name: str) -> os.stat_result | None:
        with suppress(FileNotFoundError):
            return self.status(name)
        return None

    def _identity(self, name: str) -> tuple[int, int] | None:
        """What two names of one file have in common; None when the name is gone."""
        status = self._status(name)
        return None if status is None else file_identity(status)

    def require_same(self, name: str, file: Identity) -> None:
        """Raise Refused when a user who can write here has put another file under the name meanwhile."""
        if not self.is_ours and file_identity(self.status(name)) != file:
            raise Refused(
                f"{self.shown(name)} was replaced by another program while it was written",
                hint=f"see who can write there: ls -ld {shell_word(self.path)}",
            )

    # --- directories

    def make_folder(self, name: str, mode: int, owner: Owner | None = None) -> bool:
        """Make a directory, with its final owner and mode before it has its name; False when the name is taken.

        It is made in a directory of its own that only the caller can write, wherever others can write in this one:
        so nobody can swap it for another that would then change hands.
        """
        self.tidy()
        aside = temporary_name()
        os.mkdir(aside, 0o700, dir_fd=self.descriptor)
        try:
            return self._make_aside(aside, name, mode, owner)
        finally:
            with removing(self.shown(aside)):
                os.rmdir(aside, dir_fd=self.descriptor)

    def _make_aside(self, aside: str, name: str, mode: int, owner: Owner | None) -> bool:
        above = self.enter(aside)
        try:
            if not above.is_ours:
                raise PermissionError(1, "another user's directory is in its place", above.path)
            new = os.urandom(8).hex()  # a name that nothing has there, should it be another directory of ours
            os.mkdir(new, 0o700, dir_fd=above.descriptor)
            try:
                with above.inside(new) as descriptor:
                    give_descriptor(descriptor, mode, owner)
                rename_new(new, name, above.descriptor, self.descriptor)
            except BaseException as error:
                with removing(above.shown(new)):
                    os.rmdir(new, dir_fd=above.descriptor)
                if isinstance(error, FileExistsError):
                    return False
                raise
        finally:
            above.close()
        self.sync()
        return True


def give_descriptor(descriptor: int, mode: int, owner: Owner | None) -> None:
    """Set owner, where it is not the caller, then the mode: chown(2) takes set-id bits away. Raises OSError."""
    if owner is not None and not owner.is_caller:
        os.fchown(descriptor, owner.uid, owner.gid)
    os.fchmod(descriptor, mode)


def new_file(folder: int, name: str) -> int:
    """Make a file (0600) in an open directory; return its descriptor for writing. Raises FileExistsError, OSError."""
    return os.open(name, _NEW, 0o600, dir_fd=folder)


def fill(descriptor: int, content: Content, *, flushed: bool = True) -> None:
    """Write it all and make it durable. Raises OSError."""
    if isinstance(content, bytes):
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    else:
        with os.fdopen(descriptor, "wb", buffering=1 << 18, closefd=False) as stream:
            stream.writelines(content)
    if flushed:
        os.fsync(descriptor)
