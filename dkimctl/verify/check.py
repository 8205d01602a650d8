"""The two entrances: check any number of targets, and wait until one is right everywhere."""

from collections.abc import Callable, Iterable, Iterator

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Lookup
from dkimctl.dns.endpoints import resolvers
from dkimctl.dns.engine import Engine
from dkimctl.dns.resolve import Resolution
from dkimctl.verify.conclude import conclude
from dkimctl.verify.report import Report, Target
from dkimctl.verify.survey import survey
from dkimctl.verify.swift import SwiftJudge

CONCURRENCY = 256  # names under way; more lose answers in the buffers of most machines
_FIRST_PAUSE = 1.0  # seconds between two looks; grows by half each time
_LONGEST_PAUSE = 15.0


def check(
    targets: Iterable[Target],
    lookup: Lookup,
    *,
    recursive: bool = False,
    thorough: bool = False,
    concurrency: int = CONCURRENCY,
) -> Iterator[Report]:
    """A report for each target, as they come in; the order is not that of the targets.

    `recursive`: ask the resolvers for the record as well. `thorough`: look for wildcards, compare the serials and the
    delegation even where nothing seems wrong; a few questions more for each name. Raises UsageError for a malformed
    name server.
    """
    resolution = Resolution(resolvers(lookup), lookup.port)
    judge = SwiftJudge()
    engine = Engine(lookup.timeout)
    try:
        yield from engine.run((_one(t, resolution, judge, recursive, thorough) for t in targets), concurrency)
    finally:
        engine.close()


async def _one(target: Target, resolution: Resolution, judge: SwiftJudge, recursive: bool, thorough: bool) -> Report:
    found = await survey(target, resolution, recursive=recursive, thorough=thorough)
    return conclude(target, found, judge)


def await_key(
    target: Target,
    lookup: Lookup,
    *,
    timeout: float,
    clock: Clock = SYSTEM_CLOCK,
    report: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Look until every authoritative server serves exactly one right record, for at most `timeout` seconds.

    `report` gets each look. Returns the last one: its `is_right` tells how it ended. Asks no resolver for the record,
    so that none remembers that it was missing (RFC 2308).
    """
    deadline = clock.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        [last] = check([target], lookup)
        report(last)
        if last.is_right or clock.monotonic() + pause > deadline:
            return last
        clock.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)
