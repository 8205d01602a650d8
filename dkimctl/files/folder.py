"""An open directory and what is done in it, by its descriptor: nobody can put another directory in its place."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from dkimctl.errors import Refused, shell_word
from dkimctl.files.owner import Owner
from dkimctl.files.rename import rename_new
from dkimctl.files.temporary import TEMPORARY_PREFIX, is_left, removing, temporary_name

Content = bytes | Iterable[bytes]
READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_tidied: set[tuple[int, int]] = set()  # directories in which this run has looked for what killed ones have left
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """A directory by its descriptor. `path`: as the walk came to it, for messages."""

    __slots__ = ("_at_first", "descriptor", "is_ours", "path")

    def __init__(self, descriptor: int, path: str, status: os.stat_result) -> None:
        self.descriptor = descriptor
        self.path = path
        self.is_ours = is_ours(status)
        """True when only root and the caller can make, rename or remove names in it."""
        self._at_first = status

    @classmethod
    def opened(cls, descriptor: int, path: str) -> "Folder":
        """A directory that was just opened; the descriptor is closed when it cannot be looked at."""
        try:
            return cls(descriptor, path, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def identity(self) -> tuple[int, int]:
        """What tells it from every other directory: device and inode."""
        return _file(self._at_first)

    @property
    def owner(self) -> Owner:
        """Whom it belonged to when it was opened."""
        return Owner.of(self._at_first)

    @property
    def uid(self) -> int:
        """The user to whom it belonged when it was opened."""
        return self._at_first.st_uid

    @property
    def is_sticky(self) -> bool:
        """True when it is root's and others can rename or remove only what is theirs in it, as in /tmp."""
        return self._at_first.st_uid == 0 and bool(self._at_first.st_mode & stat.S_ISVTX)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def shown(self, name: str) -> str:
        """The path of a name in it, for messages."""
        return f"{self.path.rstrip('/')}/{name}"

    def status(self, name: str) -> os.stat_result:
        """What lstat(2) says of a name. Raises OSError."""
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
        """True when the directory is in no other any more."""
        return os.fstat(self.descriptor).st_nlink == 0

    def again(self) -> "Folder":
        """The same directory, open for reading by a descriptor of its own. Raises OSError."""
        return Folder.opened(os.open(".", READABLE, dir_fd=self.descriptor), self.path)

    def names_of_directories(self) -> Iterator[str]:
        """The names of directories in it, and of links to directories. Raises OSError."""
        with self._readable() as descriptor, os.scandir(descriptor) as entries:
            yield from (entry.name for entry in entries if entry.is_dir())

    def enter(self, name: str) -> "Folder":
        """The directory of this name in it, open for reading. Raises OSError, as for a link."""
        return Folder.opened(os.open(name, READABLE, dir_fd=self.descriptor), self.shown(name))

    def names(self) -> list[str]:
        """The names in it. Raises OSError."""
        try:
            return os.listdir(self.descriptor)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
        with self._readable() as descriptor:  # a walk's descriptor is for walking only
            return os.listdir(descriptor)

    def sync(self) -> None:
        """Make the names in it durable. Raises OSError."""
        with self._readable() as descriptor:
            os.fsync(descriptor)

    @contextmanager
    def _readable(self) -> Iterator[int]:
        """A descriptor for reading and for changing the directory itself: a walk's are for walking only."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    # --- files

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
            self._require_same(name, descriptor)
        if durable:
            self.sync()

    def create(
        self, name: str, content: Content, *, mode: int = 0o600, owner: Owner | None = None, durable: bool = True
    ) -> None:
        """Make a file, whole from its first moment. Raises FileExistsError when something has the name."""
        with self.temporary(mode, owner) as (temporary, descriptor):
            fill(descriptor, content)
            rename_new(temporary, name, self.descriptor, self.descriptor)
            self._require_same(name, descriptor)
        if durable:
            self.sync()

    @contextmanager
    def temporary(self, mode: int, owner: Owner | None) -> Iterator[tuple[str, int]]:
        """A new file under a temporary name, with its final owner and mode, and its descriptor; removed on failure."""
        self.tidy()
        name = temporary_name()
        descriptor = os.open(name, _NEW, 0o600, dir_fd=self.descriptor)
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
            elif _file(status) in finished or is_left(name, status):
                with removing(self.shown(name)):
                    self.remove(name)

    def _remove_aside(self, name: str, status: os.stat_result) -> None:
        """Remove a directory in which another one was made, and that one if it is empty, when its run was killed."""
        if not is_left(name, status):
            return
        with suppress(OSError):
            inner = self.enter(name)
            try:
                for made in inner.names() if inner.is_ours else ():
                    os.rmdir(made, dir_fd=inner.descriptor)
            finally:
                inner.close()
        with removing(self.shown(name)):
            os.rmdir(name, dir_fd=self.descriptor)

    def _status(self, name: str) -> os.stat_result | None:
        with suppress(FileNotFoundError):
            return self.status(name)
        return None

    def _identity(self, name: str) -> tuple[int, int] | None:
        """What two names of one file have in common; None when the name is gone."""
        status = self._status(name)
        return None if status is None else _file(status)

    def _require_same(self, name: str, descriptor: int) -> None:
        """Raise OSError when somebody who can write here has put another file under the name meanwhile."""
        if not self.is_ours and _file(self.status(name)) != _file(os.fstat(descriptor)):
            raise Refused(
                f"{self.shown(name)} was replaced by somebody else while it was written",
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
                raise PermissionError(1, "somebody else's directory is in its place", above.path)
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

    @contextmanager
    def inside(self, name: str) -> Iterator[int]:
        """A descriptor of a directory in it, never that of a link's target. Raises OSError."""
        descriptor = os.open(name, READABLE, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def is_ours(status: os.stat_result) -> bool:
    """Return whether only root and the caller can write what has this status, a directory or a file.

    An access control list that lets others write shows as a group that may: its mask is shown as the group's mode.
    """
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or status.st_gid in (0, os.getegid())


def give_descriptor(descriptor: int, mode: int, owner: Owner | None) -> None:
    """Set owner, where it is not the caller, then the mode: chown(2) takes set-id bits away. Raises OSError."""
    if owner is not None and not owner.is_caller:
        os.fchown(descriptor, owner.uid, owner.gid)
    os.fchmod(descriptor, mode)


def fill(descriptor: int, content: Content, *, flushed: bool = True) -> None:
    """Write it all and make it durable. Raises OSError."""
    with os.fdopen(descriptor, "wb", buffering=1 << 18, closefd=False) as stream:
        if isinstance(content, bytes):
            stream.write(content)
        else:
            stream.writelines(content)
        stream.flush()
    if flushed:
        os.fsync(descriptor)


def _file(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
