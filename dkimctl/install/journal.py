"""The note of an installation, written before anything else, by which `install.undo` makes every file what it was.

The note is with the backups (`adopted.json`, `installed.json`) and says of each file whether it was made or changed,
and what it held afterwards: a file that was changed since is not overwritten. An installation that was interrupted and
run again has two notes, the later one with a copy of the earlier one.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, shell_word
from dkimctl.files import is_there, read_file, write_file
from dkimctl.install.compare import Change, Difference, compare
from dkimctl.install.lock import configuration_lock, is_made_for_lock
from dkimctl.postfix import postconf
from dkimctl.signers.rendered import RenderedFile, Rendering, fixed

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
            *({"path": c.path, "change": c.change.value, "sha256": digest(c.file.content)} for c in difference.files),
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
            yield {"path": settings.paths.main_cf, "change": Change.CONTENT.value, "sha256": digest([content])}


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


@dataclass(frozen=True, slots=True)
class Noted:
    """A file in a note."""

    path: str
    change: Change
    digest: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a note says of one installation."""

    changes: list[Noted]
    directories: list[str]
    stamp: str
    """The time of the plan; the backup's name has the same, or a moment later."""
    is_later: bool
    """True when it replaced an earlier note."""
    is_complete: bool
    """False when the installation was interrupted, or its run did not get to say so."""


def parsed(content: bytes, path: str) -> Note:
    """Return the note at `path`, which has this content. Raises CheckFailed when it is damaged."""
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise CheckFailed(f"{path} has schema {document['schema']}; this dkimctl knows {SCHEMA}", hint="upgrade")
        files = [Noted(f["path"], Change(f["change"]), f["sha256"]) for f in document["files"]]
        directories = [str(directory) for directory in document["directories"]]
        is_complete = bool(document.get("complete", True))  # the first notes did not say
        return Note(files, directories, str(document["at"]), bool(document["earlier"]), is_complete)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(
            f"{path} is damaged",
            hint=f"the old files are in the directories next to it: ls {shell_word(Path(path).parent)}",
        ) from error


def digest(content: Iterable[bytes]) -> str:
    """Return the SHA-256 of a file with this content, in hexadecimal."""
    made = sha256()
    for chunk in content:
        made.update(chunk)
    return made.hexdigest()
