"""What a run that was killed while it made a key leaves: metadata and a `.txt` of a key that nobody ever had."""

import os
import re
import stat
from contextlib import suppress

from dkimctl.errors import DkimctlError
from dkimctl.files import Folder, LinkFound, Owner, read_untrusted
from dkimctl.keys import metadata as meta
from dkimctl.keys.file_names import NOTES, stems_of
from dkimctl.keys.metadata import Metadata, Phase

_STRINGS = re.compile(rb'"([^"\\]*)"')


def remove_unfinished(folder: Folder, owner: Owner) -> None:
    """Remove it from a key directory, whose lock is held: who makes a key holds it as well.

    Only files as they are written here before the private key: metadata of a key that was made here and of which
    nothing was noted since, and the `.txt` that has its public half.
    """
    owners = frozenset({owner.uid, os.geteuid(), 0})
    for stem in stems_of(folder.names()).alone:
        known = _unfinished(folder, stem + NOTES, owners)
        if known is None:
            continue
        record = _read(folder, f"{stem}.txt", owners)
        with suppress(OSError):  # another run tries it again
            if record is not None and known.public.encode() in b"".join(_STRINGS.findall(record)):
                folder.remove(f"{stem}.txt")
            folder.remove(stem + NOTES)  # last: while it is there, another run does the same again


def _unfinished(folder: Folder, name: str, owners: frozenset[int]) -> Metadata | None:
    content = _read(folder, name, owners)
    try:
        known = meta.from_json(content or b"", name)
    except DkimctlError:
        return None
    is_new = [change.phase for change in known.history] == [Phase.GENERATED] and known.phase is Phase.GENERATED
    was_used = known.provider or known.path or known.facts
    return known if is_new and known.public and not was_used else None


def _read(folder: Folder, name: str, owners: frozenset[int]) -> bytes | None:
    """Return the content of a file of these owners that has no other name, or None."""
    try:
        status = folder.status(name)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid not in owners:
            return None
        return read_untrusted(folder, name, owners)
    except (OSError, LinkFound, DkimctlError):
        return None
