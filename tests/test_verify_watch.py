"""verify-dns --watch: a line for each change while a zone changes, and an end when all is right or the time is up."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl.cli.app import App
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from tests.clocks import ManualClock
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere
from tests.processes import started
from tests.schemas import assert_valid

HOME = "127.0.0.1"
GOOD = record_for(generate(Algorithm.RSA).public, "rsa", Tags()).text


@dataclass
class Changing(ManualClock):
    """A clock that, every second time someone sleeps, puts the next text in place of the record."""

    knot: Knot | None = None
    texts: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Move on, and change the zone."""
        super().sleep(seconds)
        if len(self.slept) % 2 == 0 and self.texts and self.knot:
            self.knot.stop()
            self.knot.zones = {"example.com": name_servers(HOME) + txt("s._domainkey", self.texts.pop(0))}
            self.knot.start()


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Changing]:
    """A zone without the record; its time."""
    port = free_port_everywhere(HOME)
    knot = Knot(tmp_path / "knot", HOME, port, {"example.com": name_servers(HOME)}).start()
    yield Changing(datetime(2026, 11, 23, tzinfo=UTC), knot=knot)
    knot.stop()


def environment(knot: Knot | None) -> dict[str, str]:
    """What leads there."""
    assert knot is not None
    return {"DKIMCTL_NAMESERVERS": f"{HOME}:{knot.port}", "DKIMCTL_DNS_PORT": str(knot.port)}


@needs("knotd")
@pytest.mark.parametrize("more", [(), ("--recursive",)])
def test_every_change_has_one_line(
    clock: Changing, dkimctl_inside: Dkimctl, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """Missing, cut, right: three lines, however often it was looked at in between; then the whole report, and 0."""
    monkeypatch.setattr(App, "clock", clock)
    clock.texts = [GOOD[:255], GOOD]
    run = dkimctl_inside("verify-dns", "example.com", "-s", "s", "--watch", *more, env=environment(clock.knot))
    assert [line.split(": ")[2:4] for line in run.err.splitlines()] == [
        ["wrong", "DKIM101 no key record"],
        ["wrong", "DKIM203 the key record is truncated"],
        ["right", "DKIM310 the key record is usable"],
    ]
    assert run.code == 0
    assert run.out.startswith("s._domainkey.example.com: right\n")
    assert "authoritative servers of example.com" in run.out
    assert len(clock.slept) == 4


@needs("knotd")
def test_every_change_is_a_json_line(clock: Changing, dkimctl_inside: Dkimctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """With jsonl the reports themselves are the lines, each when it comes, none twice."""
    monkeypatch.setattr(App, "clock", clock)
    clock.texts = [GOOD[:255], GOOD]
    arguments = ("verify-dns", "example.com", "-s", "s", "--watch", "--format", "jsonl")
    run = dkimctl_inside(*arguments, env=environment(clock.knot))
    reports = [json.loads(line)["report"] for line in run.out.splitlines()]
    assert [report["findings"][0]["code"] for report in reports] == ["DKIM101", "DKIM203", "DKIM310"]
    assert run.code == 0


@needs("knotd")
def test_the_time_ends_it(clock: Changing, dkimctl_inside: Dkimctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not right when the time is up is reported as it was seen last, with its exit code."""
    monkeypatch.setattr(App, "clock", clock)
    arguments = ("verify-dns", "example.com", "-s", "s", "--watch", "--timeout", "60", "--json")
    run = dkimctl_inside(*arguments, env=environment(clock.knot))
    assert run.code == 1
    assert [report["verdict"] for report in run.json["reports"]] == ["wrong"]
    assert 55 <= sum(clock.slept) <= 60


@needs("knotd")
def test_ctrl_c_tells_what_was_seen_last(clock: Changing, dkimctl: Dkimctl) -> None:
    """An interrupt while it waits: exit 130 and the counts, no traceback; the document of --json says it in full."""
    command = [sys.executable, "-m", "dkimctl", "verify-dns", "example.com", "-s", "s", "--watch", "--json"]
    environ = dkimctl.scratch.environment(environment(clock.knot))
    with started(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert "DKIM101" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "last state: 1 wrong" in err
    assert_valid(out)
    assert [report["verdict"] for report in json.loads(out)["reports"]] == ["wrong"]
    assert "Traceback" not in err
