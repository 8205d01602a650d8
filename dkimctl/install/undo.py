"""An installation undone by its note: every file becomes what it was.

A file that was changed since is not overwritten. Of an installation that was interrupted and run again both notes are
undone.
"""

from contextlib import suppress
from dataclasses import dataclass

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Refused, UsageError, disk_errors
from dkimctl.files import read_file, remove_directory, remove_file, version_at, write_file
from dkimctl.install.compare import Change, Difference, FileChange, PostfixChange
from dkimctl.install.journal import Journal, Note, Noted, digest, parsed
from dkimctl.install.lock import configuration_lock
from dkimctl.install.switch import Switched, switch_back
from dkimctl.install.write import Installed
from dkimctl.signers.rendered import RenderedFile, fixed
from dkimctl.signers.service import ReloadResult


@dataclass(frozen=True, slots=True)
class Undone:
    """The result of undoing an installation."""

    files: tuple[str, ...]
    """Put back or removed, as system paths."""
    backup: str
    daemons: tuple[ReloadResult, ...]
    """The result of reloading each daemon; none below --root."""

    @property
    def waits(self) -> bool:
        """Return whether a running daemon has to be restarted by a person."""
        return any(told.waits for told in self.daemons)


@dataclass(frozen=True, slots=True)
class _Part:
    """Files whose copies are in one backup; main.cf has one of its own where Postfix was told later."""

    changes: list[Noted]
    backup: str


def undo(journal: Journal, settings: Settings, *, dry_run: bool = False) -> Undone:
    """Put back what the last installation changed and remove what it made, and reload the daemons.

    What an interrupted run of that installation had done before is undone as well. Run again after an interruption it
    completes the work. With `dry_run` nothing is changed. Raises UsageError when nothing was installed, Refused when a
    file was changed since or its copy is missing, CheckFailed when the note is damaged, and what `switch_back` raises.
    """
    with configuration_lock(settings):
        undone = _undo_last(journal, settings, dry_run=dry_run)
        while not dry_run and _is_interrupted(journal, settings):
            earlier = _undo_last(journal, settings)
            files = tuple(dict.fromkeys((*undone.files, *earlier.files)))
            undone = Undone(files, earlier.backup or undone.backup, earlier.daemons)
        return undone


def _is_interrupted(journal: Journal, settings: Settings) -> bool:
    """Return True when the note that is there now is of an installation that was not carried out."""
    path = journal.path(settings)
    content = read_file(settings.at(path))
    return content is not None and not parsed(content, path).is_complete


def _undo_last(journal: Journal, settings: Settings, *, dry_run: bool = False) -> Undone:
    path = journal.path(settings)
    content = read_file(settings.at(path))
    if content is None:
        raise UsageError(f"nothing to undo: there is no {path}", hint=journal.hint)
    note = parsed(content, path)
    parts = _parts(note, path, settings)
    for part in parts:
        _refuse_changed(journal, part, settings)
    backup = parts[-1].backup
    daemons = () if dry_run else tuple(result for part in parts for result in _put_back(part, settings))
    if not dry_run:
        _remove_directories(note.directories, settings)
        _put_away(path, backup, settings)
    return Undone(tuple(c.path for part in parts for c in part.changes), backup, daemons)


def _put_back(part: _Part, settings: Settings) -> tuple[ReloadResult, ...]:
    """Put these files back and reload the daemons; main.cf is not among the files, but what Postfix is told."""
    main_cf = settings.paths.main_cf
    files = [FileChange(c.path, c.change, RenderedFile(c.path, fixed(b""))) for c in part.changes if c.path != main_cf]
    postfix = (PostfixChange("", "", ""),) if len(files) < len(part.changes) else ()
    versions = {change.path: version_at(settings.at(change.path)) for change in part.changes}
    installed = Installed(Difference(files=tuple(files), postfix=postfix), part.backup, versions=versions)
    return switch_back(Switched(installed, "", None, None), settings)


def _refuse_changed(journal: Journal, part: _Part, settings: Settings) -> None:
    """A file may be as the installation left it, or as it was before: then an earlier undo has been here."""
    for noted in part.changes:
        content = read_file(settings.at(noted.path))
        before = None if noted.change is Change.NEW else read_file(settings.at(f"{part.backup}{noted.path}"))
        if content != before and (content is None or digest([content]) != noted.digest):
            raise Refused(
                f"{noted.path} was changed after the {journal.what}; undoing it would lose that",
                hint=f"compare it with its copy below {settings.paths.backups}, and put back by hand what you want",
            )


def _parts(note: Note, path: str, settings: Settings) -> list[_Part]:
    """Return the files with their copies, main.cf first where it has a backup of its own.

    Raises Refused when the copies are not there.
    """
    wanted = {c.path for c in note.changes if c.change is not Change.NEW}
    wanted |= {path} if note.is_later else set()
    together = _backup(wanted, note, settings)
    if together is not None:
        return [_Part(note.changes, together)]
    main_cf = settings.paths.main_cf
    others = _backup(wanted - {main_cf}, note, settings)
    if main_cf not in wanted or others is None:
        base = settings.at(settings.paths.backups)
        raise Refused(f"the copies of the old files are not below {base}", hint="restore them from your own backup")
    own = _backup({main_cf}, note, settings)  # None: Postfix was never told
    of_postfix = [c for c in note.changes if c.path == main_cf]
    first = [_Part(of_postfix, own)] if own is not None else []
    return [*first, _Part([c for c in note.changes if c.path != main_cf], others)]


def _backup(wanted: set[str], note: Note, settings: Settings) -> str | None:
    """The directory with the copies: the first one since that moment that holds exactly these files."""
    if not wanted:
        return ""
    base = settings.at(settings.paths.backups)
    with disk_errors(f"read {base}"):
        for place in sorted(place for place in base.glob("*T*Z*") if place.name >= note.stamp):
            found = {f"/{path.relative_to(place)}" for path in place.rglob("*") if path.is_file()}
            if found == wanted:
                return f"{settings.paths.backups}/{place.name}"
    return None


def _remove_directories(directories: list[str], settings: Settings) -> None:
    """Remove the directories that were made, the deepest first, when nothing else is in them."""
    for shown in sorted(directories, reverse=True):
        place = settings.at(shown)
        with suppress(OSError, Refused, DiskError):
            if [entry.name for entry in place.iterdir()] == [".lock"]:
                remove_file(place / ".lock")
            remove_directory(place)


def _put_away(path: str, backup: str, settings: Settings) -> None:
    """The note goes last: until then the command can be run again. That of an earlier installation comes back."""
    earlier = read_file(settings.at(f"{backup}{path}")) if backup else None
    if earlier is not None:
        write_file(settings.at(path), earlier)
        return
    remove_file(settings.at(path))
