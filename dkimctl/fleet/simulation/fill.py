"""A fleet that has been in service for a while: domains with keys of all ages, each with its next key on standby."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from random import Random

from dkimctl.fleet.database import Database
from dkimctl.fleet.rows import metadata_text
from dkimctl.fleet.simulation.account import NEGATIVE_TTL, TTL
from dkimctl.fleet.simulation.judge import Judge
from dkimctl.fleet.simulation.pool import Pool
from dkimctl.fleet.vault import Vault
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import Phase, new_metadata
from dkimctl.lifecycle.facts import RecordFacts
from dkimctl.lifecycle.notes import with_record
from dkimctl.lifecycle.policy import HOUR
from dkimctl.record.model import record_for
from dkimctl.record.text import genkey_text

_AT_ONCE = 1000
_PHASES = (Phase.PUBLISHED, Phase.VERIFIED, Phase.ACTIVE)
_KEYS = "COPY dkimctl.key (domain, stem, selector, identity, phase, metadata, record, sealed, fleet_key) FROM STDIN"
_RELAY = """
INSERT INTO dkimctl.relay (name, login, recipient, fingerprint, state, approved, heartbeat, generation)
SELECT %s, %s, %s, '', 'approved', now(), now(), generation FROM dkimctl.fleet"""
_NOTED = """
INSERT INTO dkimctl.key_on_relay (relay, key, held, used, since, proven)
SELECT relay.name, key.id, true, began IS NOT NULL, began, began
FROM dkimctl.relay CROSS JOIN (
    SELECT id, CASE WHEN phase = 'active' THEN (metadata ->> 'created')::timestamptz END AS began FROM dkimctl.key
) AS key"""
Row = tuple[object, ...]


def fill(
    database: Database,
    fleet_key: Vault,
    pool: Pool,
    judge: Judge,
    names: Iterator[str],
    seed: int,
) -> None:
    """Make the domains, their keys and records, and the relays, which sign with them."""
    database.run("UPDATE dkimctl.fleet SET fleet_key = %s", (fleet_key.number,))
    while batch := list(islice(names, _AT_ONCE)):
        with database.transaction():
            database.run("INSERT INTO dkimctl.domain (name, due) SELECT unnest(%s::text[]), now()", (batch,))
            made = (row for name in batch for row in _keys_of(name, fleet_key, pool, judge, seed))
            database.copy_in(_KEYS, made)
    for relay in judge.relays:
        database.run(_RELAY, (relay.name,) * 3)
        relay.generation = int(database.value("SELECT generation FROM dkimctl.fleet"))
    # the heartbeats of a simulation are hours apart; SimulatedRelay knows which of them ends an absence
    database.run("ALTER TABLE dkimctl.relay DISABLE TRIGGER note_return")
    database.run(_NOTED)
    database.run("VACUUM ANALYZE")


def _keys_of(domain: str, fleet_key: Vault, pool: Pool, judge: Judge, seed: int) -> Iterator[Row]:
    """Yield the rows of a key that signs, of any age up to that at which it is due, and of a standby."""
    share = Random(f"{seed} {domain}").random()  # noqa: S311  no key is made of it
    switched = judge.start - 2 * HOUR - round(share * (judge.policy_of(domain).rotate_after - 2 * HOUR))
    for selector, phase, began in (("first", Phase.ACTIVE, switched), ("second", Phase.VERIFIED, switched + HOUR)):
        pair, name, moment = pool.next(domain), (domain, selector), datetime.fromtimestamp(began, UTC)
        judge.made(name, pair.public.base64, began)
        judge.account.write(name, pair.public.base64, began, at_once=True)
        for relay in judge.relays:
            relay.holds.add(name)
            if phase is Phase.ACTIVE:
                relay.signs[domain] = selector
        if phase is Phase.ACTIVE:
            judge.sign(name, began)
        known = new_metadata(pair.algorithm, pair.bits, pool.tags, moment).with_public(pair.public, pair.private_pem)
        for later in _PHASES[: _PHASES.index(phase) + 1]:
            known = known.advanced(later, moment, "simulated")
        seen = RecordFacts(began, began, began, judge.start, ttl=TTL, negative_ttl=NEGATIVE_TTL)
        known = with_record(known._replace(provider="simulated"), seen)
        identity = identity_of(pair.public.base64)
        text = genkey_text(selector, domain, record_for(pair.public, pair.algorithm, pool.tags))
        sealed = fleet_key.seal(pair.private_pem, domain=domain, selector=selector, identity=identity)
        described = (phase.value, metadata_text(known, domain, selector))
        yield (domain, selector, selector, identity, *described, text, sealed, fleet_key.number)
