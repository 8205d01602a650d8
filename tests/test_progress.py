"""Progress of long work: a bar for people, lines for logs, and nothing in the way."""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dkimctl.output.progress import watched
from dkimctl.output.terminal import Terminal
from tests.clocks import ManualClock


class Screen(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only the work moves."""
    return ManualClock(datetime(2026, 11, 23, tzinfo=UTC))


def work(clock: ManualClock, count: int, seconds: float) -> Iterator[int]:
    """So many results, each of which takes so long."""
    for number in range(count):
        clock.sleep(seconds)
        yield number


def test_bar_on_a_terminal(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first second a bar shows how many of how many, on stderr; the results pass through unchanged."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert list(watched(work(clock, 10, 0.3), Terminal(), "names", total=10, clock=clock)) == list(range(10))
    assert "names" in screen.getvalue()
    assert "10/10" in screen.getvalue()


def test_results_are_not_diverted(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the bar on a terminal and stdout in a file, what is printed meanwhile goes to the file."""
    monkeypatch.setattr(sys, "stderr", Screen())
    monkeypatch.setenv("TERM", "xterm")
    for number in watched(work(clock, 5, 1.0), Terminal(), "names", clock=clock):
        Terminal().result(f"result {number}")
    assert capsys.readouterr().out.splitlines() == [f"result {number}" for number in range(5)]


@pytest.mark.parametrize(("terminal", "seconds"), [(Terminal(), 0.01), (Terminal(verbosity=-1), 60.0)])
def test_no_bar_for_short_work_or_when_quiet(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, terminal: Terminal, seconds: float
) -> None:
    """Nothing flickers up for what is done within a second, and nothing at all with -q."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert len(list(watched(work(clock, 10, seconds), terminal, "names", clock=clock))) == 10
    assert screen.getvalue() == ""


def test_lines_elsewhere(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """In a log a line appears every 15 seconds, and nothing that only a terminal understands."""
    assert len(list(watched(work(clock, 100, 0.4), Terminal(), "names", total=100, clock=clock))) == 100
    assert capsys.readouterr().err.splitlines() == ["dkimctl: 38 of 100 names", "dkimctl: 76 of 100 names"]
