"""The query window of one zone: its servers, and how many names may be asked for at once."""

import time
from typing import Generic, TypeVar

from dkimctl.dns.message import Type, question
from dkimctl.dns.resolve import Zone
from dkimctl.verify.bulk.batch import BatchedQueries
from dkimctl.verify.bulk.template import ReportTemplate

T = TypeVar("T")
_FIRST_WINDOW = 32
_SMALLEST_WINDOW = 4  # below that, the zone is left to the engine, which asks again
_MOST_ASTRAY = 32


class ZoneWindow(Generic[T]):
    """Congestion control for one zone, whose servers are all asked for each name: slower servers get fewer names."""

    __slots__ = ("_halved", "_quickest", "_window", "astray", "in_flight", "name_size", "queues", "template")

    def __init__(self, zone: Zone, queries: BatchedQueries[T], *, nameless: bool) -> None:
        """`nameless`: as for `check`."""
        every = [(server, endpoint) for server in zone.servers for endpoint in server.endpoints]
        try:
            queues = [queries.queue_to(endpoint) for _, endpoint in every]
        except OSError:
            queues = []  # sockets have run out: the engine needs few
        self.queues = [queue for queue in queues if queue]
        routed = [endpoint for (_, endpoint), queue in zip(every, queues, strict=False) if queue]
        unrouted = [(server.name, e) for (server, e), queue in zip(every, queues, strict=False) if not queue]
        self.template = ReportTemplate(zone, routed, unrouted, nameless=nameless)
        self.name_size = len(question(zone.name, Type.SOA)) - 4
        """Octets of the zone's name in a message."""
        self.in_flight = 0
        self.astray = 0
        """Names that turned out to be in another zone."""
        self._window = float(_FIRST_WINDOW)
        self._halved = 0.0
        self._quickest = 1.0

    @property
    def is_open(self) -> bool:
        """True while names of this zone may take the fast path."""
        return bool(self.queues) and self._window >= _SMALLEST_WINDOW and self.astray < _MOST_ASTRAY

    @property
    def has_room(self) -> bool:
        """True while one more name may be asked for."""
        return self.in_flight < self._window

    def answered(self, seconds: float) -> None:
        """Widen the window, unless answers begin to queue up: they take much longer than the quickest did."""
        self._quickest = min(self._quickest, seconds)
        if seconds < 3 * self._quickest + 0.001:
            self._window += 1

    def lost(self, started: float) -> None:
        """Halve the window; losses of the same moment count once."""
        if started > self._halved:
            self._halved = time.monotonic()
            self._window /= 2
