"""A name server that has stopped answering, in a long list: it is asked now and then, and its names are not held up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.exchange import Exchange, Job
from dkimctl.dns.questions import Question
from dkimctl.dns.serverqueue import ServerQueue
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.bulk.template import ReportTemplate
from dkimctl.verify.check import check
from dkimctl.verify.report import Report, Target
from tests.conftest import needs
from tests.dns_servers import Knot, name_servers, txt
from tests.hostile_dns import Hostile, Send, answer
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid_report

HOME, DEAD = "127.0.0.1", "127.0.8.21"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text
COUNT = 600


@dataclass
class Sleeping:
    """A server that answers no question until it is woken."""

    is_awake: bool = False
    answers_each: int = 0
    """It answers each so-manieth question, also while it sleeps; 0: none."""
    asked: list[bytes] = field(default_factory=list)

    def __call__(self, query: bytes, send: Send) -> None:
        self.asked.append(query)
        if self.is_awake or (self.answers_each and not len(self.asked) % self.answers_each):
            send(answer(query, GOOD.encode()))


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lookup, Sleeping]]:
    """A zone with two servers, of which one sleeps."""
    port = free_port_everywhere(HOME, DEAD)
    zone = name_servers(HOME, DEAD) + "".join(txt(f"s._domainkey.d{n}", GOOD) for n in range(COUNT))
    knot = Knot(tmp_path_factory.mktemp("dead") / "knot", HOME, port, {"half.example": zone}).start()
    sleeping = Sleeping()
    server = Hostile(DEAD, port, sleeping).start()
    yield Lookup((f"{HOME}:{port}",), port, timeout=1.0), sleeping
    server.stop()
    knot.stop()


def targets(expected: bool) -> list[Target]:
    """One for each domain."""
    return [Target("s", f"d{n}.half.example", PAIR.public if expected else None) for n in range(COUNT)]


@needs("knotd")
@pytest.mark.parametrize("brief", [True, False], ids=["fast path", "long way"])
@pytest.mark.parametrize("expected", [True, False], ids=["key at hand", "no key"])
def test_a_dead_server_is_asked_now_and_then(served: tuple[Lookup, Sleeping], brief: bool, expected: bool) -> None:
    """Most of its names are unknown at once, with all that the other server says; few questions are lost on it."""
    lookup, sleeping = served
    reports = list(check(targets(expected), lookup, brief=brief, concurrency=32))
    assert len({report.owner for report in reports}) == COUNT
    assert {_essence(report) for report in reports} == {("unknown", "DKIM107")}
    assert len({query[12:] for query in sleeping.asked}) < COUNT / 4
    for report in reports[:3] + reports[-3:]:
        assert_valid_report(report)
        assert report.text == GOOD
        assert [found.subject for found in report.findings if found.code == "DKIM107"] == [report.owner]
        assert [(one.server, one.state, one.ttl) for one in report.answers] == [
            ("ns1.half.example", "text", 300),
            ("ns2.half.example", "no answer", None),
        ]


@needs("knotd")
def test_names_return_to_the_fast_path(served: tuple[Lookup, Sleeping], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the server is known to be dead, most names are asked for at the living one alone, and quickly."""
    lookup, _ = served
    quick: list[str] = []
    real = ReportTemplate.report

    def counted(self: ReportTemplate, target: Target, *more: Any) -> Report:
        quick.append(target.owner)
        return real(self, target, *more)

    monkeypatch.setattr(ReportTemplate, "report", counted)
    names = targets(False) * 5
    assert len(list(check(names, lookup, brief=True, concurrency=256))) == len(names)
    assert len(quick) > len(names) / 2


@needs("knotd")
@pytest.mark.parametrize("brief", [True, False], ids=["fast path", "long way"])
def test_a_server_that_answers_every_tenth(served: tuple[Lookup, Sleeping], brief: bool) -> None:
    """It holds the list up no more than a dead one: few of its names wait until no answer came."""
    lookup, sleeping = served
    sleeping.answers_each = 10
    reports = list(check(targets(True), lookup, brief=brief, concurrency=256))
    assert len({report.owner for report in reports}) == COUNT
    assert {_essence(report) for report in reports if report.verdict.value != "right"} == {("unknown", "DKIM107")}
    assert len({query[12:] for query in sleeping.asked}) < COUNT / 2
    assert sum(report.verdict.value == "unknown" for report in reports) > COUNT / 2


def test_a_server_with_too_many_questions_is_not_broken() -> None:
    """It lost most of them, and answers when it is asked alone: it is asked on, and nothing is given up."""
    queue = _with_many_lost()
    for _ in range(5):
        asked = queue.next(0.0)
        assert asked is not None
        assert queue.next(0.0) is None  # one at a time
        _ended(queue, is_lost=False)
    assert not queue.is_dead
    assert [queue.next(0.0) is not None for _ in range(4)] == [True] * 4  # beside each other again


def test_a_server_that_loses_a_question_asked_alone_is_broken() -> None:
    """What waits for it is given up, until it has answered some questions in a row."""
    queue = _with_many_lost()
    assert queue.next(0.0) is not None
    _ended(queue, is_lost=True)
    assert queue.is_dead
    for answers in range(5):
        assert queue.is_dead, answers
        assert queue.next(100.0) is not None
        _ended(queue, is_lost=False)
    assert not queue.is_dead
    queue.next(100.0)
    _ended(queue, is_lost=True)  # one more: it is asked alone again
    assert queue.next(100.0) is not None
    assert queue.next(100.0) is None


def _with_many_lost() -> ServerQueue:
    """A queue to a server that has answered 8 of 32 questions; 100 wait."""
    queue = ServerQueue()
    job: Job[None] = Job(_nothing())
    job.work.close()
    asked = Question(Endpoint(DEAD, 53), "a.example", 16)
    for _ in range(132):
        queue.wait(Exchange(job, 0, asked, b"", queue, 0.0))
    assert sum(queue.next(0.0) is not None for _ in range(32)) == 32
    for number in range(32):
        _ended(queue, is_lost=number % 4 != 0)
    assert not queue.is_dead
    return queue


async def _nothing() -> None:
    """No work."""


def _ended(queue: ServerQueue, *, is_lost: bool) -> None:
    queue.was_silent() if is_lost else queue.took(0.001)
    queue.in_flight -= 1


def _essence(report: Report) -> tuple[str, str]:
    return report.verdict.value, report.findings[0].code


@needs("knotd")
@pytest.mark.parametrize("brief", [True, False], ids=["fast path", "long way"])
def test_a_server_that_comes_back_is_asked_again(served: tuple[Lookup, Sleeping], brief: bool) -> None:
    """As soon as it answers one of the questions that it gets now and then, its names are checked as all others."""
    lookup, sleeping = served
    verdicts: list[str] = []
    for report in check(_slowly(sleeping, verdicts), lookup, brief=brief, concurrency=16):
        verdicts.append(report.verdict.value)
    assert set(verdicts[:20]) == {"unknown"}
    assert set(verdicts[-20:]) == {"right"}


def _slowly(sleeping: Sleeping, verdicts: list[str]) -> Iterator[Target]:
    """The same names over and over: until many are given up, and then until some are right."""
    some = targets(expected=True)
    for target in (target for _ in range(10_000) for target in some):
        sleeping.is_awake = sleeping.is_awake or len(verdicts) > COUNT
        if verdicts[-40:] == ["right"] * 40:
            return
        yield target
