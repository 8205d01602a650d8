"""The note of an installation, written before anything else, and undoing it: every file becomes what it was.

The note is beside the backups (`adopted.json`, `installed.json`) and says of each file whether it was made or changed,
and what it held afterwards: a file that was changed since is not overwritten. An installation that was interrupted and
run again has two notes, the later one with a copy of the earlier one; `undo` then undoes both.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DiskError, Refused, UsageError, disk_errors, shell_word
from dkimctl.files import is_there, read_file, remove_directory, remove_file, version_at, write_file
from dkimctl.install.compare import Change, Difference, FileChange, PostfixChange, compare
from dkimctl.install.lock import configuration_lock, is_made_for_lock
from dkimctl.install.switch import Switched, switch_back
from dkimctl.install.write import Installed
from dkimctl.postfix import postconf
from dkimctl.signers.base import RenderedFile, Rendering, fixed
from dkimctl.signers.service import ReloadResult

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Journal:
    """The installations of one command."""

    name: str
    """Of the note's file."""
    what: str
    """`adoption`, as it is called in messages."""
    hint: str
    """What to know where there is no note."""

    def path(self, settings: Settings) -> str:
        """Return where the note of the last installation is, as a system path."""
        return f"{settings.paths.backups}/{self.name}.json"


ADOPTION = Journal("adopted", "adoption", "adopt keeps it from --install until --undo")
INSTALLATION = Journal(
    "installed",
    "installation",
    "render-config keeps it from --install until --undo; to take out everything of dkimctl: dkimctl uninstall",
)


@dataclass(frozen=True, slots=True)
class Undone:
    """The result of undoing an installation."""

    files: tuple[str, ...]
    """Put back or removed, as system paths."""
    backup: str
    daemons: tuple[ReloadResult, ...]
    """The result of reloading each daemon; none below --root."""


def with_note(journal: Journal, rendering: Rendering, settings: Settings, now: datetime) -> Rendering:
    """Return the rendering with the note as its first file; as it is when nothing would change."""
    difference = compare(rendering, settings)
    if difference.is_empty:
        return rendering
    path = journal.path(settings)
    document = {
        "schema": SCHEMA,
        "complete": False,
        "earlier": is_there(settings.at(path)),
        "at": f"{now:%Y%m%dT%H%M%SZ}",
        "files": [
            *({"path": c.path, "change": c.change.value, "sha256": _digest(c.file.content)} for c in difference.files),
            *_main_cf_note(difference, settings),
        ],
        "directories": _missing(difference, settings),
    }
    note = RenderedFile(path, fixed(json.dumps(document, indent=2).encode() + b"\n"))
    return replace(rendering, files=(note, *rendering.files))


def _main_cf_note(difference: Difference, settings: Settings) -> Iterator[dict[str, str]]:
    if difference.postfix:
        values = {change.name: change.wanted for change in difference.postfix}
        with postconf.edited(settings.at(settings.paths.postfix_directory), values) as content:
            yield {"path": settings.paths.main_cf, "change": Change.CONTENT.value, "sha256": _digest([content])}


def mark_complete(journal: Journal, settings: Settings) -> None:
    """Note that the last installation was carried out: undoing a later one does not undo it. Raises DiskError."""
    path = settings.at(journal.path(settings))
    with configuration_lock(settings):
        content = read_file(path)
        document = json.loads(content) if content else {"complete": True}
        if not document.get("complete", True):
            write_file(path, json.dumps({**document, "complete": True}, indent=2).encode() + b"\n")


def _missing(difference: Difference, settings: Settings) -> list[str]:
    """Every directory that is not there yet and will be."""
    places = {PurePosixPath(c.path) for c in difference.directories}
    for change in difference.files:
        places |= set(PurePosixPath(change.path).parents)
    at = {place: settings.at(str(place)) for place in places}
    return sorted(str(place) for place in places if is_made_for_lock(at[place]) or not is_there(at[place]))


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
    return content is not None and not _parsed(content, path).is_complete


def _undo_last(journal: Journal, settings: Settings, *, dry_run: bool = False) -> Undone:
    path = journal.path(settings)
    content = read_file(settings.at(path))
    if content is None:
        raise UsageError(f"nothing to undo: there is no {path}", hint=journal.hint)
    note = _parsed(content, path)
    parts = _parts(note, path, settings)
    for part in parts:
        _refuse_changed(journal, part, settings)
    backup = parts[-1].backup
    daemons = () if dry_run else tuple(result for part in parts for result in _put_back(part, settings))
    if not dry_run:
        _remove_directories(note.directories, settings)
        _put_away(path, backup, settings)
    return Undone(tuple(c.path for part in parts for c in part.changes), backup, daemons)


def _put_back(part: "_Part", settings: Settings) -> tuple[ReloadResult, ...]:
    """Put these files back and reload the daemons; main.cf is not among the files, but what Postfix is told."""
    main_cf = settings.paths.main_cf
    files = [FileChange(c.path, c.change, RenderedFile(c.path, fixed(b""))) for c in part.changes if c.path != main_cf]
    postfix = (PostfixChange("", "", ""),) if len(files) < len(part.changes) else ()
    versions = {change.path: version_at(settings.at(change.path)) for change in part.changes}
    installed = Installed(Difference(files=tuple(files), postfix=postfix), part.backup, versions=versions)
    return switch_back(Switched(installed, "", None, None), settings)


@dataclass(frozen=True, slots=True)
class _Noted:
    path: str
    change: Change
    digest: str


@dataclass(frozen=True, slots=True)
class _Part:
    """Files whose copies are in one backup; main.cf has one of its own where Postfix was told later."""

    changes: list[_Noted]
    backup: str


@dataclass(frozen=True, slots=True)
class _Note:
    changes: list[_Noted]
    directories: list[str]
    stamp: str
    """The time of the plan; the backup's name has the same, or a moment later."""
    is_later: bool
    """True when it replaced an earlier note."""
    is_complete: bool
    """False when the installation was interrupted, or its run did not get to say so."""


def _parsed(content: bytes, path: str) -> _Note:
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise CheckFailed(f"{path} has schema {document['schema']}; this dkimctl knows {SCHEMA}", hint="upgrade")
        files = [_Noted(f["path"], Change(f["change"]), f["sha256"]) for f in document["files"]]
        directories = [str(directory) for directory in document["directories"]]
        is_complete = bool(document.get("complete", True))  # the first notes did not say
        return _Note(files, directories, str(document["at"]), bool(document["earlier"]), is_complete)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(
            f"{path} is damaged",
            hint=f"the old files are in the directories beside it: ls {shell_word(Path(path).parent)}",
        ) from error


def _digest(content: Iterable[bytes]) -> str:
    digest = sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest()


def _refuse_changed(journal: Journal, part: _Part, settings: Settings) -> None:
    """A file may be as the installation left it, or as it was before: then an earlier undo has been here."""
    for noted in part.changes:
        content = read_file(settings.at(noted.path))
        before = None if noted.change is Change.NEW else read_file(settings.at(f"{part.backup}{noted.path}"))
        if content != before and (content is None or _digest([content]) != noted.digest):
            raise Refused(
                f"{noted.path} was changed after the {journal.what}; undoing it would lose that",
                hint=f"compare it with its copy below {settings.paths.backups}, and put back by hand what you want",
            )


def _parts(note: _Note, path: str, settings: Settings) -> list[_Part]:
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


def _backup(wanted: set[str], note: _Note, settings: Settings) -> str | None:
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
