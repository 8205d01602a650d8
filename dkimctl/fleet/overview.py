"""The state of a fleet, as its database has it: relays, and the domains that are due, wait or fail."""

from dataclasses import dataclass
from datetime import datetime

from dkimctl.clock import timestamp
from dkimctl.fleet.database import Database, Row
from dkimctl.fleet.relay_rows import ALIVE, CLOCK_MAY_DIFFER

_MOST_REASONS = 20
_REASONS = """
SELECT {column}, count(*) FROM dkimctl.domains WHERE {column} <> '' GROUP BY 1 ORDER BY 2 DESC, 1"""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """One relay."""

    name: str
    state: str
    """`pending`, `approved`, `drained` or `removed`."""
    fingerprint: str
    host: str
    generation: int
    """The last one that it has confirmed."""
    missing: int
    """The number of generations that it has not confirmed."""
    heartbeat: str | None
    """RFC 3339, UTC, as all times here."""
    is_alive: bool
    """True when its last heartbeat is at most ten minutes old."""
    proven: str | None
    """When a message that it signed last verified."""
    daemon: str
    problem: str
    """Why its last sync failed; empty when it did not."""
    clock_ahead: int
    """Seconds that its clock is ahead of the database's."""

    @property
    def is_in_service(self) -> bool:
        """Return True for a relay that is to hold every key: no old one ends before it has stopped to sign with it."""
        return self.state == "approved"

    @property
    def is_clock_wrong(self) -> bool:
        """Return True when its signatures have a wrong time."""
        return abs(self.clock_ahead) > CLOCK_MAY_DIFFER

    @property
    def is_wrong(self) -> bool:
        """Return True when an admin should look at it."""
        return self.is_in_service and (not self.is_alive or bool(self.problem) or self.is_clock_wrong)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why domains are not done, and of how many."""

    reason: str
    domains: int


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The state of a fleet."""

    id: str
    generation: int
    domains: int
    due: int
    failed: tuple[Reason, ...]
    """By why the last look at them failed, the most frequent first."""
    waiting: tuple[Reason, ...]
    """By what they wait for, the most frequent first."""
    keys: int
    relays: tuple[RelayStatus, ...]

    @property
    def exit_code(self) -> int:
        """1 when a relay is dead, has a problem or a wrong clock, or a domain failed; else 0."""
        return int(bool(self.failed) or any(relay.is_wrong for relay in self.relays))


def look(database: Database) -> FleetStatus:
    """Return the state of a fleet, all of one moment."""
    with database.transaction():
        id, generation, domains, due, keys = database.row(
            "SELECT id::text, generation, domains, due, keys FROM dkimctl.overview"
        ) or ("", 0, 0, 0, 0)
        failed, waiting = (database.rows(_REASONS.format(column=column)) for column in ("failed", "waits"))
        relays = database.rows(
            "SELECT name, CASE WHEN state = 'approved' AND drained IS NOT NULL THEN 'drained' ELSE state END,"
            " fingerprint, host, generation, generations_missing, heartbeat,"
            " coalesce(silent_for < make_interval(secs => %s), false), proven, daemon, problem,"
            " coalesce(round(extract(epoch FROM clock_ahead)), 0)::integer FROM dkimctl.relays ORDER BY name",
            (ALIVE,),
        )
    return FleetStatus(
        id, generation, domains, due, _reasons(failed), _reasons(waiting), keys, tuple(map(_relay, relays))
    )


def _reasons(rows: list[Row]) -> tuple[Reason, ...]:
    """Return the most frequent reasons; the last one is that of all the others."""
    others = sum(count for _, count in rows[_MOST_REASONS:])
    shown = tuple(Reason(*row) for row in rows[:_MOST_REASONS])
    return (*shown, Reason("other reasons", others)) if others else shown


def _relay(row: tuple[object, ...]) -> RelayStatus:
    return RelayStatus(*(timestamp(value) if isinstance(value, datetime) else value for value in row))  # type: ignore[arg-type]
