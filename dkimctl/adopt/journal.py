"""The note of an adoption, written before anything else, and undoing it: every file becomes what it was.

The note is beside the backups as `adopted.json` and says of each file whether it was made or changed, and what it
held afterwards: a file that was changed since is not overwritten. An adoption that was interrupted and run again has
two notes, the later one with a copy of the earlier one; `undo` then undoes both.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DiskError, Refused, UsageError, disk_errors, shell_word
from dkimctl.files import is_there, read_file, remove_directory, remove_file, write_file
from dkimctl.install.compare import Change, Difference, FileChange, compare
from dkimctl.install.lock import configuration_lock, is_made_for_lock
from dkimctl.install.switch import Switched, switch_back
from dkimctl.install.write import Installed
from dkimctl.signers.base import RenderedFile, Rendering, fixed
from dkimctl.signers.service import ReloadResult

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Undone:
    """The result of undoing an adoption."""

    files: tuple[str, ...]
    """Put back or removed, as system paths."""
    backup: str
    daemons: tuple[ReloadResult, ...]
    """The result of reloading each daemon; none below --root."""


def note_path(settings: Settings) -> str:
    """Return where the note of the last adoption is."""
    return f"{settings.paths.backups}/adopted.json"


def with_note(rendering: Rendering, settings: Settings, now: datetime) -> Rendering:
    """Return the rendering with the note as its first file; as it is when nothing would change."""
    difference = compare(rendering, settings)
    if difference.is_empty:
        return rendering
    path = note_path(settings)
    document = {
        "schema": SCHEMA,
        "complete": False,
        "earlier": is_there(settings.at(path)),
        "at": f"{now:%Y%m%dT%H%M%SZ}",
        "files": [
            {"path": c.path, "change": c.change.value, "sha256": _digest(c.file.content)} for c in difference.files
        ],
        "directories": _missing(difference, settings),
    }
    note = RenderedFile(path, fixed(json.dumps(document, indent=2).encode() + b"\n"))
    return replace(rendering, files=(note, *rendering.files))


def mark_complete(settings: Settings) -> None:
    """Note that the last adoption was carried out: undoing a later one does not undo it. Raises DiskError."""
    path = settings.at(note_path(settings))
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


def undo(settings: Settings) -> Undone:
    """Put back what the last adoption changed and remove what it made, and reload the daemon.

    What an interrupted run of that adoption had done before is undone as well. Run again after an interruption it
    completes the work. Raises UsageError when nothing was adopted, Refused when a
    file was changed since or its copy is missing, CheckFailed when the note is damaged, and what `switch_back` raises.
    """
    with configuration_lock(settings):
        undone = _undo_last(settings)
        while _is_interrupted(settings):
            earlier = _undo_last(settings)
            files = tuple(dict.fromkeys((*undone.files, *earlier.files)))
            undone = Undone(files, earlier.backup or undone.backup, earlier.daemons)
        return undone


def _is_interrupted(settings: Settings) -> bool:
    """Return True when the note that is there now is of an adoption that was not carried out."""
    content = read_file(settings.at(note_path(settings)))
    return content is not None and not _parsed(content, note_path(settings)).is_complete


def _undo_last(settings: Settings) -> Undone:
    path = note_path(settings)
    content = read_file(settings.at(path))
    if content is None:
        raise UsageError(f"nothing to undo: there is no {path}", hint="adopt keeps it from --install until --undo")
    note = _parsed(content, path)
    changes = note.changes
    backup = _backup(note, settings)
    _refuse_changed(changes, backup, settings)
    files = tuple(FileChange(c.path, c.change, RenderedFile(c.path, fixed(b""))) for c in changes)
    installed = Installed(Difference(files=files), backup)
    daemons = switch_back(Switched(installed, "", None, None), settings)
    _remove_directories(note.directories, settings)
    _put_away(path, backup, settings)
    return Undone(tuple(c.path for c in changes), backup, daemons)


@dataclass(frozen=True, slots=True)
class _Noted:
    path: str
    change: Change
    digest: str


@dataclass(frozen=True, slots=True)
class _Note:
    changes: list[_Noted]
    directories: list[str]
    stamp: str
    """The time of the plan; the backup's name has the same, or a moment later."""
    is_later: bool
    """True when it replaced an earlier note."""
    is_complete: bool
    """False when the adoption was interrupted, or its run did not get to say so."""


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


def _refuse_changed(changes: list[_Noted], backup: str, settings: Settings) -> None:
    """A file may be as the adoption left it, or as it was before: then an earlier undo has been here."""
    for noted in changes:
        content = read_file(settings.at(noted.path))
        before = None if noted.change is Change.NEW else read_file(settings.at(f"{backup}{noted.path}"))
        if content != before and (content is None or _digest([content]) != noted.digest):
            raise Refused(
                f"{noted.path} was changed after the adoption; undoing it would lose that",
                hint=f"compare it with its copy below {settings.paths.backups}, and put back by hand what you want",
            )


def _backup(note: _Note, settings: Settings) -> str:
    """The directory with the copies: the first one since that moment that holds exactly these files."""
    wanted = {c.path for c in note.changes if c.change is not Change.NEW}
    wanted |= {note_path(settings)} if note.is_later else set()
    base = settings.at(settings.paths.backups)
    with disk_errors(f"read {base}"):
        for place in sorted(place for place in base.glob("*T*Z*") if place.name >= note.stamp):
            found = {f"/{path.relative_to(place)}" for path in place.rglob("*") if path.is_file()}
            if found == wanted:
                return f"{settings.paths.backups}/{place.name}"
    if not wanted:
        return ""
    raise Refused(f"the copies of the old files are not below {base}", hint="restore them from your own backup")


def _remove_directories(directories: list[str], settings: Settings) -> None:
    """Remove the directories that were made, the deepest first, when nothing else is in them."""
    for shown in sorted(directories, reverse=True):
        place = settings.at(shown)
        with suppress(OSError, Refused, DiskError):
            if [entry.name for entry in place.iterdir()] == [".lock"]:
                remove_file(place / ".lock")
            remove_directory(place)


def _put_away(path: str, backup: str, settings: Settings) -> None:
    """The note goes last: until then the command can be run again. That of an earlier adoption comes back."""
    earlier = read_file(settings.at(f"{backup}{path}")) if backup else None
    if earlier is not None:
        write_file(settings.at(path), earlier)
        return
    remove_file(settings.at(path))
