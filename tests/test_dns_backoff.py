"""A name server that is asked too much and says so is spared; a slow or silent one does not hold up a long list."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import dns.message
import pytest

from dkimctl.config.settings import Lookup
from dkimctl.dns import connections
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.report import Target
from tests.conftest import needs
from tests.dns_servers import Knot, name_servers, txt
from tests.hostile_dns import Hostile, Send, answer
from tests.ports import free_port_everywhere

HOME, SERVER, OTHER = "127.0.0.1", "127.0.8.1", "127.0.8.2"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text.encode()
REFUSED, SERVFAIL = 5, 2
PATIENCE = 12.0  # seconds: nothing is asked twice only because this machine is busy


@dataclass
class Limited:
    """A server that answers so many questions at once, and says no to what comes beside them and to `refused` zones.

    How many come together is what it goes by, and not how many in a second: a busy machine changes nothing then.
    """

    at_once: int
    rcode: int = REFUSED
    refused: tuple[str, ...] = ()
    asked: dict[str, int] = field(default_factory=dict)
    """How often each name was asked for."""
    said_no: int = 0

    def start(self, port: int) -> Hostile:
        """Answer there until it is stopped."""
        self._server = Hostile(SERVER, port, self._answer, linger=0.02)
        return self._server.start()

    def _answer(self, query: bytes, send: Send) -> None:
        name = dns.message.from_wire(query).question[0].name.to_text().rstrip(".")
        self.asked[name] = self.asked.get(name, 0) + 1
        if self._server.place >= self.at_once or name.endswith(self.refused):
            self.said_no += 1
            send(answer(query, rcode=self.rcode))
        else:
            send(answer(query, GOOD))


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """A knot that says where the zones are served: at addresses where a test puts its own server."""
    port = free_port_everywhere(HOME, SERVER, OTHER)
    big = "".join(txt(f"s{n}._domainkey", GOOD.decode(), "x" * 1500) for n in range(60))
    zones = {"busy.example": name_servers(SERVER), "expired.example": name_servers(SERVER)}
    zones["big.example"] = name_servers(HOME) + big
    knot = Knot(tmp_path_factory.mktemp("backoff") / "knot", HOME, port, zones).start()
    yield Lookup((f"{HOME}:{port}",), port, timeout=2.0)
    knot.stop()


def names(zone: str, count: int) -> list[Target]:
    """So many targets in a zone."""
    return [Target(f"s{n}", zone, PAIR.public) for n in range(count)]


@needs("knotd")
@pytest.mark.parametrize("rcode", [REFUSED, SERVFAIL])
@pytest.mark.parametrize("brief", [False, True])
def test_a_limited_server_answers_all_in_the_end(lookup: Lookup, rcode: int, brief: bool) -> None:
    """On both ways a server that refuses what is too much is asked less at a time, and no name is left unknown."""
    script = Limited(8, rcode)
    server = script.start(lookup.port)
    try:
        reports = list(check(names("busy.example", 300), replace(lookup, timeout=PATIENCE), brief=brief))
    finally:
        server.stop()
    assert {f.code for report in reports for f in report.findings} == {"DKIM300"}
    assert len(reports) == 300
    assert 0 < script.said_no < 2 * 300


@needs("knotd")
def test_a_server_that_knows_no_zone_is_not_taken_for_a_busy_one(lookup: Lookup) -> None:
    """One that refuses the names of one zone and answers the others is soon believed: two or three questions do.

    No question is asked for ever, however the answers to the others fall.
    """
    script = Limited(10**9, refused=("expired.example",))
    server = script.start(lookup.port)
    targets = [
        target
        for pair in zip(names("busy.example", 200), names("expired.example", 200), strict=True)
        for target in pair
    ]
    try:
        reports = list(check(targets, replace(lookup, timeout=PATIENCE)))
    finally:
        server.stop()
    found = {
        zone: {f.code for r in reports if r.domain == zone for f in r.findings}
        for zone in ("busy.example", "expired.example")
    }
    assert found == {"busy.example": {"DKIM300"}, "expired.example": {"DKIM108"}}
    often = [script.asked[target.owner] for target in targets if target.domain == "expired.example"]
    assert sum(often) < 4 * len(often)
    assert max(often) <= 10  # eight turns, and what was lost on the way


@needs("knotd")
def test_one_name_is_asked_once(lookup: Lookup) -> None:
    """Who asks for a single name and is refused has not asked too much, and does not insist."""
    script = Limited(10**9, refused=("busy.example",))
    server = script.start(lookup.port)
    try:
        [report] = check(names("busy.example", 1), replace(lookup, timeout=PATIENCE))
    finally:
        server.stop()
    assert {f.code for f in report.findings} == {"DKIM108"}
    assert script.asked == {report.owner: 1}


def silent(query: bytes, send: Send) -> None:
    """Say nothing."""


@needs("knotd")
@pytest.mark.parametrize("brief", [False, True])
def test_a_dead_server_is_not_waited_for_name_by_name(lookup: Lookup, brief: bool) -> None:
    """Of many names at a server that says nothing all are told so, and most of them without having been asked for."""
    server = Hostile(SERVER, lookup.port, silent).start()
    try:
        reports = list(check(names("busy.example", 400), lookup, brief=brief))
    finally:
        server.stop()
    assert {f.code for report in reports for f in report.findings} == {"DKIM107", "DKIM511"}
    assert len(reports) == 400
    assert server.asked < 2 * 400  # three times each, were it not given up
    assert any("no answer to the questions before it" in f.seen for report in reports for f in report.findings)


@needs("knotd")
def test_a_slow_server_is_not_taken_for_one_that_drops_questions(lookup: Lookup) -> None:
    """Who takes longer than a question usually waits before it is sent again is soon asked once for each name."""

    timers: list[threading.Timer] = []

    def late(query: bytes, send: Send) -> None:
        timers.append(threading.Timer(0.75, send, [answer(query, GOOD)]))
        timers[-1].start()

    server = Hostile(SERVER, lookup.port, late).start()
    try:
        reports = list(check(names("busy.example", 200), replace(lookup, timeout=20.0)))
    finally:
        for timer in timers:
            timer.join()
        server.stop()
    assert {f.code for report in reports for f in report.findings} == {"DKIM300"}
    assert server.asked < 2 * 200


@needs("knotd")
def test_answers_over_tcp_take_turns(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many answers need TCP, few connections are open at a time: descriptors run out, servers accept few."""
    monkeypatch.setattr(connections, "_MOST", 4)
    most = 0

    class Counted(connections.Stream):
        now: ClassVar[set[int]] = set()

        def __init__(self, *arguments: Any, **options: Any) -> None:
            nonlocal most
            super().__init__(*arguments, **options)
            self.now.add(id(self))
            most = max(most, len(self.now))

        def close(self) -> None:
            self.now.discard(id(self))
            super().close()

    monkeypatch.setattr(connections, "Stream", Counted)
    reports = list(check(names("big.example", 60), replace(lookup, timeout=PATIENCE)))
    assert {f.code for report in reports for f in report.findings} == {"DKIM102", "DKIM501"}
    assert (len(reports), most) == (60, 4)
