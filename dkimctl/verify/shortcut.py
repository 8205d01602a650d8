"""The short way for long lists: what is plainly right is told from the bytes; everything else takes the long way.

The expected key is known beforehand, and so is the zone as soon as the long way has found it for another name. So
three things are asked at the same time: the resolver where the name's zone begins, and every address of the servers of
the zone that is guessed for the record. A name is right on this way only if

- the resolver confirmed that the guessed zone is the name's (`plain_cut`), so that no server was left out;
- every address of every server to which there is a route gave one authoritative, plain answer (`plain_text`);
- all answers are the same text, and `SwiftJudge` has nothing to say about it.

From those answers the long way would come to the same report, less what `in_brief` leaves out; the findings of such a
report depend on nothing but the zone, DNSSEC and the kind of key, and are concluded once by the long way's own code.
Whatever else happens, a lost packet included, the name is begun again on the long way, which alone says what is wrong.
tests/test_verify_shortcut.py compares the two ways.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from dkimctl.dns.engine import Ready
from dkimctl.dns.exchange import Work
from dkimctl.dns.message import Type, below, question
from dkimctl.dns.resolve import Resolution, Security, Zone
from dkimctl.dns.volley import Volley
from dkimctl.findings import Finding
from dkimctl.keys.public import PublicKey
from dkimctl.names import DOMAINKEY
from dkimctl.verify.answers import nowhere
from dkimctl.verify.conclude import conclude
from dkimctl.verify.plain import plain_cut, plain_text
from dkimctl.verify.report import Report, ServerAnswer, State, Target, in_brief
from dkimctl.verify.survey import Survey
from dkimctl.verify.swift import SwiftJudge

_FIRST_WINDOW = 32
_SMALLEST_WINDOW = 4  # below, the servers are left to the engine, which is patient
_MOST_ASTRAY = 32
_TICK = 0.05  # seconds between two looks at what is overdue


class _Lane:
    """A known zone with all its servers: how much is on its way there, and how much they bear."""

    __slots__ = (
        "astray",
        "endpoints",
        "halved",
        "in_flight",
        "quickest",
        "reports",
        "unrouted",
        "window",
        "wire",
        "zone",
    )

    def __init__(self, zone: Zone, volley: "Volley[_Name]") -> None:
        every = [(server, endpoint) for server in zone.servers for endpoint in server.endpoints]
        self.zone = zone
        self.wire = len(question(zone.name, Type.TXT)) - 4
        self.endpoints = [endpoint for _, endpoint in every if volley.reaches(endpoint)]
        self.unrouted = [(s.name, e) for s, e in every if not volley.reaches(e)]
        self.in_flight = 0
        self.window = float(_FIRST_WINDOW)
        self.halved = 0.0
        self.quickest = 1.0
        self.astray = 0
        self.reports: dict[tuple[Security, str, int, bool], Report] = {}

    @property
    def is_open(self) -> bool:
        return bool(self.endpoints) and self.window >= _SMALLEST_WINDOW and self.astray < _MOST_ASTRAY

    def answered(self, seconds: float) -> None:
        """Bear more, unless the answers begin to queue up: they take much longer than the quickest did."""
        self.quickest = min(self.quickest, seconds)
        if seconds < 3 * self.quickest + 0.001:
            self.window += 1

    def lost(self, started: float) -> None:
        """Bear less; losses of the same moment count once."""
        if started > self.halved:
            self.halved = time.monotonic()
            self.window /= 2


class _Name:
    """One target on the short way."""

    __slots__ = ("asked_cut", "key", "lane", "missing", "security", "started", "target", "text")

    def __init__(self, target: Target, lane: _Lane, asked_cut: bytes) -> None:
        self.target = target
        self.lane = lane
        self.asked_cut = asked_cut
        self.missing = 1 + len(lane.endpoints)
        self.security = Security.UNKNOWN
        self.text: bytes | None = None
        self.started = 0.0


class Shortcut:
    """A source of work for the engine: reports of what is plainly right, and the long way for all other targets."""

    def __init__(
        self, resolution: Resolution, judge: SwiftJudge, long_way: Callable[[Target], Work[Report]], patience: float
    ) -> None:
        """`patience`: seconds that an answer may take here, at most, before the long way is tried."""
        self._resolution = resolution
        self._resolver = resolution.resolvers[0]
        self._judge = judge
        self._long_way = long_way
        self._patience = patience
        self._slowest = 0.0
        self._volley: Volley[_Name] = Volley()
        self._lanes: dict[str, _Lane] = {}
        self._under_way: deque[_Name] = deque()  # in the order in which they began; some of them are over
        self._count = 0
        self._left: deque[Target] = deque()
        self._right: deque[Report] = deque()

    def close(self) -> None:
        """Give the sockets back."""
        self._volley.close()

    def works(
        self, targets: Iterator[Target], descriptor: int, concurrency: int
    ) -> Iterator[Work[Report] | Ready[Report] | None]:
        """See `Engine.run`. The first target goes ahead alone: what it finds out about its zone serves the others."""
        self._volley.wake_for(descriptor)
        waiting = next(targets, None)
        if waiting is None or not self._volley.reaches(self._resolver):
            yield from (self._long_way(target) for target in ([waiting] if waiting else []))
            yield from map(self._long_way, targets)
            return
        scout = _Scout(self._long_way(waiting))
        yield scout.work()
        while not scout.is_back:
            yield None
        waiting = next(targets, None)
        while waiting or self._count or self._left:
            while waiting and self._count < concurrency and len(self._left) < concurrency and self._begins(waiting):
                waiting = next(targets, None)
            self._listen()
            while self._right:
                yield Ready(self._right.popleft())
            while self._left:
                yield self._long_way(self._left.popleft())
            yield None

    def _begins(self, target: Target) -> bool:
        """Send a target on its way, short or long; False when its servers have enough to do."""
        lane = self._lane_of(target.domain) if not target.alias else None  # a CNAME needs the long way
        if lane is None:
            self._left.append(target)
            return True
        if lane.in_flight >= lane.window:
            return False
        name = _Name(target, lane, question(f"{DOMAINKEY}.{target.domain}", Type.SOA))
        asked = below(target.selector, name.asked_cut, Type.TXT)
        name.started = time.monotonic()
        lane.in_flight += 1
        self._count += 1
        self._under_way.append(name)
        self._volley.ask(self._resolver, name.asked_cut, name, recursive=True)
        for endpoint in lane.endpoints:
            self._volley.ask(endpoint, asked, name)
        return True

    def _lane_of(self, domain: str) -> _Lane | None:
        """The lane of the nearest known zone; None when there is none, or when it does not lead anywhere."""
        name = domain
        while name:
            lane = self._lanes.get(name)
            if lane is None and (zone := self._resolution.known_zone(name)):
                lane = self._lanes[name] = _Lane(zone, self._volley)
            if lane is not None:
                return lane if lane.is_open else None
            name = name.partition(".")[2]
        return None

    def _listen(self) -> None:
        is_idle = not self._left and not self._right
        for name, asked, data in self._volley.receive(_TICK if is_idle else 0.0):
            if name.missing <= 0:
                continue
            if self._is_plain(name, asked, data):
                name.missing -= 1
                if not name.missing:
                    self._arrived(name)
            else:
                self._leave(name)
        self._expire(time.monotonic() - min(self._patience, 0.1 + 4 * self._slowest))

    def _is_plain(self, name: _Name, asked: bytes, data: bytes) -> bool:
        lane = name.lane
        if asked is name.asked_cut:
            security = plain_cut(data, asked, lane.wire)
            lane.astray += security is None
            name.security = security or name.security
            return security is not None
        text = plain_text(data, asked)
        if text is None or name.text not in (None, text):
            return False
        name.text = text
        return True

    def _arrived(self, name: _Name) -> None:
        assert name.text is not None
        key = self._judge.key_of(name.text.decode("latin-1"), name.target)
        if key is None:
            self._leave(name)
            return
        self._over(name)
        seconds = time.monotonic() - name.started
        name.lane.answered(seconds)
        self._slowest = max(seconds, self._slowest * 0.999)
        self._right.append(_report(name, key))

    def _over(self, name: _Name) -> None:
        name.missing = -1
        name.lane.in_flight -= 1
        self._count -= 1

    def _leave(self, name: _Name) -> None:
        self._over(name)
        self._left.append(name.target)

    def _expire(self, before: float) -> None:
        late = set()
        while self._under_way and (self._under_way[0].missing <= 0 or self._under_way[0].started < before):
            name = self._under_way.popleft()
            if name.missing > 0:
                late.add(name)
                name.lane.lost(name.started)
                self._leave(name)
        if late:
            self._volley.forget(late)


class _Scout:
    """The long way of one target, and whether it is at its end."""

    def __init__(self, work: Work[Report]) -> None:
        self._work = work
        self.is_back = False

    async def work(self) -> Report:
        try:
            return await self._work
        finally:
            self.is_back = True


def _report(name: _Name, key: PublicKey) -> Report:
    """What `conclude` says of such a name, with its own words taken from a name of the same kind."""
    target, reports = name.target, name.lane.reports
    kind = (name.security, key.algorithm, key.bits, target.expected is not None)
    model = reports.get(kind)
    if model is None:
        model = reports[kind] = _model(name)
    owner = target.owner
    return Report(
        target=target,
        domain=target.domain,
        selector=target.selector,
        owner=owner,
        verdict=model.verdict,
        findings=tuple([Finding(f.code, f.severity, f.title, owner, f.seen, f.fix) for f in model.findings]),
        zone=model.zone,
        dnssec=model.dnssec,
        publish_at=owner,
    )


def _model(name: _Name) -> Report:
    assert name.text is not None
    lane, owner, text = name.lane, name.target.owner, name.text.decode("latin-1")
    answers = [ServerAnswer(owner, "", str(e), State.TEXT, texts=(text,), ttl=3600) for e in lane.endpoints]
    answers += [ServerAnswer(owner, server, str(e), State.NOT_ASKED) for server, e in lane.unrouted]
    answers += [nowhere(owner, server) for server in lane.zone.servers if not server.endpoints]
    zone = replace(lane.zone, security=name.security)
    survey = Survey(owner, zones=[zone], answers=answers, last=tuple(answers), aliases=[owner])
    return in_brief(conclude(name.target, survey))
