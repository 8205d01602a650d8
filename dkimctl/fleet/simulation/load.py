"""The calendar of load: what a fleet costs, month by month."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.policy import DAY, HOUR

CALLS: Mapping[Do, int] = {Do.PUBLISH: 6, Do.REVOKE: 7, Do.REMOVE: 6}
"""Calls of an API such as OVH's for one record: its zone, the name before and after, the change, the refresh."""
_PERIOD = 30


@dataclass(frozen=True, slots=True)
class Period:
    """The load of thirty days, or of what is left of the time."""

    first_day: int
    """Counted from 1."""
    last_day: int
    keys_made: int
    switches: int
    """Domains that were told to sign with their next key."""
    api_calls: int
    busiest_day: int
    """API calls of the day with the most of them."""
    busiest_hour: int
    """API calls of the hour with the most of them."""
    relay_bytes: int
    """What one relay fetches from the database, on average."""


@dataclass(slots=True)
class Load:
    """What was counted so far, by the second of the simulation."""

    calls: Counter[int] = field(default_factory=Counter)
    """By hour."""
    made: Counter[int] = field(default_factory=Counter)
    """By day, as all that follows."""
    switched: Counter[int] = field(default_factory=Counter)
    fetched: Counter[int] = field(default_factory=Counter)
    """Bytes of all relays."""

    @classmethod
    def merged(cls, loads: Iterable["Load"]) -> "Load":
        """Return the sum of what was counted."""
        whole = cls()
        for load in loads:
            whole.calls += load.calls
            whole.made += load.made
            whole.switched += load.switched
            whole.fetched += load.fetched
        return whole

    def count(self, do: Do, at: int) -> None:
        """Count an action."""
        self.calls[at // HOUR] += CALLS.get(do, 0)
        if do is Do.MAKE:
            self.made[at // DAY] += 1
        elif do is Do.SWITCH:
            self.switched[at // DAY] += 1

    def calendar(self, days: int, relays: int) -> tuple[Period, ...]:
        """Return the load of each thirty days."""
        return tuple(
            self._period(range(first, min(first + _PERIOD, days)), relays) for first in range(0, days, _PERIOD)
        )

    def _period(self, days: range, relays: int) -> Period:
        hours = [self.calls[hour] for hour in range(days[0] * 24, (days[-1] + 1) * 24)]
        by_day = [sum(hours[start : start + 24]) for start in range(0, len(hours), 24)]
        return Period(
            days[0] + 1,
            days[-1] + 1,
            _sum(self.made, days),
            _sum(self.switched, days),
            sum(hours),
            max(by_day),
            max(hours),
            _sum(self.fetched, days) // max(relays, 1),
        )


def _sum(counted: Counter[int], days: Sequence[int]) -> int:
    return sum(counted[day] for day in days)
