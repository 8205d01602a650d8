"""A path walked one component at a time by descriptors, with its links resolved here and not by the kernel.

A link is followed when root or the caller made it in a directory that only they can write: linked key directories,
/var/run, an orchestrator's secrets. Any other is refused before anything is made. `..` and absolute links never leave
the tree that the path is part of.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dkimctl.errors import Refused, shell_word
from dkimctl.files.folder import Folder
from dkimctl.files.folder_reader import file_identity
from dkimctl.files.place import ROOT, tree_of

_MOST_LINKS = 40  # as the kernel
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_roots: dict[bool, Folder] = {}
"""The root of the tree that was walked last, by whether any link was followed: the way to it takes half of a walk."""
MakeFolder = Callable[[Folder, str, bool], None]
"""Gets the folder above, the name of a directory that is missing, and True when it is the last one; makes it."""


@contextmanager
def open_folder(path: Path | str, make: MakeFolder | None = None, *, any_link: bool = False) -> Iterator[Folder]:
    """The directory at `path`, open. `make` makes what is missing; `any_link` follows others' links too, to read.

    Raises Refused for a link that others could have planted, OSError for the rest.
    """
    with _walk(path, any_link) as walk:
        walk.begin(make)
        walk.enter(walk.parts, make)
        yield walk.here


@contextmanager
def open_parent(
    path: Path | str, make: MakeFolder | None = None, *, follow: bool = False, any_link: bool = False
) -> Iterator[tuple[Folder, str]]:
    """The open directory that holds `path`, and the name in it.

    `follow`: where the name is a link to a file, those of the file. Raises as `open_folder` does.
    """
    with _walk(path, any_link) as walk:
        walk.begin(make)
        parts = walk.parts
        while True:
            if not parts or parts[-1] in (".", ".."):
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            walk.enter(parts[:-1], make)
            target = walk.link(parts[-1]) if follow else None
            if target is None:
                yield walk.here, parts[-1]
                return
            parts = walk.aim(target)


@contextmanager
def open_chain(path: Path | str) -> Iterator[tuple[list[Folder], bool]]:
    """The open directories from the root to `path`, as far as there are any; True when that is the whole way.

    Raises as `open_folder` does.
    """
    with _walk(path, any_link=False) as walk:
        is_whole = True
        try:
            walk.begin(None)
            walk.enter(walk.parts, None)
        except FileNotFoundError:
            is_whole = False
        yield walk.chain, is_whole


@contextmanager
def _walk(path: Path | str, any_link: bool) -> Iterator["_Walk"]:
    walk = _Walk(path, any_link)
    try:
        yield walk
    finally:
        walk.close()


class _Walk:
    """The directories from the tree's root to where the walk has come, all of them open."""

    def __init__(self, path: Path | str, any_link: bool) -> None:
        self._path = path
        self._any_link = any_link
        self._links = 0
        self._stack: list[Folder] = []
        self.parts: list[str] = []

    def begin(self, make: MakeFolder | None) -> None:
        """Open the root of the tree, and see which components of the path are below it."""
        path, tree = _absolute(self._path), tree_of(self._path)
        if tree == ROOT:
            self._stack.append(_top())
        else:
            above = _absolute(tree)
            self._begin_below(above, make)
            path = path.removeprefix(above)
        self.parts = _parts(path)

    def _begin_below(self, above: str, make: MakeFolder | None) -> None:
        """Open the root of a tree: at the second time the one that the way led to, if it is still there."""
        known = _roots.get(self._any_link)
        if known is not None and known.path == above and _is_at(known, above):
            self._stack.append(Folder.opened(os.dup(known.descriptor), above))
            return
        self._stack.append(_top())
        self.enter(_parts(above), make and _not_last(make))
        self.close(keep=self.here)
        self.here.path = above  # as it was given, should links have led there
        if known is not None:
            known.close()
        _roots[self._any_link] = Folder.opened(os.dup(self.here.descriptor), above)

    @property
    def chain(self) -> list[Folder]:
        """All directories from the root to where the walk has come."""
        return list(self._stack)

    @property
    def here(self) -> Folder:
        """The directory that the walk has come to."""
        return self._stack[-1]

    def close(self, keep: Folder | None = None) -> None:
        """Close every descriptor, but for that of `keep`: the root from then on."""
        for folder in self._stack:
            if folder is not keep:
                folder.close()
        self._stack = [keep] if keep else []

    def enter(self, parts: list[str], make: MakeFolder | None) -> None:
        """Walk on by these components."""
        waiting = deque(parts)
        while waiting:
            part = waiting.popleft()
            if part == "..":
                self._go_up()
            elif part != ".":
                waiting.extendleft(reversed(self._step(part, make, is_last=not waiting)))

    def _go_up(self) -> None:
        if len(self._stack) > 1:  # the root of a tree is above itself, as `/` is
            self._stack.pop().close()

    def _step(self, name: str, make: MakeFolder | None, *, is_last: bool) -> list[str]:
        """Enter one directory; for a link return the components of its target instead."""
        if make is not None and self.here.is_ours:
            self.here.tidy()
        while True:
            try:
                descriptor = os.open(name, _DIRECTORY, dir_fd=self.here.descriptor)
            except FileNotFoundError:
                if make is None:
                    raise
                make(self.here, name, is_last)
                continue
            except OSError as error:
                target = self.link(name) if error.errno in (errno.ENOTDIR, errno.ELOOP) else None
                if target is None:
                    raise
                return self.aim(target)
            self._stack.append(Folder.opened(descriptor, self.here.shown(name)))
            return []

    def link(self, name: str) -> str | None:
        """Where the link leads, or None when the name is not one. Raises Refused when it is not to be followed."""
        folder = self.here
        try:
            status = folder.status(name)
        except FileNotFoundError:
            return None
        if not stat.S_ISLNK(status.st_mode):
            return None
        if not self._any_link and not (folder.is_ours and status.st_uid in (0, os.geteuid())):
            raise _planted(folder, name, status)
        return os.readlink(name, dir_fd=folder.descriptor)

    def aim(self, target: str) -> list[str]:
        """The components of a link's target; an absolute one starts at the tree's root again."""
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.startswith("/"):
            root = self._stack[0]
            for folder in self._stack[1:]:
                folder.close()
            self._stack = [root]
        return _parts(target)


def _top() -> Folder:
    return Folder.opened(os.open("/", _DIRECTORY), "/")


def _is_at(folder: Folder, path: str) -> bool:
    """Return True when the path leads this user to this directory. No other has its number while it is open."""
    try:
        return file_identity(os.stat(path)) == folder.identity
    except OSError:
        return False


def _not_last(make: MakeFolder) -> MakeFolder:
    return lambda folder, name, _: make(folder, name, False)


def _absolute(path: Path | str) -> str:
    shown = str(path)
    return shown if shown.startswith("/") else f"{os.getcwd()}/{shown}"


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _planted(folder: Folder, name: str, status: os.stat_result) -> Refused:
    shown = folder.shown(name)
    if status.st_uid not in (0, os.geteuid()):
        why = f"a link that another user made (uid {status.st_uid})"
    else:
        why = "a link in a directory that others can write"
    return Refused(
        f"{shown} is {why}; it is not followed", hint=f"see where it leads, and name that: namei -l {shell_word(shown)}"
    )
