"""Keys read from the fleet's database."""

import json
from collections.abc import Iterable, Iterator, Mapping

from dkimctl.errors import DiskError
from dkimctl.fleet.database import Database
from dkimctl.fleet.rows import SELECT, KeyRow, SealedKey, key_row, open_sealed
from dkimctl.fleet.vault import Vault
from dkimctl.keys import metadata as meta
from dkimctl.keys import pair as pairs
from dkimctl.keys.metadata import WITHOUT_FILE, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, Life, Select

_AT_ONCE = 10_000
_DOMAINS = """
SELECT name FROM dkimctl.domain WHERE name > %s AND EXISTS (
    SELECT FROM dkimctl.key WHERE key.domain = domain.name
    AND (sealed IS NOT NULL OR phase IN ('retiring', 'revoked') OR coalesce(metadata ->> 'path', '') <> '')
) ORDER BY name LIMIT %s"""
_LIFE = """
SELECT domain.notes, key.domain, key.stem, key.selector, key.identity, key.metadata::text, key.sealed IS NOT NULL
FROM dkimctl.domain LEFT JOIN dkimctl.key ON key.domain = domain.name WHERE domain.name = %s"""
"""The columns that `key_row` reads, after the domain's notes: both in one look."""
PRIVATE = ".private"
SHOWN = "fleet database:"
"""Where a key is, in front of what would be its path in a key directory."""


class PostgresReader:
    """A KeyReader over the fleet's database. `shown`: the place of its keys, in words."""

    def __init__(self, database: Database, vault: Vault, shown: str = SHOWN) -> None:
        self._database = database
        self._vault = vault
        self._shown = shown

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted, without reading the keys."""
        return [name for (name,) in self._database.rows("SELECT name FROM dkimctl.domain ORDER BY name")]

    def domains(self) -> Iterator[str]:
        """Yield every domain with a key, sorted."""
        last = ""
        while found := self._database.rows(_DOMAINS, (last, _AT_ONCE)):
            yield from (name for (name,) in found)
            last = found[-1][0]

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain, oldest first."""
        return self._listed(self._rows(domain))

    def keys_with_public(self, domain: str, select: Select) -> list[tuple[Key, PublicKey]]:
        """Return those of a domain's keys that are selected, each with what `public` says."""
        return [(key, self.public(key)) for key in select(self.keys(domain))]

    def life(self, domain: str) -> Life:
        """Return what `keys`, `lost` and `domain_notes` return. Raises as they do."""
        found = self._database.rows(_LIFE, (domain,))
        rows = [key_row(row[1:]) for row in found if row[1] is not None]
        return Life(self._listed(rows), self._lost(rows), read_notes(found[0][0] if found else None, domain))

    def find(self, name: KeyName) -> Key | None:
        """Return one key as it is now, or None when there is none of this name."""
        rows = [row for row in self._rows(name.domain, name.selector) if row.is_key]
        rows.sort(key=lambda row: row.stem != name.selector)  # a slot's first key is named after it
        return self._key(rows[0]) if rows else None

    def purged(self, domain: str) -> tuple[Key, ...]:
        """Return the keys that were purged, oldest first: their metadata are all that is left of them."""
        return self._sorted(row for row in self._rows(domain) if not row.is_held and row.metadata.phase is Phase.PURGED)

    def domain_notes(self, domain: str) -> Mapping[str, object]:
        """Return what is noted of the domain as a whole; empty when nothing is. Raises CheckFailed when damaged."""
        noted = self._database.value("SELECT notes FROM dkimctl.domain WHERE name = %s", (domain,))
        return read_notes(noted, domain)

    def lost(self, domain: str) -> tuple[Key, ...]:
        """Return the published keys whose private key is gone."""
        return self._lost(self._rows(domain))

    def load(self, key: Key) -> KeyPair:
        """Return the key pair. Raises DiskError when it is gone, CheckFailed when it does not open."""
        return pairs.parse_private_key(self.content(key), key.path)

    def public(self, key: Key) -> PublicKey:
        """Return the public half of the private key; of one that signs no more and is gone, what was noted."""
        known = key.metadata
        sealed = self._sealed(key)
        if sealed is None and known.public and key.phase in WITHOUT_FILE:
            return PublicKey(known.algorithm, known.bits, known.public)
        content = self._opened(key, sealed)
        return known.public_of(content) or pairs.parse_public(content, key.path)

    def content(self, key: Key) -> bytes:
        """Return the private key file, octet for octet as it was stored. Raises as `load`."""
        return self._opened(key, self._sealed(key))

    def _opened(self, key: Key, sealed: SealedKey | None) -> bytes:
        if sealed is None:
            raise DiskError(
                f"the private key {key.selector} of {key.domain} is not in the database",
                hint="restore it from a backup of the database, or rotate to a new key: dkimctl rotate --now",
            )
        return open_sealed(self._vault, sealed, key.domain)

    def holds(self, key: Key) -> bool:
        """Return True when the private key is there."""
        return self._sealed(key) is not None

    # --- rows

    def _rows(self, domain: str, selector: str | None = None) -> list[KeyRow]:
        if selector is None:
            found = self._database.rows(SELECT + " WHERE domain = %s", (domain,))
        else:
            found = self._database.rows(SELECT + " WHERE domain = %s AND selector = %s", (domain, selector))
        return [key_row(row) for row in found]

    def _listed(self, rows: list[KeyRow]) -> tuple[Key, ...]:
        return self._sorted(row for row in rows if row.is_key)

    def _sorted(self, rows: Iterable[KeyRow]) -> tuple[Key, ...]:
        return tuple(sorted(map(self._key, rows), key=lambda key: (key.metadata.created, key.selector)))

    def _lost(self, rows: list[KeyRow]) -> tuple[Key, ...]:
        return tuple(self._key(row) for row in rows if row.is_lost)

    def _key(self, row: KeyRow) -> Key:
        path = row.metadata.path or f"{self._shown}/{row.domain}/{row.stem}{PRIVATE}"
        return Key(row.domain, row.selector, path, row.metadata)

    def _sealed(self, key: Key) -> SealedKey | None:
        row = self._database.row(
            "SELECT sealed, fleet_key, selector, identity FROM dkimctl.key "
            "WHERE domain = %s AND stem = %s AND sealed IS NOT NULL",
            (key.domain, stem_of(key)),
        )
        return SealedKey(bytes(row[0]), *row[1:]) if row else None


def stem_of(key: Key) -> str:
    """Return the name of a key's row in its domain."""
    return key.selector if key.metadata.path else key.path.rpartition("/")[2].removesuffix(PRIVATE)


def read_notes(noted: object, domain: str) -> Mapping[str, object]:
    """Return what is noted of a domain as a whole. Raises CheckFailed when it is damaged."""
    if not noted:
        return {}
    content = {**noted, "schema": meta.SCHEMA} if isinstance(noted, dict) else noted
    return meta.domain_notes_from_json(json.dumps(content).encode(), f"what the database notes of {domain}")
