"""The zones that the long way has found, each with its window of queries, and which of their servers are dead."""

import time
from collections.abc import Callable

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.resolve import Resolution
from dkimctl.verify.bulk.batch import BatchedQueries
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.bulk.pending import Pending
from dkimctl.verify.bulk.zonewindow import ZoneWindow

_PROBE_PAUSE = 1.0  # seconds between two names that take the long way because of a dead server
_TICK = 0.05  # seconds between two looks for dead servers
_MOST_WINDOWS = 10_000  # zones


class KnownZones:
    """A window of queries for each zone. `dead_servers`: those that the engine has given up."""

    def __init__(
        self,
        resolution: Resolution,
        judge: CachedJudge,
        queries: BatchedQueries[Pending],
        dead_servers: Callable[[], frozenset[Endpoint]],
        *,
        nameless: bool,
    ) -> None:
        self._resolution = resolution
        self._judge = judge
        self._queries = queries
        self._nameless = nameless
        self._dead_servers = dead_servers
        self._dead: frozenset[Endpoint] = frozenset()
        self._dead_until = 0.0
        self._probe_at = 0.0
        self._windows: dict[str, ZoneWindow[Pending]] = {}

    def window_of(self, domain: str) -> ZoneWindow[Pending] | None:
        """Return the window of the nearest known zone; None when there is none, or it is closed."""
        name = domain
        while name:
            window = self._windows.get(name)
            if window is None:
                window = self._new_window(name, ())
            elif self._dead or window.dead:
                dead = tuple(filter(self._dead.__contains__, window.endpoints))
                window = window if dead == window.dead else self._new_window(name, dead)
            if window is not None:
                return window if window.is_open else None
            name = name.partition(".")[2]
        return None

    def _new_window(self, zone_name: str, dead: tuple[Endpoint, ...]) -> ZoneWindow[Pending] | None:
        """Return a window for a zone that the long way has found; None for other names, and when there are too many."""
        zone = self._resolution.known_zone(zone_name)
        if zone is None or len(self._windows) >= _MOST_WINDOWS:
            return None
        window: ZoneWindow[Pending] = ZoneWindow(zone, self._queries, dead, self._judge, nameless=self._nameless)
        self._windows[zone_name] = window
        return window

    def look_for_the_dead(self) -> bool:
        """Ask the engine which servers are dead, now and then only: there may be thousands. True when it was asked."""
        now = time.monotonic()
        if now < self._dead_until:
            return False
        self._dead, self._dead_until = self._dead_servers(), now + _TICK
        return True

    def is_probe(self) -> bool:
        """Return True now and then: such a name takes the long way, on which a dead server is asked again."""
        now = time.monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + _PROBE_PAUSE
        return True
