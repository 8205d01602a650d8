"""The fast path for long lists: right answers are recognised from their bytes; everything else takes the long way.

The expected key is known beforehand, and so is the zone as soon as the long way has found it for another name. So
three things are asked at the same time: the resolver where the name's zone begins, and every address of the servers of
the zone that is guessed for the record. A name is right on this path only if

- the resolver confirmed that the guessed zone is the name's (`zone_security`), so that no server was left out;
- every address of every server to which there is a route gave one authoritative, simple answer (`single_text`);
- all answers are the same text, and `CachedJudge` finds nothing wrong with it;
- in a zone that DNSSEC secures, the resolver authenticates the record too (`is_authenticated`).

From those answers the long way would come to the same report, less what `in_brief` leaves out; the findings of such a
report depend on nothing but the zone, DNSSEC and the kind of key, and are concluded once by the long way's own code
(`ReportTemplate`). Whatever else happens, a lost packet included, the name is begun again on the long way, which alone
reports what is wrong. tests/test_verify_bulk.py compares the two.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from dkimctl.dns.codec import below, question
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import Rcode, Type
from dkimctl.dns.questions import Ready, Work
from dkimctl.dns.resolve import Resolution, Security
from dkimctl.dns.wire import MalformedMessage
from dkimctl.names import DOMAINKEY
from dkimctl.verify.bulk.batch import BatchedQueries, QueryQueue
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.bulk.knownzones import KnownZones
from dkimctl.verify.bulk.pending import Pending, Scout
from dkimctl.verify.bulk.rawanswer import is_authenticated, single_text, ttl_of, zone_security
from dkimctl.verify.report import Report, Target

_BURST = 32  # names; more at once overflow the buffers of usual servers
_NO = (Rcode.REFUSED, Rcode.SERVFAIL)
_TICK = 0.05  # seconds between two looks at what is overdue
_MOST_UNANSWERED = 256  # names handed over with a question in flight, before such questions are forgotten


class FastPath:
    """A source of work for the engine: finished reports of right names, and the long way for all other targets."""

    def __init__(
        self,
        resolution: Resolution,
        judge: CachedJudge,
        long_way: Callable[[Target], Work[Report]],
        patience: float,
        dead_servers: Callable[[], frozenset[Endpoint]],
        *,
        nameless: bool = False,
    ) -> None:
        """`patience`: seconds to wait for an answer before the name takes the long way.

        `dead_servers`: those that the engine has given up. `nameless`: as for `check`.
        """
        self._resolution = resolution
        self._judge = judge
        self._long_way = long_way
        self._patience = patience
        self._slowest = 0.0
        self._queries: BatchedQueries[Pending] = BatchedQueries()
        self._resolver: QueryQueue[Pending] | None = None
        self._zones = KnownZones(resolution, judge, self._queries, dead_servers, nameless=nameless)
        self._under_way: deque[Pending] = deque()  # in the order in which they began; some have finished
        self._count = 0
        self._unanswered = 0
        self._left: deque[Target] = deque()
        self._right: list[Report] = []

    def close(self) -> None:
        """Give the sockets back."""
        self._queries.close()

    def works(
        self, targets: Iterator[Target], descriptor: int, concurrency: int
    ) -> Iterator[Work[Report] | Ready[Report] | None]:
        """See `Engine.run`. The first target goes ahead alone, until it has found its zone, which serves the others."""
        self._queries.wake_for(descriptor)
        first = next(targets, None)
        if first is None:
            return
        scout = Scout(self._long_way(first))
        yield scout.work()
        while not (scout.is_done or self._zones.window_of(first.domain)):
            yield None
            self._listen()
        self._choose_resolver()
        if self._resolver is None:
            yield from map(self._long_way, targets)
            return
        waiting: deque[Target] = deque()
        has_more = True
        while has_more or waiting or self._count or self._left:
            room = min(concurrency - self._count, concurrency - len(self._left), _BURST) - len(waiting)
            if has_more and room > 0:
                # keys are read here, then all questions leave together: to wake a server takes longer than to ask it
                some = list(islice(targets, room))
                has_more = bool(some)
                waiting.extend(some)
            if self._zones.look_for_the_dead():  # also while no name is on this path: a dead server may be why
                self._choose_resolver()
            while waiting and self._begins(waiting[0]):
                waiting.popleft()
            if self._count:
                self._listen()
            if self._right:
                yield Ready(self._right)
                self._right = []
            while self._left:
                yield self._long_way(self._left.popleft())
            yield None

    def _begins(self, target: Target) -> bool:
        """Begin one target, on this path or the long one; False when the window of its zone is full."""
        is_plain = not target.alias and target.unread is None  # all else needs the long way
        window = self._zones.window_of(target.domain) if is_plain else None
        if window is None or (window.dead and self._zones.is_probe()):
            self._left.append(target)
            return True
        if not window.has_room:
            return False
        try:
            asked_cut = below(DOMAINKEY, question(target.domain, Type.SOA), Type.SOA)
            asked_text = below(target.selector, asked_cut, Type.TXT)
        except MalformedMessage:
            self._left.append(target)
            return True
        name = Pending(target, window, asked_cut, asked_text)
        window.in_flight += 1
        self._count += 1
        self._under_way.append(name)
        assert self._resolver is not None
        self._resolver.ask(asked_cut, name)
        for queue in window.queues:
            queue.ask(asked_text, name)
        return True

    def _choose_resolver(self) -> None:
        """Ask the one that answers, as far as the long way knows by now."""
        with suppress(OSError):  # an address that no socket takes, or sockets have run out
            self._resolver = self._queries.queue_to(self._resolution.preferred, recursive=True) or self._resolver

    def _listen(self) -> None:
        self._queries.send()
        is_idle = not self._left and not self._right
        for name, asked, data in self._queries.receive(_TICK if is_idle else 0.0):
            if name.missing <= 0:
                continue
            if self._is_good(name, asked, data):
                name.missing -= 1
                if not name.missing:
                    self._arrived(name)
            else:
                if data[3] & 15 in _NO:
                    name.window.lost(name.started)  # perhaps it was asked too fast: the engine finds out
                self._hand_over(name)
        self._expire(time.monotonic() - min(self._patience, 0.1 + 4 * self._slowest))

    def _is_good(self, name: Pending, asked: bytes, data: bytes) -> bool:
        if asked is name.asked_cut:
            security = zone_security(data, asked, name.window.name_size)
            if security is None:
                name.window.astray += 1
                return False
            name.security = security
            if security is Security.SECURE:
                self._ask_for_proof(name)
            return True
        if asked is name.asked_proof:
            return is_authenticated(data)
        text = single_text(data, asked)
        if text is None or name.text not in (None, text):
            return False
        ttl = ttl_of(data, asked)
        is_same = not name.window.dead or name.text is None or ttl == name.ttl  # where the report is in full
        name.text, name.ttl = text, ttl
        return is_same

    def _ask_for_proof(self, name: Pending) -> None:
        """In a signed zone the record's own signature may be broken: the resolver is asked for the record as well."""
        assert self._resolver is not None
        name.asked_proof = bytes(bytearray(name.asked_text))  # another object: answers are distinguished by identity
        name.missing += 1
        self._resolver.ask(name.asked_proof, name)

    def _arrived(self, name: Pending) -> None:
        assert name.text is not None
        text = name.text.decode("latin-1")
        key = self._judge.key_of(text, name.target)
        if key is None:
            self._hand_over(name)
            return
        self._finished(name)
        seconds = time.monotonic() - name.started
        name.window.answered(seconds)
        self._slowest = max(seconds, self._slowest * 0.999)
        milliseconds = round(seconds * 1000, 1)
        template = name.window.template
        self._right.append(template.report(name.target, text, key, name.security, name.ttl, milliseconds))

    def _finished(self, name: Pending) -> None:
        name.missing = -1
        name.window.in_flight -= 1
        self._count -= 1

    def _hand_over(self, name: Pending) -> None:
        self._finished(name)
        self._left.append(name.target)
        self._unanswered += 1

    def _expire(self, before: float) -> None:
        """Hand over what is overdue, and forget questions whose answer is no longer awaited."""
        while self._under_way and (self._under_way[0].missing <= 0 or self._under_way[0].started < before):
            name = self._under_way.popleft()
            if name.missing > 0:
                name.window.lost(name.started)
                self._hand_over(name)
        if self._unanswered > _MOST_UNANSWERED:
            self._queries.forget(lambda name: name.missing <= 0)
            self._unanswered = 0
