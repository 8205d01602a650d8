"""The same check on all cores."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from dkimctl.config.settings import Lookup
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.programs.cores import cores
from dkimctl.verify.check import CONCURRENCY, check
from dkimctl.verify.report import Report, Target

Item = TypeVar("Item")
T = TypeVar("T")
_MOST = 512  # reports handed on at a time
_SOON = 0.05  # seconds after which they are not waited for


class Manner(NamedTuple, Generic[Item, T]):
    """The options of a check; all of it happens in the worker processes."""

    targets: Callable[[Iterable[Item]], Iterable[Target]]
    """Makes targets of the names: keys are loaded here."""
    present: Callable[[Sequence[Report]], T]
    """What is wanted of some reports, so that only this travels."""
    brief: bool = True
    """As for `check`."""
    nameless: bool = False
    """As for `check`."""
    recursive: bool = False
    concurrency: int = CONCURRENCY
    """For all processes together."""


def check_in_parallel(
    names: Iterable[Item], lookup: Lookup, manner: Manner[Item, T], *, processes: int | None = None
) -> Iterator[T]:
    """Yield what `manner.present` makes of the reports, in batches, as they come; on one core in this process.

    Raises what the names or a process raise, and Unavailable when a process ends before its time.
    """
    count = processes or cores()
    if count == 1:
        yield from _results(names, lookup, manner, manner.concurrency)
        return
    from dkimctl.programs.workers import results_of

    concurrency = max(1, manner.concurrency // count)
    yield from results_of(names, lambda share: _results(share, lookup, manner, concurrency), count)


def _results(names: Iterable[Item], lookup: Lookup, manner: Manner[Item, T], concurrency: int) -> Iterator[T]:
    targets = manner.targets(names)
    reports = check(
        targets,
        lookup,
        brief=manner.brief,
        nameless=manner.nameless,
        recursive=manner.recursive,
        concurrency=concurrency,
        weak=not_looked_for,
    )
    return map(manner.present, portions(reports))


def portions(reports: Iterable[Report]) -> Iterator[list[Report]]:
    """The reports, some at a time: few where they come slowly, many where handing them on would take the time."""
    some: list[Report] = []
    due = time.monotonic() + _SOON
    for report in reports:
        some.append(report)
        if len(some) == _MOST or time.monotonic() > due:
            yield some
            some = []
            due = time.monotonic() + _SOON
    if some:
        yield some
