"""Backups: copies of the files to be changed, complete on disk before the first change."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import disk_errors
from dkimctl.files import Content, Owner, is_there, link_file, make_directory, open_file, remove_tree, write_file


@dataclass(frozen=True, slots=True)
class Backup:
    """A directory with copies of files at their system paths."""

    settings: Settings
    shown: str
    """As a system path; empty when there was nothing to copy."""

    def copy_of(self, target: Path) -> Path | None:
        """Return the copy of the file at `target` (a path on this disk), or None when there is none."""
        if not self.shown:
            return None
        root = self.settings.root
        inside = target.relative_to(root) if root != Path("/") else Path(str(target).lstrip("/"))
        copy = self.settings.at(self.shown) / str(inside)
        return copy if copy.is_file() else None

    def put_back(self, target: Path) -> None:
        """Write the copy over the file at `target`. Raises DiskError, also when there is no copy."""
        copy = self.copy_of(target)
        with disk_errors(f"put back {target}"):
            if copy is None:
                raise FileNotFoundError(2, "there is no copy of it")
        _copy(copy, target, follow=True)

    def remove(self) -> None:
        """Remove the copies, when nothing has changed."""
        if self.shown:
            remove_tree(self.settings.at(self.shown))


def backed_up(paths: Iterable[str], settings: Settings, now: datetime, *, for_now: bool = False) -> Backup:
    """Return copies of the files at these system paths, in a new directory. Raises DiskError; nothing is left then.

    `for_now`: they are only kept until the change is proven, and a second name of each file will do.
    """
    old = list(paths)
    if not old:
        return Backup(settings, "")
    backup = Backup(settings, _new_directory(settings, now))
    try:
        for path in old:
            target = settings.at(backup.shown) / path.lstrip("/")
            make_directory(target.parent, mode=0o700)
            if not (for_now and link_file(settings.at(path), target)):
                _copy(settings.at(path), target)
    except BaseException:
        backup.remove()
        raise
    return backup


def copies_of(path: str, settings: Settings) -> Iterator[Path]:
    """Yield the copies of the file at a system path, the newest first."""
    base = settings.at(settings.paths.backups)
    for place in sorted(base.glob("*T*Z*"), reverse=True):
        if is_there(place / path.lstrip("/")):
            yield place / path.lstrip("/")


def _new_directory(settings: Settings, now: datetime) -> str:
    base = f"{settings.paths.backups}/{now:%Y%m%dT%H%M%SZ}"
    shown, count = base, 1
    while not make_directory(settings.at(shown), mode=0o700):
        count += 1
        shown = f"{base}-{count}"
    return shown


def _copy(source: Path, target: Path, *, follow: bool = False) -> None:
    with disk_errors(f"read {source}"), open_file(source) as stream:
        status = os.fstat(stream.fileno())
        owner = Owner.of(status) if os.geteuid() == 0 else None
        content: Content = iter(lambda: stream.read(1 << 20), b"")
        write_file(target, content, mode=stat.S_IMODE(status.st_mode), owner=owner, follow=follow)
