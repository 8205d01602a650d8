"""A simulated relay: it fetches what changed, signs as it is told, notes it, and is away at times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from dkimctl.fleet import relay_rows as rows
from dkimctl.fleet.changes import FleetKey
from dkimctl.fleet.database import Database
from dkimctl.fleet.stored_changes import changes_since
from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.policy import DAY, HOUR

_BETWEEN_ABSENCES = 90 * DAY
_LONGEST_ABSENCE = 3 * DAY
_BYTES = """
SELECT coalesce(sum(length(metadata::text) + coalesce(length(record), 0) + coalesce(length(sealed), 0)), 0)::bigint
FROM dkimctl.key WHERE generation > %s AND generation <= %s"""

Switched = Callable[["SimulatedRelay", str, str | None, FleetKey], None]
"""Hears that a relay signs for a domain with this key from now on, and with which selector it did before."""


@dataclass(slots=True)
class SimulatedRelay:
    """A relay as it is: what it holds and signs with, whatever the database says of it."""

    name: str
    database: Database
    random: Random
    start: int
    generation: int = 0
    signs: dict[str, str] = field(default_factory=dict)
    """By domain, the selector with which it signs."""
    holds: set[tuple[str, str]] = field(default_factory=set)
    """Domain and selector of each private key that it has."""
    fetched: int = 0
    """Bytes."""
    is_away: bool = False
    """True while the database hears nothing of it; it keeps signing."""
    absences: int = 0
    """Those that are over."""
    _returns: bool = False
    """True where the heartbeat that comes is its first after an absence."""
    _away_from: int = 0
    _back_at: int = 0

    def __post_init__(self) -> None:
        self._back_at = self.start
        self._plan_absence()

    def move(self, now: int) -> None:
        """Go away, or come back, when the time has come."""
        was_away = self.is_away
        while now >= self._back_at:
            self.absences += 1
            self._plan_absence()
        self.is_away = now >= self._away_from
        self._returns = was_away and not self.is_away

    def next_change(self, now: int) -> int:
        """Return when it goes away, or is back."""
        return self._away_from if now < self._away_from else self._back_at

    def _plan_absence(self) -> None:
        self._away_from = self._back_at + round(self.random.expovariate(1 / _BETWEEN_ABSENCES))
        self._back_at = self._away_from + self.random.randint(HOUR, _LONGEST_ABSENCE)

    def beat(self) -> None:
        """Tell the database that it lives. In a simulated hour without a heartbeat it has been there all the same."""
        if self._returns:
            self.database.run("ALTER TABLE dkimctl.relay ENABLE TRIGGER note_return")
        rows.beat(self.database, self.name, self.name, timedelta())
        if self._returns:
            self.database.run("ALTER TABLE dkimctl.relay DISABLE TRIGGER note_return")

    def sync(self, switched: Switched) -> None:
        """Do one pass: everything that changed is fetched, signed with, proven, noted and confirmed."""
        fleet = rows.fleet_row(self.database)
        if fleet.generation == self.generation:
            return
        changes = changes_since(self.database, fleet, self.generation)
        self.fetched += int(self.database.value(_BYTES, (self.generation, fleet.generation)))
        proven, domains = self._install(changes.keys, switched)
        signing = frozenset((domain, self.signs[domain]) for domain in domains if domain in self.signs)
        rows.note_used(self.database, self.name, domains, signing)
        rows.note_proofs(self.database, self.name, proven, ())
        rows.note_left(self.database, self.name, frozenset())
        rows.confirm(self.database, self.name, self.generation, fleet.generation, "simulated")
        self.generation = fleet.generation

    def _install(self, keys: Iterable[FleetKey], switched: Switched) -> tuple[list[tuple[str, str]], set[str]]:
        """Hold and sign with what changed; return the keys that sign newly, and the domains."""
        new, domains = [], set()
        for key in keys:
            name = (key.domain, key.selector)
            domains.add(key.domain)
            self.holds.add(name) if key.sealed is not None else self.holds.discard(name)
            before = self.signs.get(key.domain)
            if key.metadata.phase is Phase.ACTIVE and before != key.selector:
                self.signs[key.domain] = key.selector
                new.append((before, key))
        for before, key in new:  # each table is written whole before the daemon reads it
            switched(self, key.domain, before, key)
        return [(key.domain, key.selector) for _, key in new], domains
