"""A path below the root of a tree (`--root DIR`): whatever is done with it, no link in it leads out of the tree."""

from collections.abc import Iterator
from pathlib import Path, PosixPath, PurePath
from typing import Any

ROOT = Path("/")


class Place(PosixPath):
    """A path that knows the tree it is part of; the paths made from it are part of the same one."""

    __slots__ = ("tree",)
    tree: Path

    @property
    def parent(self) -> "Place":
        """The directory above; that of the tree's root is the root."""
        return self if self == self.tree else below(self.tree, Path(self).parent)

    def __truediv__(self, name: Any) -> "Place":
        return below(self.tree, Path(self) / name)

    def with_name(self, name: str) -> "Place":
        """The same with another last component."""
        return below(self.tree, Path(self).with_name(name))

    def with_suffix(self, suffix: str) -> "Place":
        """The same with another suffix."""
        return below(self.tree, Path(self).with_suffix(suffix))

    def absolute(self) -> "Place":
        """The same, from `/` on."""
        return below(self.tree.absolute(), Path(self).absolute())

    def iterdir(self) -> "Iterator[Place]":  # type: ignore[override]
        """What lies in the directory."""
        return (below(self.tree, path) for path in Path(self).iterdir())

    def glob(self, pattern: str) -> "Iterator[Place]":  # type: ignore[override]
        """What lies below it and fits the pattern."""
        return (below(self.tree, path) for path in Path(self).glob(pattern))

    def rglob(self, pattern: str) -> "Iterator[Place]":  # type: ignore[override]
        """What lies below it at any depth and fits the pattern."""
        return (below(self.tree, path) for path in Path(self).rglob(pattern))

    @property
    def parents(self) -> "tuple[Place, ...]":
        """Every directory above, the nearest first."""
        return tuple(below(self.tree, path) for path in Path(self).parents)

    def joinpath(self, *names: Any) -> "Place":
        """The same with these names below it."""
        return below(self.tree, Path(self, *names))

    def relative_to(self, *other: Any) -> Path:  # type: ignore[override]
        """The way from there to here, which is part of no tree."""
        return Path(self).relative_to(*other)

    def __reduce__(self) -> "tuple[Any, ...]":
        return below, (self.tree, str(self))


def below(tree: Path, path: PurePath | str) -> Place:
    """Return the place in `tree` of a path that begins with the tree's own."""
    made = Place(path)
    made.tree = tree
    return made


def as_place(tree: Path, path: str) -> Path:
    """Return where a system path such as `/etc/opendkim.conf` lies on this disk when `tree` is its root."""
    return below(tree, f"{tree}/{path.lstrip('/')}") if not is_live(tree) else Path(path)


def is_live(tree: Path) -> bool:
    """Return True when `tree` is the root of the running machine, False for a tree below `--root`."""
    return tree == ROOT


def tree_of(path: Path | str) -> Path:
    """Return the root that the path may not leave: `/` for an ordinary one."""
    return path.tree if isinstance(path, Place) else ROOT
