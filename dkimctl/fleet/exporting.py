"""`fleet export`: the fleet's keys as a key directory, which dkimctl works with on its own: nobody is locked in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dkimctl.errors import Refused, disk_errors, shell_word
from dkimctl.files import Folder, Owner, locked, make_directory, open_folder, read_untrusted, refuse_shared_directory
from dkimctl.fleet.database import Database
from dkimctl.fleet.reader import read_notes
from dkimctl.fleet.rows import KeyRow, SealedKey, key_row, open_sealed
from dkimctl.fleet.vault import Vault
from dkimctl.keys import metadata as meta
from dkimctl.keys.file_names import DOMAIN_NOTES, PRIVATE
from dkimctl.keys.leftovers import make_domain_directory

_ALL = """
SELECT domain, stem, selector, identity, metadata::text, sealed IS NOT NULL, record, sealed, fleet_key
FROM dkimctl.key ORDER BY domain, stem"""
_NOTED = "SELECT name, notes FROM dkimctl.domain WHERE notes <> '{}'"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    directory: str
    """Where to."""
    domains: int
    """How many have a key."""
    keys: int
    """How many have a private key."""
    written: int
    """How many files were not there yet, or differed."""

    @property
    def is_change(self) -> bool:
        """Return True when anything was written."""
        return self.written > 0


def export_keys(
    database: Database,
    vault: Vault,
    directory: Path,
    owner: Owner,
    report: Callable[[int], object] = lambda _: None,
) -> Exported:
    """Write every key below `directory`, as a key directory has them; the database is not changed.

    Run again, it goes on where it was stopped. Raises Refused, before that domain is touched, where another private key
    is in the way; DiskError; CheckFailed for a key that does not open.
    """
    make_directory(directory, mode=0o755)
    notes = {name: read_notes(noted, name) for name, noted in database.rows(_NOTED)}
    domains = keys = written = 0
    for domain, rows in groupby(database.stream(_ALL), lambda row: str(row[0])):
        files = [files for row in rows for files in _files(vault, key_row(row[:6]), *row[6:])]
        written += _write(directory / domain, [*files, *_notes(notes.get(domain, {}))], owner)
        domains, keys = domains + 1, keys + sum(name.endswith(PRIVATE) for name, _ in files)
        report(1)
    return Exported(str(directory), domains, keys, written)


def _files(
    vault: Vault, row: KeyRow, record: bytes | None, sealed: bytes | None, fleet_key: int | None
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of a key's files, the private one last."""
    known = row.metadata
    if sealed is not None and known.path:
        known = known._replace(path="")  # it is here now, wherever it was taken over from
    if record is not None:
        yield f"{row.stem}.txt", record
    yield f"{row.stem}.json", meta.to_json(known)
    if sealed is not None and fleet_key is not None:
        content = open_sealed(vault, SealedKey(sealed, fleet_key, row.selector, row.identity), row.domain)
        yield f"{row.stem}{PRIVATE}", content


def _notes(notes: Mapping[str, object]) -> Iterator[tuple[str, bytes]]:
    if notes:
        yield DOMAIN_NOTES, meta.domain_notes_to_json(notes)


def _write(directory: Path, files: list[tuple[str, bytes]], owner: Owner) -> int:
    """Write the files that are not there yet; return how many these were."""
    refuse_shared_directory(directory, owner)
    make_domain_directory(directory, owner)
    with locked(directory), disk_errors(f"write {directory}"), open_folder(directory) as folder:
        folder.remove_leftovers()
        wanted = [(name, content) for name, content in files if not _is_there(folder, name, content)]
        for name, content in sorted(wanted, key=lambda file: file[0].endswith(PRIVATE)):
            if name.endswith(PRIVATE):
                folder.create(name, content, mode=0o600, owner=owner, durable=False)
            else:
                folder.write(name, content, mode=0o600, owner=owner, durable=False)
        folder.sync()
    return len(wanted)


def _is_there(folder: Folder, name: str, content: bytes) -> bool:
    """Return True for a file that is there already. Raises Refused for another private key."""
    there = read_untrusted(folder, name, frozenset())
    if there is not None and there != content and name.endswith(PRIVATE):
        path = folder.shown(name)
        raise Refused(
            f"{path} is another private key; none is ever overwritten",
            hint=f"export to an empty directory, or move it away: mv {shell_word(path)} {shell_word(path + '.old')}",
        )
    return there == content
