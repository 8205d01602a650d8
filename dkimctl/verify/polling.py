"""Polling until the records are right: one mechanism for one key, for `--watch`, and for a publication."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Lookup
from dkimctl.keys.knownbad import not_looked_for, weakness
from dkimctl.verify.check import check
from dkimctl.verify.judge import Weakness
from dkimctl.verify.report import Report, Target

_FIRST_PAUSE = 1.0  # seconds between two checks of a name; grows by half each time
_LONGEST_PAUSE = 15.0
_TOGETHER = 0.5  # seconds: names that are due within are checked in one round
_SECONDS = re.compile(r"\d+ s\b")
_PAUSE = 5.0  # seconds between two checks


@dataclass(slots=True)
class _Polled:
    target: Target
    deadline: float
    due: float
    """When to check next."""
    pause: float


@dataclass(slots=True)
class Polling:
    """Names that are checked until each is right or its time is over. `timeout`: seconds for each, from its `add`.

    Asks no resolver for the records unless told to: one would cache that they were missing (RFC 2308).
    """

    lookup: Lookup
    clock: Clock
    timeout: float
    is_done: Callable[[Report], bool] = lambda report: report.is_right
    recursive: bool = False
    first_pause: float = _FIRST_PAUSE
    longest_pause: float = _LONGEST_PAUSE
    weak: Weakness = not_looked_for
    """As for `check`: that a key is known to be bad does not keep a record from being served."""
    _polled: dict[str, _Polled] = field(default_factory=dict)
    """By owner name."""
    _next_round: float = 0.0

    def __bool__(self) -> bool:
        return bool(self._polled)

    def __contains__(self, owner: str) -> bool:
        return owner in self._polled

    @property
    def due_in(self) -> float:
        """Seconds until the next round."""
        due = min((one.due for one in self._polled.values()), default=0.0)
        return max(0.0, max(due, self._next_round) - self.clock.monotonic())

    def add(self, target: Target) -> None:
        """Check this one too from now on."""
        now = self.clock.monotonic()
        self._polled[target.owner] = _Polled(target, now + self.timeout, now, self.first_pause)

    def drop(self, owner: str) -> None:
        """Do not check this one any more."""
        del self._polled[owner]

    def round(self) -> Iterator[tuple[Report, bool]]:
        """Check the names that are due: each report, and whether it is done. The done and the overdue are dropped."""
        now = self.clock.monotonic()
        due = {owner: one for owner, one in self._polled.items() if one.due <= now + _TOGETHER}
        targets = [one.target for one in due.values()]
        for report in check(targets, self.lookup, recursive=self.recursive, weak=self.weak):
            one = due[report.owner]
            is_done = self.is_done(report)
            one.due = self.clock.monotonic() + one.pause
            if is_done or one.due > one.deadline:
                self.drop(report.owner)
            one.pause = min(self.longest_pause, 1.5 * one.pause)
            yield report, is_done
        self._next_round = self.clock.monotonic() + _TOGETHER

    def run(self) -> Iterator[tuple[Report, bool]]:
        """Every round, with the pauses between them, until nothing is left."""
        while self:
            if pause := self.due_in:
                self.clock.sleep(pause)
            yield from self.round()


def await_key(
    target: Target,
    lookup: Lookup,
    *,
    timeout: float,
    clock: Clock = SYSTEM_CLOCK,
    report: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Check until every authoritative server serves exactly one right record, for at most `timeout` seconds.

    `report` is called with each report. Returns the last one; its `is_right` says how it ended.
    """
    polling = Polling(lookup, clock, timeout)
    polling.add(target)
    for last, _ in polling.run():
        report(last)
    return last


def watch(
    targets: Sequence[Target], lookup: Lookup, *, recursive: bool, timeout: float, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Report]:
    """Yield the report about each target, and again each time it changes, for at most `timeout` seconds.

    A record that is right is not checked again. `recursive`: as for `check`. The running down of a cache's seconds is
    no change.
    """
    polling = Polling(
        lookup, clock, timeout, recursive=recursive, first_pause=_PAUSE, longest_pause=_PAUSE, weak=weakness
    )
    for target in targets:
        polling.add(target)
    known: dict[str, tuple[str, ...]] = {}
    for report, _ in polling.run():
        state = tuple(f"{f.code} {_SECONDS.sub('', f.seen)}" for f in report.findings)
        if known.get(report.owner) != state:
            known[report.owner] = state
            yield report
