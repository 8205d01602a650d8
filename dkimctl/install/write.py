"""Putting a rendering in place: all of it or nothing, and never without a copy of what was there.

Everything new is complete on the disk beside its place before anything changes. Then main.cf is changed, and the files
are renamed, the one that makes the daemon read the others last. Killed between two of these steps, the same command
completes the work: the old opendkim.conf still tells which milter in main.cf was ours.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, disk_errors, shell_word
from dkimctl.files import (
    Owner,
    Staged,
    locked,
    make_directory,
    open_file,
    remove_file,
    remove_tree,
    settle_directory,
    staged_file,
    status_of,
    write_file,
)
from dkimctl.install.compare import (
    Change,
    Difference,
    DirectoryChange,
    FileChange,
    compare,
    is_readable,
)
from dkimctl.owners import find_daemon
from dkimctl.postfix import postconf
from dkimctl.signers.base import Rendering

BeforeSwitch = Callable[[Mapping[str, Path]], None]
"""Gets system path → where its new content can be read now, for each file of the rendering; raises to stop it all."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation changed."""

    changed: Difference
    backup: str
    """The directory with the old files, as a system path; empty when there was nothing to keep."""
    notes: tuple[str, ...] = ()
    """What could not be done here, and who does it."""


def install(
    rendering: Rendering, settings: Settings, *, now: datetime, before_switch: BeforeSwitch = lambda _: None
) -> Installed:
    """Make this host as the rendering says; nothing is written when it is so already.

    Raises Refused for a blocking notice, a symbolic link in a file's place, or what `before_switch` found; DiskError
    when something cannot be written: nothing is half-done then.
    """
    for notice in rendering.notices:
        if notice.blocking:
            raise Refused(notice.message, hint=notice.hint)
    if compare(rendering, settings).is_empty:
        return Installed(Difference(), "")
    place = settings.at(settings.paths.opendkim_directory)
    make_directory(place, mode=0o755)
    with locked(place):
        difference = compare(rendering, settings)
        backup = _switch(rendering, settings, difference, now, before_switch)
    return Installed(difference, backup, tuple(_ownerless(difference, settings)))


def _switch(
    rendering: Rendering, settings: Settings, difference: Difference, now: datetime, before_switch: BeforeSwitch
) -> str:
    for directory in difference.directories:
        _make(directory, settings)
    with ExitStack() as stack:
        staged = {c.path: stack.enter_context(_staged(c, settings)) for c in difference.files}
        new = {path: file.path for path, file in staged.items()}
        before_switch({f.path: new.get(f.path, settings.at(f.path)) for f in rendering.files})
        backup = stack.enter_context(_backup(difference, settings, now))
        if difference.postfix:
            directory_of_postfix = settings.at(settings.paths.postfix_directory)
            postconf.write_settings(directory_of_postfix, {c.name: c.wanted for c in difference.postfix})
        for file in staged.values():
            file.put()
    return backup


def remove_leftovers(installed: Installed, settings: Settings) -> None:
    """Remove what no daemon reads any more, once it was told so. Raises DiskError."""
    for path in map(settings.at, installed.changed.removed):
        remove_file(path)


def _make(change: DirectoryChange, settings: Settings) -> None:
    """Make the directory, or give it its owner and mode; the owner only where root works and the user exists."""
    owner = _owner_to_give(change, settings)
    settle_directory(settings.at(change.path), mode=change.directory.mode, owner=owner)


def _owner_to_give(change: DirectoryChange, settings: Settings) -> Owner | None:
    return find_daemon(change.directory.owner, settings.root) if os.geteuid() == 0 else None


def _ownerless(difference: Difference, settings: Settings) -> Iterator[str]:
    for change in difference.directories:
        if _owner_to_give(change, settings) is None:
            why = "there is no such user here" if os.geteuid() == 0 else "that takes root"
            place, owner = settings.at(change.path), change.directory.owner
            yield f"{place} was not given to {owner}: {why}; systemd-tmpfiles does it where the daemon runs"


@contextmanager
def _staged(change: FileChange, settings: Settings) -> Iterator[Staged]:
    path = settings.at(change.path)
    if os.path.islink(path):
        real = os.path.realpath(path)
        raise Refused(
            f"{path} is a symbolic link, which dkimctl does not follow",
            hint=f"put the file itself there: cp --remove-destination {shell_word(real)} {shell_word(path)}",
        )
    make_directory(path.parent, mode=0o755)
    mode, owner = _mode_and_owner(change, path, settings)
    with staged_file(path, change.file.content, mode=mode, owner=owner) as staged:
        yield staged


def _mode_and_owner(change: FileChange, path: Path, settings: Settings) -> tuple[int, Owner | None]:
    """Those of the file that is there, unless the daemon could not read it so."""
    if change.file.is_private:
        return change.file.mode, find_daemon(change.file.owner, settings.root) if os.geteuid() == 0 else None
    if change.change is Change.NEW:
        return change.file.mode, None
    status = status_of(path)
    if status is None:  # removed since it was compared
        return change.file.mode, None
    owner = Owner.of(status)
    keeps = is_readable(status, find_daemon(settings.keys.owner, settings.root))
    return (stat.S_IMODE(status.st_mode) if keeps else change.file.mode), owner


@contextmanager
def _backup(difference: Difference, settings: Settings, now: datetime) -> Iterator[str]:
    """A copy of every file that is about to change, in a directory of its own; gone again when the work fails."""
    old = [c.path for c in difference.files if c.change is not Change.NEW]
    if difference.postfix:
        old.append(f"{settings.paths.postfix_directory}/main.cf")
    if not old:
        yield ""
        return
    shown = _backup_directory(settings, now)
    try:
        for path in old:
            _copy(settings.at(path), settings.at(shown) / path.lstrip("/"))
        yield shown
    except BaseException:
        remove_tree(settings.at(shown))
        raise


def _backup_directory(settings: Settings, now: datetime) -> str:
    base = f"{settings.paths.backups}/{now:%Y%m%dT%H%M%SZ}"
    shown, count = base, 1
    while not make_directory(settings.at(shown), mode=0o700):
        count += 1
        shown = f"{base}-{count}"
    return shown


def _copy(source: Path, target: Path) -> None:
    make_directory(target.parent, mode=0o700)
    with disk_errors(f"read {source}"), open_file(source) as stream:
        status = os.fstat(stream.fileno())
        owner = Owner.of(status) if os.geteuid() == 0 else None
        chunks = iter(lambda: stream.read(1 << 20), b"")
        write_file(target, chunks, mode=stat.S_IMODE(status.st_mode), owner=owner)
