"""The query window of one zone: its servers, and how many names may be asked for at once."""

import time
from typing import Generic, TypeVar

from dkimctl.dns.codec import question
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import Type
from dkimctl.dns.questions import Trouble
from dkimctl.dns.resolve import Zone
from dkimctl.dns.window import Window
from dkimctl.verify.bulk.batch import BatchedQueries, QueryQueue
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.bulk.template import ReportTemplate

T = TypeVar("T")
_FIRST_WINDOW = 32
_SMALLEST_WINDOW = 4  # below that, the zone is left to the engine, which asks again
_MOST_ASTRAY = 32


class ZoneWindow(Generic[T]):
    """Congestion control for one zone, whose servers are all asked for each name: slower servers get fewer names."""

    __slots__ = (
        "_halved",
        "_quickest",
        "_window",
        "astray",
        "dead",
        "endpoints",
        "in_flight",
        "name_size",
        "queues",
        "template",
    )

    def __init__(
        self,
        zone: Zone,
        queries: BatchedQueries[T],
        dead: tuple[Endpoint, ...],
        judge: CachedJudge,
        *,
        nameless: bool,
    ) -> None:
        """`dead`: the addresses that have not answered for long, and are not asked. `nameless`: as for `check`."""
        self.endpoints = tuple(endpoint for server in zone.servers for endpoint in server.endpoints)
        self.dead = dead
        unasked = dict.fromkeys(dead, Trouble.GIVEN_UP)
        self.queues: list[QueryQueue[T]] = []
        try:
            for endpoint in self.endpoints:
                if endpoint in unasked:
                    continue
                if queue := queries.queue_to(endpoint):
                    self.queues.append(queue)
                else:
                    unasked[endpoint] = Trouble.NO_ROUTE
        except OSError:
            self.queues = []  # sockets have run out: the engine needs few
        self.template = ReportTemplate(zone, unasked, judge, nameless=nameless)
        self.name_size = len(question(zone.name, Type.SOA)) - 4
        """Octets of the zone's name in a message."""
        self.in_flight = 0
        self.astray = 0
        """Names that turned out to be in another zone."""
        self._window = Window(_FIRST_WINDOW)
        self._halved = 0.0
        self._quickest = 1.0

    @property
    def is_open(self) -> bool:
        """True while names of this zone may take the fast path."""
        return bool(self.queues) and self._window.size >= _SMALLEST_WINDOW and self.astray < _MOST_ASTRAY

    @property
    def has_room(self) -> bool:
        """True while one more name may be asked for."""
        return self.in_flight < self._window.size

    def answered(self, seconds: float) -> None:
        """Widen the window, unless answers begin to queue up: they take much longer than the quickest did."""
        self._quickest = min(self._quickest, seconds)
        if seconds < 3 * self._quickest + 0.001:
            self._window.widen()

    def lost(self, started: float) -> None:
        """Halve the window; losses of the same moment count once."""
        if started > self._halved:
            self._halved = time.monotonic()
            self._window.halve()
