"""What `init` put in place, with a digest of each file, by which one that a person changed is known."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, shell_word
from dkimctl.files import make_directory, read_file, write_file
from dkimctl.timer.files import STATE

NOTE = f"{STATE}/init.json"
SCHEMA = 1


class Note(NamedTuple):
    """Each file by its system path, and the directories that were made."""

    digests: Mapping[str, str]
    directories: tuple[str, ...]


def read_note(settings: Settings) -> Note:
    """Return the note; an empty one where there is none. Raises CheckFailed when it is damaged, DiskError."""
    content = read_file(settings.at(NOTE))
    if content is None:
        return Note({}, ())
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise CheckFailed(f"{NOTE} has schema {document['schema']}; this dkimctl knows {SCHEMA}", hint="upgrade")
        digests = {str(file["path"]): str(file["sha256"]) for file in document["files"]}
        return Note(digests, tuple(str(directory) for directory in document["directories"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(
            f"{NOTE} is damaged",
            hint=f"it only says what init put in place: rm {shell_word(NOTE)}, then run init again",
        ) from error


def write_note(settings: Settings, note: Note) -> None:
    """Write the note. Raises DiskError."""
    files = [{"path": path, "sha256": digest} for path, digest in note.digests.items()]
    document = {"schema": SCHEMA, "files": files, "directories": note.directories}
    make_directory(settings.at(STATE), mode=0o755)
    write_file(settings.at(NOTE), json.dumps(document, indent=2).encode() + b"\n")


def digest_of(content: bytes) -> str:
    """Return the digest of a file that is noted."""
    return sha256(content).hexdigest()
