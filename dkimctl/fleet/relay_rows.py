"""What a relay reads and writes in the fleet's database: its own row, the fleet, what it has done."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from dkimctl.errors import Refused
from dkimctl.fleet.database import Database
from dkimctl.fleet.identity import Identity
from dkimctl.signers.base import Name

ALIVE = 600
"""Seconds since its last heartbeat within which a relay counts as living."""
CLOCK_MAY_DIFFER = 30
"""Seconds."""
_AT_ONCE = 10_000
"""Keys that are noted in one statement."""


class RelayRow(NamedTuple):
    """A relay as the database has it."""

    name: str
    recipient: str
    state: str
    """`pending`, `approved` or `removed`."""
    generation: int
    """The last one that it has confirmed."""
    host: str
    """The host that last synced as this relay, in words."""
    silent: float | None
    """Seconds since its last heartbeat."""
    queue_age: float | None = None
    """Seconds since it last reported its mail queue."""


class FleetRow(NamedTuple):
    """The fleet as the database has it."""

    id: str
    generation: int
    fleet_key: int
    """The number of the fleet key that seals private keys now."""
    now: datetime
    """The database's clock."""


def own_row(database: Database) -> RelayRow | None:
    """Return the relay that this session's role is; None before it joined."""
    row = database.row(
        "SELECT name, recipient, state, generation, host, extract(epoch FROM now() - heartbeat)::float8,"
        " extract(epoch FROM now() - queue_seen)::float8"
        " FROM dkimctl.relay WHERE login = session_user"
    )
    return RelayRow(*row) if row else None


def fleet_row(database: Database) -> FleetRow:
    """Return the fleet."""
    row = database.row("SELECT id::text, generation, fleet_key, clock_timestamp() FROM dkimctl.fleet")
    assert row is not None, "the schema has exactly one fleet"
    return FleetRow(*row)


def register(database: Database, name: str, identity: Identity) -> None:
    """Make the row of a new relay, which waits for its approval. Raises Refused when name or identity is taken."""
    try:
        database.run(
            "INSERT INTO dkimctl.relay (name, recipient, fingerprint) VALUES (%s, %s, %s)",
            (name, identity.recipient, identity.fingerprint),
        )
    except Refused as error:
        raise Refused(
            f"another relay has the name {name}, or the identity of this host",
            hint="choose another name; on a copied host, remove its copy of relay.age first and join again",
        ) from error


# --- what the relay has done


def beat(database: Database, relay: str, host: str, ahead: timedelta) -> None:
    """Note that this relay lives, on which host, and how far its clock is ahead of the database's."""
    database.run(
        "UPDATE dkimctl.relay SET heartbeat = now(), host = %s, clock_ahead = %s WHERE name = %s", (host, ahead, relay)
    )


def note_queue(database: Database, relay: str, count: int | None, oldest: datetime | None, lifetime: int) -> None:
    """Note what waits in this relay's mail queue. `count`: None where it could not be listed."""
    database.run(
        "UPDATE dkimctl.relay SET queued = %s, queued_since = %s, queue_lifetime = %s, queue_seen = now()"
        " WHERE name = %s",
        (count, oldest, timedelta(seconds=lifetime), relay),
    )


def note_problem(database: Database, relay: str, problem: str) -> None:
    """Note why the last sync failed; empty when it did not."""
    database.run("UPDATE dkimctl.relay SET problem = %s WHERE name = %s", (problem, relay))


def confirm(database: Database, relay: str, since: int, generation: int, daemon: str) -> None:
    """Note that this relay holds and signs with everything up to a generation."""
    database.run(
        "INSERT INTO dkimctl.key_on_relay (relay, key, held)"
        " SELECT %s, id, sealed IS NOT NULL FROM dkimctl.key WHERE generation > %s AND generation <= %s"
        " ON CONFLICT (key, relay) DO UPDATE SET held = excluded.held",
        (relay, since, generation),
    )
    database.run(
        "UPDATE dkimctl.relay SET generation = %s, confirmed = now(), daemon = %s WHERE name = %s",
        (generation, daemon, relay),
    )


def note_used(database: Database, relay: str, domains: Iterable[str], signing: frozenset[Name]) -> None:
    """Note, for these domains, which keys the tables of this relay name."""
    used: dict[str, list[Name]] = {domain: [] for domain in domains}
    for name in signing:  # a table may have a million rows: they are gone through once
        if name[0] in used:
            used[name[0]].append(name)
    left = iter(sorted(used))
    while batch := list(islice(left, _AT_ONCE)):
        names = [name for domain in batch for name in used[domain]]
        database.run(
            "INSERT INTO dkimctl.key_on_relay (relay, key, used)"
            " SELECT %s, key.id, used.selector IS NOT NULL FROM dkimctl.key"
            " LEFT JOIN unnest(%s::text[], %s::text[]) AS used (domain, selector)"
            " ON used.domain = key.domain AND used.selector = key.selector AND key.sealed IS NOT NULL"
            " WHERE key.domain = ANY (%s)"
            " ON CONFLICT (key, relay) DO UPDATE SET used = excluded.used"
            " WHERE key_on_relay.used <> excluded.used",
            (relay, [domain for domain, _ in names], [selector for _, selector in names], batch),
        )


def note_proofs(database: Database, relay: str, proven: Iterable[Name], failed: Iterable[Name]) -> None:
    """Note which keys signed a message that verifies, and which should have and did not."""
    for names, change in (
        (list(proven), 'proven = now(), since = coalesce(on_relay.since, now()), failed = NULL, "left" = NULL'),
        (list(failed), "failed = coalesce(on_relay.failed, now())"),
    ):
        if names:
            database.run(
                f"UPDATE dkimctl.key_on_relay AS on_relay SET {change}"  # noqa: S608  both are written right here
                " FROM dkimctl.key, unnest(%s::text[], %s::text[]) AS named (domain, selector)"
                " WHERE on_relay.key = key.id AND on_relay.relay = %s"
                " AND key.domain = named.domain AND key.selector = named.selector",
                ([domain for domain, _ in names], [selector for _, selector in names], relay),
            )
    if proven:
        database.run("UPDATE dkimctl.relay SET proven = now() WHERE name = %s", (relay,))


def to_prove(database: Database, relay: str, most: int) -> list[Name]:
    """Return some keys that this relay signs with: those it was not seen to yet, then those whose next check is due.

    These checks are those of `Policy.checks_after_switch`, an hour and a day after a switch.
    """
    found: list[Name] = []
    for condition in (_NEVER_PROVEN, _PROVEN_EARLY):
        rows = database.rows(
            "SELECT key.domain, key.selector FROM dkimctl.key_on_relay AS on_relay"  # noqa: S608  conditions of ours
            " JOIN dkimctl.key ON key.id = on_relay.key"
            f" WHERE on_relay.relay = %s AND on_relay.used AND {condition} LIMIT %s",
            (relay, most - len(found)),
        )
        found += [(domain, selector) for domain, selector in rows]
    return found


_NEVER_PROVEN = "on_relay.proven IS NULL"
_PROVEN_EARLY = (
    "on_relay.proven - on_relay.since < interval '24 hours' AND (now() - on_relay.since >= interval '24 hours'"
    " OR (on_relay.proven - on_relay.since < interval '1 hour' AND now() - on_relay.since >= interval '1 hour'))"
)
"""Each has an index of its own, as a relay may have a million keys."""


def note_left(database: Database, relay: str, open_now: frozenset[str]) -> None:
    """Note of keys that the tables name no more since when nothing can sign with them.

    `open_now`: the milter connections that are open; one that was open at the switch may go on with the old key.
    """
    gone = (
        'relay = %s AND NOT used AND "left" IS NULL AND coalesce(tried, since, proven) IS NOT NULL'
        " AND key IN (SELECT id FROM dkimctl.key WHERE phase <> 'active')"  # one that this relay is to sign with next
    )
    there = sorted(open_now)
    if there:
        database.run(
            f"UPDATE dkimctl.key_on_relay SET pinned = %s WHERE {gone} AND pinned = '{{}}'",  # noqa: S608
            (there, relay),
        )
    database.run(
        f"UPDATE dkimctl.key_on_relay SET \"left\" = now(), pinned = '{{}}' WHERE {gone} AND NOT pinned && %s",  # noqa: S608
        (relay, there),
    )
