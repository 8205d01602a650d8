"""Installation of a rendering: all of it or nothing, with backups of the old files.

All new files and all backups are complete on disk before the first change. Then main.cf and the files are replaced,
opendkim.conf, which makes the daemon read the others, last. When one replacement fails, all are undone. After a kill
between two of these steps the same command completes the work: the old opendkim.conf still shows which milter in
main.cf was dkimctl's.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Refused, shell_word
from dkimctl.files import (
    Owner,
    Staged,
    Version,
    as_place,
    make_directory,
    remove_file,
    settle_directory,
    staged_file,
    status_of,
    version_at,
    write_file,
)
from dkimctl.install.backup import backed_up
from dkimctl.install.compare import (
    Change,
    Difference,
    DirectoryChange,
    FileChange,
    compare,
    is_readable,
)
from dkimctl.install.leftovers import tidy_beside
from dkimctl.install.lock import configuration_lock
from dkimctl.install.transaction import all_or_nothing
from dkimctl.owners import find_daemon
from dkimctl.postfix import postconf
from dkimctl.signers.rendered import Rendering

BeforeSwitch = Callable[[Mapping[str, Path]], None]
"""Called with system path → file with its new content, for each file of the rendering; raises to cancel."""
POSTFIX_FILE = "postfix-settings"
"""Lines `name = value`, as `xargs -d '\\n' postconf -e` takes them."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The changes of an installation."""

    changed: Difference
    backup: str
    """The directory with the old files, as a system path; empty when there was nothing to keep."""
    notes: tuple[str, ...] = ()
    """Steps that could not be done here, and how they are done."""
    versions: Mapping[str, Version | None] = field(default_factory=dict, repr=False)
    """Each changed file (by its system path) as the installation left it."""


def install(
    rendering: Rendering, settings: Settings, *, now: datetime, before_switch: BeforeSwitch = lambda _: None
) -> Installed:
    """Apply the rendering to this host; nothing is written when it is up to date.

    Raises Refused for a blocking notice, a symbolic link in a file's place, or what `before_switch` found; FileChanged
    when another program changed a file since the rendering was made from it: render again; DiskError when something
    cannot be written. Everything is as it was before then, or the error names each file that is not.
    """
    for notice in rendering.notices:
        if notice.blocking:
            raise Refused(notice.message, hint=notice.hint)
    tidy_beside([*(file.path for file in rendering.files), *(d.path for d in rendering.directories)], settings)
    if compare(rendering, settings).is_empty:
        return Installed(Difference(), "")
    with configuration_lock(settings):
        difference = compare(rendering, settings)
        backup = _switch(rendering, settings, difference, now, before_switch)
        paths = [change.path for change in difference.files] + [settings.paths.main_cf] * bool(difference.postfix)
        versions = {path: version_at(settings.at(path)) for path in paths}
    return Installed(difference, backup, tuple(_ownerless(difference, settings)), versions)


def _switch(
    rendering: Rendering, settings: Settings, difference: Difference, now: datetime, before_switch: BeforeSwitch
) -> str:
    for directory in difference.directories:
        _make(directory, settings)
    with ExitStack() as stack:
        staged = {c.path: stack.enter_context(_staged(c, settings)) for c in difference.files}
        new = {path: file.path for path, file in staged.items()}
        before_switch({f.path: new.get(f.path, settings.at(f.path)) for f in rendering.files})
        steps = [(staged[change.path], change.replaces) for change in difference.files]
        if difference.postfix:
            steps.insert(
                _noted(difference, settings),
                (stack.enter_context(staged_main_cf(_values(difference), settings)), rendering.main_cf),
            )
        backup = backed_up(_old_files(difference, settings), settings, now, for_now=rendering.is_part)
        with all_or_nothing(backup) as put:
            for file, expected in steps:
                put(file, expected)
    return backup.shown


def _noted(difference: Difference, settings: Settings) -> int:
    """Return 1 where the first file is the note of what is done, which is written before everything else."""
    return int(bool(difference.files) and difference.files[0].path.startswith(f"{settings.paths.backups}/"))


def _old_files(difference: Difference, settings: Settings) -> list[str]:
    old = [change.path for change in difference.files if change.change is not Change.NEW]
    return [*old, settings.paths.main_cf] if difference.postfix else old


def _values(difference: Difference) -> dict[str, str]:
    return {change.name: change.wanted for change in difference.postfix}


@contextmanager
def staged_main_cf(values: Mapping[str, str | None], settings: Settings) -> Iterator[Staged]:
    """Yield main.cf with these values set, or with None no longer set, ready to be put in place."""
    directory = settings.at(settings.paths.postfix_directory)
    status = status_of(directory / "main.cf")
    mode = stat.S_IMODE(status.st_mode) if status else 0o644
    owner = Owner.of(status) if status and os.geteuid() == 0 else None
    with (
        postconf.edited(directory, values) as content,
        staged_file(directory / "main.cf", content, mode=mode, owner=owner, follow=True) as staged,
    ):
        yield staged


def remove_leftovers(installed: Installed, settings: Settings) -> None:
    """Remove files that no daemon reads after its reload. Raises as `remove_replaced`."""
    remove_replaced(installed.changed.removed, settings)


def remove_replaced(paths: Iterable[str], settings: Settings) -> None:
    """Remove files that nothing needs any more. Raises DiskError, which says that the others are in place."""
    for path in map(settings.at, paths):
        try:
            remove_file(path)
        except DiskError as error:
            message = f"the new configuration is in place, but what it replaces is there too: {error.message}"
            raise DiskError(message, hint="fix the cause and run the same command again: it removes that") from error


def _make(change: DirectoryChange, settings: Settings) -> None:
    """Create the directory, or set its owner and mode; the owner only as root and where the user exists."""
    owner = _owner_to_give(change, settings)
    settle_directory(settings.at(change.path), mode=change.directory.mode, owner=owner)


def _owner_to_give(change: DirectoryChange, settings: Settings) -> Owner | None:
    return find_daemon(change.directory.owner, settings.root) if os.geteuid() == 0 else None


def _ownerless(difference: Difference, settings: Settings) -> Iterator[str]:
    for change in difference.directories:
        if _owner_to_give(change, settings) is None:
            why = "there is no such user here" if os.geteuid() == 0 else "only root can do that"
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
    """Return owner and mode of the existing file, unless the daemon could not read it with them."""
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


def write_tree(rendering: Rendering, directory: Path) -> tuple[Path, ...]:
    """Write every file below `directory` at its system path, and main.cf's settings; return the paths written.

    Private keys are omitted: only the daemon gets them.

    Raises DiskError.
    """
    return tuple(_write(rendering, directory))


def _write(rendering: Rendering, directory: Path) -> Iterator[Path]:
    for file in rendering.files:
        if file.is_secret:
            continue
        path = as_place(directory, file.path)
        make_directory(path.parent, mode=0o755)
        write_file(path, file.content, mode=file.mode)
        yield path
    if rendering.postfix:
        path = as_place(directory, POSTFIX_FILE)
        write_file(path, (f"{name} = {value}\n".encode() for name, value in rendering.postfix.items()))
        yield path
