"""A name server that is asked too much and says so is spared; a slow or silent one does not hold up a long list."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import dns.message
import pytest

from dkimctl.config.settings import Lookup
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.report import Target
from tests.conftest import needs
from tests.dns_servers import Knot, name_servers
from tests.hostile_dns import Hostile, Send, answer
from tests.ports import free_port_everywhere

HOME, SERVER, OTHER = "127.0.0.1", "127.0.8.1", "127.0.8.2"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text.encode()
REFUSED, SERVFAIL = 5, 2


@dataclass
class Limited:
    """A script that answers `rate` questions a second, and says no to what comes above it and to `refused` zones."""

    rate: float
    rcode: int = REFUSED
    refused: tuple[str, ...] = ()
    asked: dict[str, int] = field(default_factory=dict)
    """How often each name was asked for."""
    said_no: int = 0
    _room: float = 10.0
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, query: bytes, send: Send) -> None:
        """Answer one question."""
        name = dns.message.from_wire(query).question[0].name.to_text().rstrip(".")
        self.asked[name] = self.asked.get(name, 0) + 1
        now = time.monotonic()
        self._room, self._last = min(10.0, self._room + (now - self._last) * self.rate), now
        if self._room < 1 or name.endswith(self.refused):
            self.said_no += 1
            send(answer(query, rcode=self.rcode))
        else:
            self._room -= 1
            send(answer(query, GOOD))


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """A knot that says where the zones are served: at addresses where a test puts its own server."""
    port = free_port_everywhere(HOME, SERVER, OTHER)
    zones = {"busy.example": name_servers(SERVER), "expired.example": name_servers(SERVER)}
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
    """On both ways a server that refuses above a rate is asked more slowly, and no name is left unknown."""
    script = Limited(100, rcode)
    server = Hostile(SERVER, lookup.port, script).start()
    try:
        reports = list(check(names("busy.example", 300), lookup, brief=brief))
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
    script = Limited(1e9, refused=("expired.example",))
    server = Hostile(SERVER, lookup.port, script).start()
    targets = [
        target
        for pair in zip(names("busy.example", 200), names("expired.example", 200), strict=True)
        for target in pair
    ]
    try:
        reports = list(check(targets, lookup))
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
    script = Limited(1e9, refused=("busy.example",))
    server = Hostile(SERVER, lookup.port, script).start()
    try:
        [report] = check(names("busy.example", 1), lookup)
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
        reports = list(check(names("busy.example", 400), replace(lookup, timeout=0.5), brief=brief))
    finally:
        server.stop()
    assert {f.code for report in reports for f in report.findings} == {"DKIM107"}
    assert len(reports) == 400
    assert server.asked < 2 * 400  # three times each, were it not given up
    assert any("no answer to the questions before it" in f.seen for report in reports for f in report.findings)


@needs("knotd")
def test_a_server_that_was_silent_for_a_while_is_asked_again(lookup: Lookup) -> None:
    """Who drops the first questions and then answers is unknown for those only: it is not dead for ever."""
    dropped = iter(range(130))  # three times each of the first 32 questions, and one time the next

    def wakes_up(query: bytes, send: Send) -> None:
        if next(dropped, None) is None:
            send(answer(query, GOOD))

    server = Hostile(SERVER, lookup.port, wakes_up).start()
    try:
        reports = list(check(names("busy.example", 300), lookup))
    finally:
        server.stop()
    assert sum(report.is_right for report in reports) >= 200


@needs("knotd")
def test_a_slow_server_is_not_taken_for_one_that_drops_questions(lookup: Lookup) -> None:
    """Who takes longer than a question usually waits before it is sent again is soon asked once for each name."""

    def late(query: bytes, send: Send) -> None:
        threading.Timer(0.5, send, [answer(query, GOOD)]).start()

    server = Hostile(SERVER, lookup.port, late).start()
    try:
        reports = list(check(names("busy.example", 200), lookup))
    finally:
        time.sleep(0.6)  # until the last answer is sent
        server.stop()
    assert {f.code for report in reports for f in report.findings} == {"DKIM300"}
    assert server.asked < 2 * 200
