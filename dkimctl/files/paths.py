"""What is done in a directory, by path: the walk to it, the act, and a DiskError that says what was being done."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from dkimctl.errors import Refused, disk_errors, shell_word
from dkimctl.files.folder import Content, Folder, give_descriptor
from dkimctl.files.owner import Owner
from dkimctl.files.place import Place, below, tree_of
from dkimctl.files.walk import open_folder, open_parent

_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def write_file(
    path: Path,
    content: Content,
    *,
    mode: int = 0o644,
    owner: Owner | None = None,
    durable: bool = True,
    follow: bool = False,
) -> None:
    """Replace `path` by `content` in one step. `durable=False` leaves the directory's fsync to the last write.

    `follow`: where `path` is a link to a file, that file is replaced; else the link is. Raises DiskError, and Refused
    for a link on the way that others could have planted.
    """
    with disk_errors(f"write {path}"), open_parent(path, follow=follow) as (folder, name):
        folder.write(name, content, mode=mode, owner=owner, durable=durable)


def create_file(
    path: Path, content: Content, *, mode: int = 0o600, owner: Owner | None = None, durable: bool = True
) -> None:
    """Make `path` with `content`, whole from its first moment. Raises Refused when something is there already."""
    with disk_errors(f"write {path}"), open_parent(path) as (folder, name):
        try:
            folder.create(name, content, mode=mode, owner=owner, durable=durable)
        except FileExistsError as error:
            raise Refused(
                f"{path} exists already; it is never overwritten",
                hint="choose another selector (-s), or use --if-missing to keep what is there",
            ) from error


def link_file(path: Path, name: Path) -> bool:
    """Give the file at `path` a second name; False where the file system cannot. Raises DiskError, Refused."""
    with disk_errors(f"write {name}"), open_parent(path) as (old, file), open_parent(name) as (new, other):
        try:
            os.link(file, other, src_dir_fd=old.descriptor, dst_dir_fd=new.descriptor, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
                raise
            return False
        new.sync()
    return True


def remove_file(path: Path) -> bool:
    """Remove a file, or a link itself; False when there is none. Raises DiskError, Refused."""
    with disk_errors(f"remove {path}"):
        try:
            with open_parent(path) as (folder, name):
                if not folder.remove(name):
                    return False
                folder.sync()
                return True
        except FileNotFoundError:
            return False


def remove_directory(path: Path) -> None:
    """Remove an empty directory. Raises OSError when something lies in it, Refused."""
    with open_parent(path) as (folder, name):
        os.rmdir(name, dir_fd=folder.descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory with everything in it, as far as that can be done. Raises Refused."""
    import shutil

    with suppress(OSError), open_parent(path) as (folder, name):
        shutil.rmtree(name, ignore_errors=True, dir_fd=folder.descriptor)


def tidy(directory: Path, *, below: bool = False) -> None:
    """Remove what killed runs have left in a directory, `below`: and in those below it; as far as that can be done."""
    with suppress(OSError, Refused), open_folder(directory) as folder:
        _tidy(folder, below=below)


def _tidy(folder: Folder, *, below: bool) -> None:
    folder.tidy()
    for name in folder.names_of_directories() if below else ():
        with suppress(OSError):  # a link, which is not followed
            inner = folder.enter(name)
            try:
                _tidy(inner, below=True)
            finally:
                inner.close()


def resolved(path: Path) -> Path:
    """Return the path of the file itself where `path` is a link that may be followed, else `path`, from `/` on.

    Raises DiskError, and Refused for a link that others could have planted.
    """
    with disk_errors(f"look at {path}"), open_parent(path, follow=True) as (folder, name):
        return below(tree_of(path), folder.shown(name)) if isinstance(path, Place) else Path(folder.shown(name))


# --- directories


def make_directory(path: Path, *, mode: int, owner: Owner | None = None) -> bool:
    """Make `path` with this mode and owner, parents 0755 as needed; True when it is new. An old one stays as it is.

    Raises DiskError, and Refused for a link on the way that others could have planted: nothing is made then.
    """
    new = False

    def make(folder: Folder, name: str, is_last: bool) -> None:
        nonlocal new
        made = folder.make_folder(name, mode if is_last else 0o755, owner if is_last else None)
        new = made and is_last

    with disk_errors(f"make the directory {path}"), open_folder(path, make):
        return new


def settle_directory(path: Path, *, mode: int, owner: Owner | None = None) -> None:
    """Make `path`, or give the directory that is there this owner and mode.

    Raises as `make_directory`, and Refused for one with another owner that others could have put there.
    """
    if make_directory(path, mode=mode, owner=owner):
        return
    with (
        disk_errors(f"set the mode of {path}"),
        open_parent(path, follow=True) as (folder, name),
        folder.inside(name) as descriptor,
    ):
        settle(descriptor, mode, owner, is_safe=folder.is_ours, shown=str(path))


def settle(descriptor: int, mode: int, owner: Owner | None, *, is_safe: bool, shown: str) -> None:
    """Give an open directory its owner and mode. `is_safe`: nobody else could have put it where it is.

    One that another user could have put there changes its owner only while it is empty. Raises Refused, OSError.
    """
    status = os.fstat(descriptor)
    is_right = owner is None or owner.owns(status)
    if is_right and stat.S_IMODE(status.st_mode) == mode:
        return
    if not (is_safe or is_right or not os.listdir(descriptor)):
        assert owner is not None
        raise Refused(
            f"{shown} belongs to {Owner.of(status).label}, not to {owner.label}, and others could have put it there",
            hint=f"look at what is in it; then: chown -h {shell_word(owner.label)} {shell_word(shown)}",
        )
    give_descriptor(descriptor, mode, owner)


def give(path: Path, *, mode: int | None = None, owner: Owner | None = None) -> None:
    """Set owner and mode (None: as it is) of the file or directory at `path`.

    Raises Refused for a link, and for a file with several names: one of them may be a file of the system. DiskError.
    """
    with disk_errors(f"set owner and mode of {path}"), open_parent(path) as (folder, name):
        _refuse_link(folder, name, path)
        descriptor = os.open(name, os.O_RDONLY | _OPEN, dir_fd=folder.descriptor)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                raise Refused(f"{path} has several names", hint=f"find them: find / -xdev -inum {status.st_ino}")
            give_descriptor(descriptor, stat.S_IMODE(status.st_mode) if mode is None else mode, owner)
        finally:
            os.close(descriptor)


def refuse_link(path: Path) -> None:
    """Raise Refused when `path` is a link: it may lead to another user's file. Raises DiskError."""
    with disk_errors(f"look at {path}"), open_parent(path) as (folder, name):
        _refuse_link(folder, name, path)


def _refuse_link(folder: Folder, name: str, path: Path) -> None:
    if stat.S_ISLNK(folder.status(name).st_mode):
        raise Refused(
            f"{path} is a symbolic link, which is not followed here", hint=f"look at it: ls -l {shell_word(path)}"
        )


def touch(path: Path, times: tuple[float, float] | None = None) -> None:
    """Set when a file was last used and changed, in seconds since 1970; None: now. Raises OSError, Refused."""
    with open_parent(path, follow=True) as (folder, name):
        os.utime(name, times, dir_fd=folder.descriptor, follow_symlinks=False)
