"""Every write to the disk: whole or not at all, with its owner and mode before its content.

`kill -9` at any moment leaves the old file or the new one, never half of one. A leftover temporary file starts with
`.dkimctl-` and is harmless.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.errors import Refused, Unavailable, disk_error, disk_errors, shell_word

Content = bytes | Iterable[bytes]
TEMPORARY_PREFIX = ".dkimctl-"
_PORTION = 1 << 16
_PATIENCE = 3  # seconds for somebody to begin to write to a pipe


class Owner(NamedTuple):
    """A user and a group by number, with the names to show."""

    uid: int
    gid: int
    label: str

    @property
    def is_caller(self) -> bool:
        """True when files made by this process belong to it anyway."""
        return self.uid == os.geteuid() and self.gid == os.getegid()


def caller() -> Owner:
    """Who runs this process."""
    return Owner(os.geteuid(), os.getegid(), f"{os.geteuid()}:{os.getegid()}")


def make_directory(path: Path, *, mode: int, owner: Owner | None = None) -> bool:
    """Make `path` with this mode and owner, parents 0755 as needed; True when it is new. An old one stays as it is."""
    with disk_errors(f"make the directory {path}"):
        if path.is_dir():
            return False
        if not path.parent.is_dir():
            make_directory(path.parent, mode=0o755)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            if owner is not None and not owner.is_caller:
                os.chown(path, owner.uid, owner.gid)
            path.chmod(mode)
            sync_directory(path.parent)
            return True
        return False


def write_file(
    path: Path, content: Content, *, mode: int = 0o644, owner: Owner | None = None, durable: bool = True
) -> None:
    """Replace `path` by `content` in one step. `durable=False` leaves the directory fsync to the last write."""
    with disk_errors(f"write {path}"), _temporary(path, mode, owner) as (temporary, descriptor):
        _fill(descriptor, content)
        os.rename(temporary, path)
        if durable:
            sync_directory(path.parent)


def create_file(
    path: Path, content: Content, *, mode: int = 0o600, owner: Owner | None = None, durable: bool = True
) -> None:
    """Make `path` with `content`, whole from its first moment. Raises Refused when something is there already."""
    with disk_errors(f"write {path}"), _temporary(path, mode, owner) as (temporary, descriptor):
        _fill(descriptor, content)
        try:
            os.link(temporary, path)  # unlike rename, link never replaces what is there
        except FileExistsError as error:
            raise Refused(
                f"{path} exists already; it is never overwritten",
                hint="choose another selector (-s), or use --if-missing to keep what is there",
            ) from error
        os.unlink(temporary)
        if durable:
            sync_directory(path.parent)


@contextmanager
def staged_file(path: Path, content: Content, *, mode: int = 0o644, owner: Owner | None = None) -> Iterator[Path]:
    """`content` complete on the disk beside `path`, to be renamed inside the block; removed if it was not."""
    with ExitStack() as stack:
        with disk_errors(f"write {path}"):
            temporary, descriptor = stack.enter_context(_temporary(path, mode, owner))
            _fill(descriptor, content)
        yield Path(temporary)
        with suppress(FileNotFoundError):
            os.unlink(temporary)


@contextmanager
def _temporary(path: Path, mode: int, owner: Owner | None) -> Iterator[tuple[str, int]]:
    temporary = f"{path.parent}/{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if owner is not None and not owner.is_caller:
            os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        yield temporary, descriptor
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: Content) -> None:
    with os.fdopen(descriptor, "wb", buffering=1 << 18, closefd=False) as stream:
        if isinstance(content, bytes):
            stream.write(content)
        else:
            stream.writelines(content)
        stream.flush()
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path | str, *, end: bytes = b"") -> bytes | None:
    """The content, or None when there is no such file. Raises DiskError for everything else.

    `end`: how such a file ends; where it does so, nothing is read after it.
    """
    try:  # system calls as they are: in a loop over 10,000 keys a file object costs as much as all the rest
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a NUL, which no name has
        return None
    except OSError as error:
        raise disk_error(f"read {path}", error) from error
    try:
        parts = [_portion(descriptor)]
        if len(parts[0]) in (0, _PORTION):  # no small file
            _require_an_end(descriptor)
            parts.append(_portion(descriptor))
        while parts[-1] and not (end and parts[-1].endswith(end)):
            parts.append(_portion(descriptor))
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except OSError as error:
        raise disk_error(f"read {path}", error) from error
    finally:
        os.close(descriptor)


def is_there(path: Path | str) -> bool:
    """True when something is at `path`. Raises DiskError when that cannot be seen, as below a closed directory."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise disk_error(f"look at {path}", error) from error
    return True


def _require_an_end(descriptor: int) -> None:
    """Raise OSError for a pipe to which nobody writes, and for a device that never ends, such as /dev/zero."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        import select  # only here: it costs as much as reading ten files

        os.set_blocking(descriptor, True)
        if not select.select([descriptor], [], [], _PATIENCE)[0]:
            raise OSError(errno.ETIMEDOUT, "nobody writes to this pipe")
    elif stat.S_ISCHR(mode) and not os.isatty(descriptor) and os.read(descriptor, 1):
        raise OSError(errno.EINVAL, "this is a device, not a file")


def open_file(path: Path) -> BinaryIO:
    """A file to be read line by line, because it may be too long to hold.

    Raises OSError: that of open(), and for a pipe to which nobody writes or a device without an end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _require_an_end(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _portion(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PORTION)
    except BlockingIOError:  # a pipe, and there is somebody who will write to it
        os.set_blocking(descriptor, True)
        return os.read(descriptor, _PORTION)


def read_named(path: str, *, hint: str = "") -> bytes:
    """The content of a file that somebody named. Raises DiskError, with this hint where there is none of this name."""
    content = read_file(path)
    if content is None:
        raise disk_error(f"read {path}", FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), hint=hint)
    return content


def refuse_shared_directory(directory: Path, owner: Owner) -> None:
    """Raise Refused when someone else could plant or swap files in `directory` or in a directory above it.

    The rule of opendkim's own check (`dkimf_checkfsnode`), with one relief: a sticky directory such as /tmp is let
    pass here, because nobody can swap another's entry in it (the daemon still refuses keys below it).
    """
    resolved = Path(os.path.realpath(directory))  # which takes a link that leads to itself as it is
    for node in (resolved, *resolved.parents):
        with disk_errors(f"look at {node}"):
            try:
                status = node.stat()
            except FileNotFoundError:
                continue
        problem = _shared_problem(status, owner, sticky_is_fine=node != resolved)
        if problem:
            raise Refused(
                f"{node} {problem}, so a private key below it would not be safe",
                hint=f"chmod go-w {shell_word(node)}, or choose another place with -D",
            )


def _shared_problem(status: os.stat_result, owner: Owner, *, sticky_is_fine: bool) -> str:
    sticky = sticky_is_fine and status.st_mode & stat.S_ISVTX
    if status.st_mode & stat.S_IWOTH and not sticky:
        return "can be written by other users"
    if status.st_mode & stat.S_IWGRP and not sticky and status.st_gid not in (0, owner.gid):
        return f"can be written by group {status.st_gid}"
    if status.st_uid not in (0, owner.uid, os.geteuid()):
        return f"belongs to another user (uid {status.st_uid})"
    return ""


@contextmanager
def locked(directory: Path, *, clock: Clock = SYSTEM_CLOCK) -> Iterator[None]:
    """Hold the one lock of a directory: changes by several processes happen one after the other.

    Waits for up to a minute, then raises Unavailable.
    """
    path = directory / ".lock"
    with disk_errors(f"lock {directory}"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
