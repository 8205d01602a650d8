"""The changes that a relay fetches: few at once, many as they are needed, and in parts for several processes."""

from collections.abc import Iterable, Iterator

from dkimctl.fleet.changes import ChangeSet, FleetKey
from dkimctl.fleet.database import Database
from dkimctl.fleet.relay_rows import FleetRow
from dkimctl.keys.metadata import from_json

Bounds = tuple[str, str | None]
"""The first domain of a part, and the first one after it; None for the last part."""
_IN_MEMORY = 1_000
"""Keys of a change set that are kept in memory; more are read again each time."""
_LARGEST_PART = 2048
"""Domains."""
_CHANGED = "generation > %s AND generation <= %s"
"""In SQL."""
_KEYS = f"""
SELECT domain, stem, selector, identity, metadata::text, record, sealed, fleet_key, generation FROM dkimctl.key
WHERE {_CHANGED} AND domain >= %s AND (%s::text IS NULL OR domain < %s) ORDER BY domain, stem"""  # noqa: S608
_BOUNDS = f"""
SELECT domain FROM (
    SELECT domain, row_number() OVER (ORDER BY domain) - 1 AS number, count(*) OVER () AS count
    FROM (SELECT DISTINCT domain FROM dkimctl.key WHERE {_CHANGED}) AS changed
) AS numbered WHERE number %% LEAST(%s, count / %s + 1) = 0 ORDER BY domain"""  # noqa: S608


class StoredKeys:
    """The keys that changed between two generations, read from the database each time they are iterated."""

    def __init__(self, database: Database, since: int, generation: int) -> None:
        self._database = database
        self._generations = (since, generation)

    def __iter__(self) -> Iterator[FleetKey]:
        return self._read(self._database)

    def are_few(self) -> bool:
        """Return True for so few that they are better read once."""
        some = f"SELECT FROM dkimctl.key WHERE {_CHANGED} LIMIT %s"
        return self._database.run(some, (*self._generations, _IN_MEMORY + 1)) <= _IN_MEMORY

    def bounds(self, processes: int) -> list[Bounds]:
        """Return the parts in which all keys are, those of a domain in one; one or more for each of the processes."""
        asked = (*self._generations, _LARGEST_PART, processes)
        starts = [domain for (domain,) in self._database.rows(_BOUNDS, asked)]
        return list(zip(starts, [*starts[1:], None], strict=False))

    def parts(self, bounds: Iterable[Bounds]) -> Iterator[Iterator[FleetKey]]:
        """Yield the keys of each of these parts, which are read one after the other, in a session of its own."""
        with self._database.again() as database:
            for first, after in bounds:
                yield self._read(database, first, after)

    def _read(self, database: Database, first: str = "", after: str | None = None) -> Iterator[FleetKey]:
        rows = database.stream(_KEYS, (*self._generations, first, after, after))
        for domain, stem, selector, identity, metadata, record, sealed, fleet_key, generation in rows:
            known = from_json(metadata.encode(), f"the row of {stem} of {domain}")
            content = bytes(sealed) if sealed is not None else None
            yield FleetKey(
                domain, stem, selector, identity, known, bytes(record or b""), content, fleet_key or 0, generation
            )


def changes_since(database: Database, fleet: FleetRow, since: int) -> ChangeSet:
    """Return what changed after a generation. A row that changes once more meanwhile comes with a later one."""
    stored = StoredKeys(database, since, fleet.generation)
    return ChangeSet(fleet.id, since, fleet.generation, tuple(stored) if stored.are_few() else stored)
