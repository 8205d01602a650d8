"""The short way into one zone: its servers, and how much they bear at once."""

import time
from typing import Generic, TypeVar

from dkimctl.dns.message import Type, question
from dkimctl.dns.resolve import Zone
from dkimctl.verify.bulk.batch import BatchedQueries
from dkimctl.verify.bulk.template import ReportTemplate

T = TypeVar("T")
_FIRST_WINDOW = 32
_SMALLEST_WINDOW = 4  # below, the servers are left to the engine, which is patient
_MOST_ASTRAY = 32


class ZoneWindow(Generic[T]):
    """A known zone with all its servers: how much is on its way there, and how much they bear."""

    __slots__ = ("_halved", "_quickest", "_window", "alike", "astray", "in_flight", "name_size", "ways")

    def __init__(self, zone: Zone, queries: BatchedQueries[T], *, nameless: bool) -> None:
        """`nameless`: as for `check`."""
        every = [(server, endpoint) for server in zone.servers for endpoint in server.endpoints]
        try:
            ways = [queries.queue_to(endpoint) for _, endpoint in every]
        except OSError:
            ways = []  # no more sockets: the engine needs few
        self.ways = [way for way in ways if way]
        routed = [endpoint for (_, endpoint), way in zip(every, ways, strict=False) if way]
        unrouted = [(server.name, e) for (server, e), way in zip(every, ways, strict=False) if not way]
        self.alike = ReportTemplate(zone, routed, unrouted, nameless=nameless)
        self.name_size = len(question(zone.name, Type.SOA)) - 4
        """Octets of the zone's name in a message."""
        self.in_flight = 0
        self.astray = 0
        """How many names were found to be in another zone."""
        self._window = float(_FIRST_WINDOW)
        self._halved = 0.0
        self._quickest = 1.0

    @property
    def is_open(self) -> bool:
        """True while it leads somewhere."""
        return bool(self.ways) and self._window >= _SMALLEST_WINDOW and self.astray < _MOST_ASTRAY

    @property
    def has_room(self) -> bool:
        """True while one more name may be asked for."""
        return self.in_flight < self._window

    def answered(self, seconds: float) -> None:
        """Bear more, unless the answers begin to queue up: they take much longer than the quickest did."""
        self._quickest = min(self._quickest, seconds)
        if seconds < 3 * self._quickest + 0.001:
            self._window += 1

    def lost(self, started: float) -> None:
        """Bear less; losses of the same moment count once."""
        if started > self._halved:
            self._halved = time.monotonic()
            self._window /= 2
