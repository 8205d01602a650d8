"""Files read: those that a person named, those of the system, and those found where others can write."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from dkimctl.errors import Refused, disk_error, disk_errors, shell_word
from dkimctl.files.folder import Folder
from dkimctl.files.folder_reader import is_ours
from dkimctl.files.place import Place
from dkimctl.files.walk import open_chain, open_parent

LARGEST = 1 << 28
"""Octets of a file that is read whole: a table of a million domains has less than half of it."""
LARGEST_KEY = 1 << 20
"""Octets of a file that was found where others can write: keys, records and metadata have a few thousand."""
_LONGEST = 1 << 33  # octets of a file that is read line by line
_PORTION = 1 << 16
_PATIENCE = 3  # seconds for a program to begin to write to a pipe
_silent_pipes: set[tuple[int, int]] = set()  # waited for once in this run, which reads some files several times
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read_file(path: Path | str) -> bytes | None:
    """Return the content, or None when there is no such file. Raises DiskError for everything else."""
    try:  # system calls as they are: in a loop over 10,000 keys a file object costs as much as all the rest
        descriptor = _open(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a NUL, which no name has
        return None
    except OSError as error:
        raise disk_error(f"read {path}", error) from error
    try:
        return _content(descriptor, LARGEST)
    except OSError as error:
        raise disk_error(f"read {path}", error) from error
    finally:
        os.close(descriptor)


def read_named(path: str, *, hint: str = "") -> bytes:
    """Return the content of a file that the user named. Raises DiskError, with this hint where there is none."""
    content = read_file(path)
    if content is None:
        raise disk_error(f"read {path}", FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), hint=hint)
    return content


def read_with_status(path: Path) -> tuple[bytes, os.stat_result] | None:
    """The content of a file and its status, both of the same file; None when there is none. Raises DiskError."""
    with disk_errors(f"read {path}"):
        try:
            descriptor = _open(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return _content(descriptor, LARGEST), os.fstat(descriptor)
        finally:
            os.close(descriptor)


def read_trusted(path: Path) -> bytes | None:
    """The content of a file that none but root and the caller can write or put there; None where that is not so.

    Raises DiskError.
    """
    with disk_errors(f"read {path}"):
        try:
            with open_chain(path.parent) as (folders, is_whole):
                if not is_whole or not all(folder.is_ours or folder.is_sticky for folder in folders):
                    return None
            with open_parent(path, follow=True) as (folder, name):
                descriptor = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder.descriptor)
        except (FileNotFoundError, NotADirectoryError, Refused):
            return None
        try:
            return _content(descriptor, LARGEST) if folder.is_ours and is_ours(os.fstat(descriptor)) else None
        finally:
            os.close(descriptor)


def read_regular(path: Path) -> bytes | None:
    """Return the content of a file that the daemon opens, to judge it as the daemon would; None when there is none.

    Links are followed. Nothing else than a regular file of at most LARGEST_KEY octets is read. Raises DiskError.
    """
    with disk_errors(f"read {path}"):
        try:
            descriptor = _open(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            return _content(descriptor, LARGEST_KEY)
        finally:
            os.close(descriptor)


class LinkFound(Refused):
    """A link lies where a file was looked for."""


def read_found(path: Path, owners: frozenset[int] = frozenset()) -> bytes | None:
    """The content of a file that a table or a directory names, such as a private key; None when there is none.

    Where others can write in its directory, it is read as `read_untrusted` does. Raises Refused, DiskError.
    """
    with disk_errors(f"read {path}"):
        try:
            with open_parent(path) as (folder, name):
                if not folder.is_ours:
                    return read_untrusted(folder, name, owners)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
    return read_file(path)


def read_untrusted(folder: Folder, name: str, owners: frozenset[int]) -> bytes | None:
    """The content of a file that was found in a directory, such as the daemon's; None when there is none.

    `owners`: where others can write in the directory, whose files are taken besides those of root, of the caller and of
    the directory's owner. Raises Refused for a link (LinkFound), a pipe, another user's file, a second name of such
    a file, and one larger than LARGEST_KEY; OSError.
    """
    try:
        descriptor = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder.descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _distrusted(folder, name, "is a link where others can write", LinkFound) from error
        if error.errno == errno.ENXIO:
            raise _distrusted(folder, name, "is a socket") from error
        raise
    try:
        status = os.fstat(descriptor)
        if problem := _problem(status, None if folder.is_ours else owners | {folder.uid}):
            raise _distrusted(folder, name, problem)
        found = os.read(descriptor, status.st_size + 1)  # as long as it says: then there is no need to look for more
        return found if len(found) == status.st_size else found + _content(descriptor, LARGEST_KEY)
    finally:
        os.close(descriptor)


def _problem(status: os.stat_result, owners: frozenset[int] | None) -> str:
    """Why a file that was found is not to be read; empty when it may be. None: nobody else could put it there."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_size > LARGEST_KEY:
        return "is too large"
    if owners is None:
        return ""
    if status.st_uid not in owners and status.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (uid {status.st_uid})"
    if status.st_nlink > 1 and status.st_uid not in owners:
        return "has several names, and may be a file of the system"
    return ""


def _distrusted(folder: Folder, name: str, problem: str, kind: type[Refused] = Refused) -> Refused:
    shown = folder.shown(name)
    return kind(f"{shown} {problem}; it is not read", hint=f"see what it is and whose: ls -l {shell_word(shown)}")


def open_file(path: Path, *, most: int = _LONGEST) -> BufferedReader:
    """A file to be read line by line, because it may be too long to hold.

    Raises OSError: that of open(), for a pipe to which nobody writes, a device without an end, and a file that is
    longer than `most` octets.
    """
    descriptor = _open(path)
    try:
        _require_an_end(descriptor, most)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def is_there(path: Path | str) -> bool:
    """True when something is at `path`. Raises DiskError when that cannot be seen, as below a closed directory."""
    return status_of(path) is not None


def status_of(path: Path | str) -> os.stat_result | None:
    """What stat(2) says of `path`, or None when nothing is there. Raises DiskError for everything else."""
    try:
        if isinstance(path, Place) and path != path.tree:
            with open_parent(path, follow=True, any_link=True) as (folder, name):
                return folder.status(name)
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise disk_error(f"look at {path}", error) from error


def _open(path: Path | str) -> int:
    """A descriptor for reading. Raises OSError. Below a tree's root no link leads out of it."""
    if isinstance(path, Place):
        with open_parent(path, follow=True, any_link=True) as (folder, name):
            return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder.descriptor)
    return os.open(path, _READ)


def _content(descriptor: int, most: int) -> bytes:
    """All that can be read, at most so many octets. Raises OSError."""
    parts = [_portion(descriptor)]
    if len(parts[0]) in (0, _PORTION):  # no small file
        _require_an_end(descriptor, most)
        parts.append(_portion(descriptor))
    size = len(parts[0])
    while parts[-1]:
        size += len(parts[-1])
        if size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        parts.append(_portion(descriptor))
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _require_an_end(descriptor: int, most: int) -> None:
    """Raise OSError for a pipe to which nobody writes, a device that never ends, and a file that is too long."""
    status = os.fstat(descriptor)
    if stat.S_ISFIFO(status.st_mode):
        import select  # only here: it costs as much as reading ten files

        os.set_blocking(descriptor, True)
        pipe = (status.st_dev, status.st_ino)
        if pipe in _silent_pipes or not select.select([descriptor], [], [], _PATIENCE)[0]:
            _silent_pipes.add(pipe)
            raise OSError(errno.ETIMEDOUT, "nobody writes to this pipe")
    elif stat.S_ISCHR(status.st_mode) and not os.isatty(descriptor) and os.read(descriptor, 1):
        raise OSError(errno.EINVAL, "this is a device, not a file")
    elif status.st_size > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _portion(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PORTION)
    except BlockingIOError:  # a pipe, and a program will write to it
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise  # such as /proc/kmsg, which never ends
        os.set_blocking(descriptor, True)
        return os.read(descriptor, _PORTION)
