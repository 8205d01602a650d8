"""Comparison of the installed configuration with the wanted one."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import disk_errors
from dkimctl.files import ANY, Expected, Owner, Version, open_file, status_of
from dkimctl.owners import find_daemon
from dkimctl.postfix import postconf
from dkimctl.signers.rendered import RenderedDirectory, RenderedFile, Rendering


class Change(StrEnum):
    """Kind of change to a file or directory."""

    NEW = "new"
    CONTENT = "content"
    MODE = "mode"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that differs from the rendering."""

    path: str
    """As the daemons see it."""
    change: Change
    file: RenderedFile = field(repr=False)
    replaces: Expected = field(default=ANY, repr=False)
    """The version of the installed file that may be replaced; None for a new file."""


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """A directory that differs from the rendering."""

    path: str
    change: Change
    directory: RenderedDirectory = field(repr=False)


@dataclass(frozen=True, slots=True)
class PostfixChange:
    """A parameter of main.cf whose effective value differs from the wanted one."""

    name: str
    now: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that `--install` would change."""

    files: tuple[FileChange, ...] = ()
    directories: tuple[DirectoryChange, ...] = ()
    postfix: tuple[PostfixChange, ...] = ()
    removed: tuple[str, ...] = ()
    """Existing copies of revoked keys, as system paths."""

    @property
    def is_empty(self) -> bool:
        """Return whether nothing differs."""
        return not (self.files or self.directories or self.postfix or self.removed)


def compare(rendering: Rendering, settings: Settings) -> Difference:
    """Return the differences from the rendering. Raises DiskError for an unreadable file, Unavailable from postconf."""
    return Difference(
        files=tuple(_file_changes(rendering.files, settings)),
        directories=tuple(_directory_changes(rendering.directories, settings)),
        postfix=tuple(_postfix_changes(rendering, settings)),
        removed=tuple(path for path in rendering.leftovers if status_of(settings.at(path)) is not None),
    )


def _file_changes(files: Iterable[RenderedFile], settings: Settings) -> Iterator[FileChange]:
    daemon = find_daemon(settings.keys.owner, settings.root)
    for file in files:
        path = settings.at(file.path)
        with disk_errors(f"read {path}"):
            status = status_of(path)
            if status is None:
                yield _change(file, Change.NEW, None)
            elif not _is_same(path, status, file):
                yield _change(file, Change.CONTENT, status)
            elif not (_is_private(status, file, settings) if file.is_private else is_readable(status, daemon)):
                yield _change(file, Change.MODE, status)


def _change(file: RenderedFile, change: Change, status: os.stat_result | None) -> FileChange:
    """Return the change of a file; where its content was made from an earlier version, only that one is replaced."""
    seen = Version.of(status) if status else None
    return FileChange(file.path, change, file, seen if file.made_from is ANY else file.made_from)


def _is_private(status: os.stat_result, file: RenderedFile, settings: Settings) -> bool:
    """Return whether a private key has the right mode, and the right owner where it can be set."""
    owner = find_daemon(file.owner, settings.root) if os.geteuid() == 0 else None
    return stat.S_IMODE(status.st_mode) == file.mode and (owner is None or status.st_uid == owner.uid)


def _is_same(path: Path, status: os.stat_result, file: RenderedFile) -> bool:
    if file.excerpt and file.made_from == Version.of(status):  # the other rows are those that are there
        return file.excerpt.before == file.excerpt.after
    return _same_content(path, status.st_size, file.content)


def _same_content(path: Path, size: int, wanted: Iterable[bytes]) -> bool:
    with open_file(path) as installed:
        for chunk in wanted:
            if installed.read(len(chunk)) != chunk:
                return False
        return installed.tell() == size


def is_readable(status: os.stat_result, daemon: Owner | None) -> bool:
    """Return True when the daemon can read the file after dropping root, and no other user can write it.

    `daemon` is None where its user does not exist (yet): then all users must be able to read it.
    """
    mode = status.st_mode
    if mode & stat.S_IWOTH:
        return False
    if daemon is not None and status.st_uid == daemon.uid:
        return bool(mode & stat.S_IRUSR)
    if daemon is not None and status.st_gid == daemon.gid:
        return bool(mode & stat.S_IRGRP)
    return bool(mode & stat.S_IROTH)


def _directory_changes(directories: Iterable[RenderedDirectory], settings: Settings) -> Iterator[DirectoryChange]:
    for directory in directories:
        path = settings.at(directory.path)
        with disk_errors(f"look at {path}"):
            status = status_of(path)
        if status is None:
            yield DirectoryChange(directory.path, Change.NEW, directory)
        elif not _as_wanted(status, directory, settings):
            yield DirectoryChange(directory.path, Change.MODE, directory)


def _as_wanted(status: os.stat_result, directory: RenderedDirectory, settings: Settings) -> bool:
    if stat.S_IMODE(status.st_mode) != directory.mode:
        return False
    owner = find_daemon(directory.owner, settings.root)
    # only root can give a directory away; elsewhere (a staging tree of an ordinary user) the mode is all there is
    return owner is None or os.geteuid() != 0 or owner.owns(status)


def _postfix_changes(rendering: Rendering, settings: Settings) -> Iterator[PostfixChange]:
    if not rendering.postfix:
        return
    now = postconf.read_settings(settings.at(settings.paths.postfix_directory), tuple(rendering.postfix))
    for name, wanted in rendering.postfix.items():
        if now.get(name) != wanted:
            yield PostfixChange(name, now.get(name, ""), wanted)
