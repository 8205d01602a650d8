"""The relays of a fleet as the life of a key sees them: what each has done with each key, and the switch."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dkimctl.fleet.database import Database
from dkimctl.fleet.relay_rows import ALIVE
from dkimctl.fleet.store import PostgresStore
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key
from dkimctl.lifecycle.facts import KeyOnRelay
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.policy import DAY
from dkimctl.lifecycle.relays import Canary, NotHeld, RelayQueues

_FACTS = """
SELECT key.identity, relay.name, relay.ended IS NOT NULL OR NOT coalesce(relay.is_alive, false),
       coalesce(done.held, false), relay.ended IS NULL AND coalesce(done.used, false),
       done.tried, done.since, done.proven, done.failed,
       coalesce(done."left", CASE WHEN coalesce(done.tried, done.since, done.proven) IS NOT NULL THEN relay.ended END),
       CASE WHEN relay.ended IS NULL THEN coalesce(done.pinned, '{}') ELSE '{}' END
FROM dkimctl.key CROSS JOIN (
    SELECT name, heartbeat > now() - make_interval(secs => %s) AS is_alive,
           CASE WHEN state = 'removed' THEN removed ELSE drained END AS ended
    FROM dkimctl.relay WHERE state <> 'pending' AND (state = 'approved' OR approved IS NOT NULL)
) AS relay
LEFT JOIN dkimctl.key_on_relay AS done ON done.key = key.id AND done.relay = relay.name
WHERE key.domain = %s AND (relay.ended IS NULL OR done.key IS NOT NULL)
ORDER BY relay.name"""
_TRIED = """
INSERT INTO dkimctl.key_on_relay (relay, key, tried)
SELECT relay.name, key.id, %s FROM dkimctl.relay, dkimctl.key
WHERE relay.state = 'approved' AND relay.drained IS NULL AND key.domain = %s AND key.selector = %s
  AND key.sealed IS NOT NULL
ON CONFLICT (key, relay) DO UPDATE
SET tried = excluded.tried, "left" = NULL, since = NULL, proven = NULL, failed = NULL"""
_STOPS = """
INSERT INTO dkimctl.key_on_relay (relay, key, tried)
SELECT relay.name, key.id, %s FROM dkimctl.relay, dkimctl.key
WHERE relay.state = 'approved' AND relay.drained IS NULL AND key.domain = %s AND key.selector = %s
  AND key.sealed IS NOT NULL
ON CONFLICT (key, relay) DO UPDATE SET tried = coalesce(key_on_relay.tried, excluded.tried), "left" = NULL"""
_QUEUES = """
SELECT name, queued, queued_since, queue_lifetime FROM dkimctl.relay WHERE state = 'approved' ORDER BY name"""
_SWITCHES = """
SELECT count(*), count(*) FILTER (WHERE proven), count(*) FILTER (WHERE failed) FROM (
    SELECT coalesce(bool_and(done.proven IS NOT NULL)
               FILTER (WHERE relay.heartbeat > now() - make_interval(secs => %s)), false) AS proven,
           bool_or(done.failed IS NOT NULL) AS failed
    FROM dkimctl.key_on_relay AS done JOIN dkimctl.relay ON relay.name = done.relay
    WHERE done.tried > %s AND relay.state = 'approved' AND relay.drained IS NULL
    GROUP BY done.key
) AS switch"""

_LACKING = """
SELECT relay.name FROM dkimctl.relay
WHERE relay.state = 'approved' AND relay.drained IS NULL AND relay.heartbeat > now() - make_interval(secs => %s)
  AND NOT EXISTS (
    SELECT FROM dkimctl.key_on_relay AS done JOIN dkimctl.key ON key.id = done.key
    WHERE done.relay = relay.name AND done.held AND key.domain = %s AND key.selector = %s AND key.sealed IS NOT NULL)
ORDER BY relay.name"""


class FleetRelays:
    """The relays that were approved, as `lifecycle.relays.Relays`."""

    def __init__(self, database: Database, store: PostgresStore) -> None:
        self._database = database
        self._store = store

    def facts_of(self, domain: str) -> Mapping[str, Mapping[str, KeyOnRelay]]:
        """Return what is known of a domain's keys on each relay: by identity, then by the relay's name.

        A relay whose heartbeat stopped is away: it holds no switch up, and nothing is taken away before it has
        confirmed. One that was drained or removed signs no more: its last signature was then, at the latest.
        """
        found: dict[str, dict[str, KeyOnRelay]] = {}
        for identity, relay, is_away, is_held, is_used, *times, pinned in self._database.rows(_FACTS, (ALIVE, domain)):
            tried, since, proven, failed, left = (None if at is None else instant(at) for at in times)
            found.setdefault(identity, {})[relay] = KeyOnRelay(
                is_held, is_used, tried, since, proven, failed, left, tuple(pinned), is_away
            )
        return found

    def hand_over(self, key: Key, old: Sequence[Key], now: datetime) -> bool:
        """Move a key to `active` and the old ones to `retiring`, as one change. Raises NotHeld, Refused, DiskError.

        In the same change it is noted that each relay may sign with it from now on, also one that is not heard from.
        What was planned may be old: the worker may have been stopped since, and a relay that was away be back.
        """
        with self._database.transaction():
            current = self._store.find(key.name)
            if current is not None and current.phase is Phase.ACTIVE:
                return False
            if lacking := self._database.rows(_LACKING, (ALIVE, key.domain, key.selector)):
                named = ", ".join(name for (name,) in lacking)
                raise NotHeld(f"{named} must hold {key.selector} first", hint="run it again: dkimctl rotate")
            self._store.note(key, lambda known: known.in_phase(Phase.ACTIVE, now, "the relays are told"))
            self._database.run(_TRIED, (now, key.domain, key.selector))
            for one in old:
                self._store.note(one, lambda known: known.in_phase(Phase.RETIRING, now, "the relays are told"))
        return True

    def stop(self, keys: Sequence[Key], now: datetime) -> None:
        """Move these keys to `retiring`, as one change. Raises Refused, DiskError.

        Until a relay has confirmed that its tables do not name them any more, it may sign with them.
        """
        with self._database.transaction():
            for key in keys:
                self._store.note(key, lambda known: known.in_phase(Phase.RETIRING, now, "the relays are told to stop"))
                self._database.run(_STOPS, (now, key.domain, key.selector))

    def canary(self, now: datetime) -> Canary:
        """Return what became of the switches of the last day. Runs at the same time may each begin with one."""
        row = self._database.row(_SWITCHES, (ALIVE, now - timedelta(days=1)))
        return Canary(*row) if row else Canary(0, 0, 0)

    def queue(self) -> RelayQueues:
        """Return what waits in the queues of the relays that were approved, drained ones as well."""
        rows = self._database.rows(_QUEUES)
        lifetime = max((round(kept.total_seconds()) for *_, kept in rows if kept is not None), default=5 * DAY)
        if unknown := [name for name, queued, *_ in rows if queued is None]:
            return RelayQueues(0, f"mail in the queue of {unknown[0]}, which is not known here", lifetime)
        oldest = min(((since, name) for name, _, since, _ in rows if since is not None), default=None)
        if oldest is None:
            return RelayQueues(None, "", lifetime)
        at = instant(oldest[0])
        return RelayQueues(at, f"a message in the queue of {oldest[1]} since {at_text(at)}", lifetime)

    def due_since(self) -> int | None:
        """Return since when the domain that has been due for longest is due; None where none is."""
        due = self._database.value("SELECT min(due) FROM dkimctl.domain WHERE due <= now()")
        return None if due is None else instant(due)
