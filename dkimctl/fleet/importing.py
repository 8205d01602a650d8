"""`fleet import`: the keys of a key directory, brought into the fleet's database; the directory is only read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from dkimctl.errors import DkimctlError, Refused
from dkimctl.fleet.database import Database, as_json
from dkimctl.fleet.rows import SELECT, KeyRow, identity_in, key_row, metadata_text
from dkimctl.fleet.vault import Vault, hold_current
from dkimctl.keys.directory_reader import KeyDirectoryReader
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import KeyFiles

_COLUMNS = "domain, stem, selector, identity, phase, metadata, record, sealed, fleet_key"
_AT_ONCE = 1000
"""Domains in one transaction: a run that is killed keeps those before, and the next one goes on after them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A domain that was not imported."""

    domain: str
    """Its name."""
    message: str
    """The reason."""
    hint: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was brought in."""

    domains: int = 0
    """How many were looked at."""
    new: int = 0
    """Keys that were not in the database before."""
    restored: int = 0
    """Keys whose private key was gone there."""
    failures: tuple[Failure, ...] = ()
    """The domains that were left out, each with the reason."""

    @property
    def is_change(self) -> bool:
        """Return True when the database was changed."""
        return self.new + self.restored > 0


class _Found(NamedTuple):
    domain: str
    files: list[tuple[KeyFiles, str]]
    """Each with the identity of its key."""
    notes: dict[str, object]


def import_keys(
    keys: KeyDirectoryReader, database: Database, vault: Vault, report: Callable[[int], object] = lambda _: None
) -> Imported:
    """Bring in every key that the database does not have; `report` gets the number of domains done, now and then.

    What the database has of a key stays as it is there. A domain with a key that differs from one of the same name
    there, or that cannot be read, is left out whole, and the others go on. Raises DiskError for a directory that cannot
    be read, and as `Database`.
    """
    names, failures, new, restored, count = iter(keys.names()), [], 0, 0, 0
    while domains := list(islice(names, _AT_ONCE)):
        found, unread = _read(keys, domains)
        with database.transaction():
            made, back, differing = _bring_in(database, vault, found)
        failures += [*unread, *differing]
        new, restored, count = new + made, restored + back, count + len(domains)
        report(len(domains))
    return Imported(count, new, restored, tuple(failures))


def _read(keys: KeyDirectoryReader, domains: Iterable[str]) -> tuple[list[_Found], list[Failure]]:
    found, failures = [], []
    for domain in domains:
        try:
            files = [(one, _identity(one)) for one in keys.files(domain) if _is_whole(one)]
            if files:
                found.append(_Found(domain, files, dict(keys.domain_notes(domain))))
        except DkimctlError as error:
            failures.append(Failure(domain, error.message, error.hint))
    return found, failures


def _is_whole(one: KeyFiles) -> bool:
    """Return False for what a `genkey` that was killed has left."""
    return one.content is not None or bool(one.key.metadata.path) or one.key.phase is not Phase.GENERATED


def _identity(one: KeyFiles) -> str:
    return identity_in(one.content, one.key.metadata, one.key.path)


def _bring_in(database: Database, vault: Vault, found: Sequence[_Found]) -> tuple[int, int, list[Failure]]:
    """Return how many keys are new, how many have their private key back, and what was refused."""
    hold_current(database, vault)
    names = [one.domain for one in found]
    database.run("INSERT INTO dkimctl.domain (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (names,))
    database.run("SELECT FROM dkimctl.domain WHERE name = ANY(%s) ORDER BY name FOR UPDATE", (names,))
    there: dict[str, list[KeyRow]] = {}
    for row in map(key_row, database.rows(SELECT + " WHERE domain = ANY(%s)", (names,))):
        there.setdefault(row.domain, []).append(row)
    new, restored, failures = [], 0, []
    for one in found:
        known = {row.stem: row for row in there.get(one.domain, ())}
        if problem := _problem(one, list(known.values())):
            failures.append(Failure(one.domain, problem.message, problem.hint))
            continue
        for files, identity in one.files:
            if files.stem in known:
                restored += _restore(database, vault, known[files.stem], files, identity)
            else:
                new.append(_row(vault, one.domain, files, identity))
        if one.notes and not known:
            noted = (as_json(one.notes), one.domain)
            database.run("UPDATE dkimctl.domain SET notes = %s WHERE name = %s AND notes = '{}'", noted)
    database.copy_in(f"COPY dkimctl.key ({_COLUMNS}) FROM STDIN", new)
    return len(new), restored, failures


def _problem(found: _Found, known: Sequence[KeyRow]) -> Refused | None:
    """Return why a domain cannot be brought in: the database has another key under the same name, or cannot hold it."""
    for one, identity in found.files:
        for row in known:
            if row.stem != one.stem and (row.selector != one.key.selector or not row.is_key or one.content is None):
                continue
            if identity and row.identity and row.identity != identity:
                return Refused(
                    f"the database has another key {one.key.selector}: {row.identity}, and not {identity}",
                    hint="compare both with the record in DNS: dkimctl verify-dns; then move the wrong one away",
                )
        try:
            metadata_text(one.key.metadata, found.domain, one.stem)
        except Refused as error:
            return error
    return None


def _row(vault: Vault, domain: str, one: KeyFiles, identity: str) -> tuple[object, ...]:
    known, selector = one.key.metadata, one.key.selector
    sealed = _sealed(vault, domain, one, identity)
    described = (selector, identity, known.phase.value, metadata_text(known, domain, one.stem))
    return (domain, one.stem, *described, one.record, sealed, None if sealed is None else vault.number)


def _restore(database: Database, vault: Vault, row: KeyRow, one: KeyFiles, identity: str) -> bool:
    """Put a private key back that the database has lost; one that was purged there stays away."""
    if not row.is_lost or one.content is None or identity != row.identity:
        return False
    database.run(
        "UPDATE dkimctl.key SET sealed = %s, fleet_key = %s, record = %s WHERE domain = %s AND stem = %s",
        (_sealed(vault, row.domain, one, identity), vault.number, one.record, row.domain, row.stem),
    )
    return True


def _sealed(vault: Vault, domain: str, one: KeyFiles, identity: str) -> bytes | None:
    if one.content is None:
        return None
    return vault.seal(one.content, domain=domain, selector=one.key.selector, identity=identity)
