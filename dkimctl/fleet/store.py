"""A LifecycleStore over the fleet's database: every change is one transaction, and is announced to the relays."""

from collections.abc import Callable
from datetime import datetime

from dkimctl.fleet.database import Database, as_json
from dkimctl.fleet.reader import PRIVATE, PostgresReader, read_notes, stem_of
from dkimctl.fleet.rows import metadata_text, read_metadata
from dkimctl.fleet.vault import hold_current
from dkimctl.keys.identity import identity_of, slot_stem
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.store import Key, advancing, gone_key, lost_key, taken, used_before


class PostgresStore(PostgresReader):
    """The keys of a fleet; its arguments are those of PostgresReader."""

    def create(
        self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata, *, in_slot: bool = False
    ) -> Key:
        """Store a new key.

        Raises Refused when the selector is taken, as a key directory does; Unavailable as `vault.hold_current`.
        """
        metadata = metadata.with_public(pair.public, pair.private_pem)
        identity = identity_of(pair.public.base64)
        with self._database.transaction():
            hold_current(self._database, self._vault)
            lock_domain(self._database, domain)
            stem = selector
            if self._is_ended(domain, selector):
                if not in_slot:
                    raise used_before(domain, selector)
                stem = slot_stem(selector, pair.public.base64)
                metadata = metadata._replace(selector=selector)
            sealed = self._vault.seal(pair.private_pem, domain=domain, selector=selector, identity=identity)
            described = (identity, metadata.phase.value, metadata_text(metadata, domain, stem))
            self._database.run(
                "INSERT INTO dkimctl.key "
                "(domain, stem, selector, identity, phase, metadata, record, sealed, fleet_key) "
                "VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s)",
                (domain, stem, selector, *described, record, sealed, self._vault.number),
            )
        return Key(domain, selector, f"{self._shown}/{domain}/{stem}{PRIVATE}", metadata)

    def _is_ended(self, domain: str, selector: str) -> bool:
        """Return True when a key that was purged had this selector. Raises Refused for one that is taken."""
        rows = self._rows(domain, selector)
        for row in rows:
            if row.is_lost:
                raise lost_key(self._key(row))
            if row.is_key:
                raise taken(self._key(row).path)
        return bool(rows)

    def settle(self, key: Key) -> None:
        """Do nothing: a transaction leaves nothing half-done."""

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Move a key to another phase. Raises Refused when its phase was changed by another program meanwhile."""
        return self.note(key, advancing(key, phase, now, note))

    def note(self, key: Key, change: Callable[[Metadata], Metadata]) -> Key:
        """Return the key with `change` applied to its metadata as they are now, and stored. Raises DiskError."""
        place = (key.domain, stem_of(key))
        while True:  # compare-and-swap: two statements, where a lock and its transaction would be four
            found = self._database.row(
                "SELECT metadata::text, version FROM dkimctl.key WHERE domain = %s AND stem = %s", place
            )
            if found is None:
                raise gone_key(key.name)
            current = read_metadata(found[0], *place)
            changed = change(current)
            if changed == current or self._database.run(
                "UPDATE dkimctl.key SET phase = %s, metadata = %s::jsonb"
                " WHERE domain = %s AND stem = %s AND version = %s",
                (changed.phase.value, metadata_text(changed, *place), *place, found[1]),
            ):
                return key._replace(metadata=changed)

    def purge(self, key: Key) -> None:
        """Remove a private key and its record's text; its row stays: no selector is used twice."""
        self._database.run(
            "UPDATE dkimctl.key SET sealed = NULL, fleet_key = NULL, record = NULL WHERE domain = %s AND stem = %s",
            (key.domain, stem_of(key)),
        )

    def note_domain(self, domain: str, **notes: object) -> bool:
        """Change some of what is noted of the domain as a whole; return whether anything was different before."""
        with self._database.transaction():
            before = read_notes(lock_domain(self._database, domain), domain)
            if all(before.get(name) == value for name, value in notes.items()):
                return False
            self._database.run(
                "UPDATE dkimctl.domain SET notes = %s WHERE name = %s", (as_json({**before, **notes}), domain)
            )
        return True


def lock_domain(database: Database, domain: str) -> object:
    """Let nobody else change a domain's keys until the transaction ends; return its notes. It is made if need be."""
    database.run("INSERT INTO dkimctl.domain (name) VALUES (%s) ON CONFLICT DO NOTHING", (domain,))
    return database.value("SELECT notes FROM dkimctl.domain WHERE name = %s FOR UPDATE", (domain,))
