"""A name server that has stopped answering, in a long list: it is asked now and then, and its names are not held up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dkimctl.config.settings import Lookup
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
from tests.verify_schema import assert_valid_report

HOME, DEAD = "127.0.0.1", "127.0.8.21"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text
COUNT = 600


@dataclass
class Sleeping:
    """A server that answers no question until it is woken."""

    is_awake: bool = False
    asked: list[bytes] = field(default_factory=list)

    def __call__(self, query: bytes, send: Send) -> None:
        self.asked.append(query)
        if self.is_awake:
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
