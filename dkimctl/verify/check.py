"""Check any number of targets, and wait until one is right everywhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Lookup
from dkimctl.dns.endpoints import resolvers
from dkimctl.dns.engine import Engine
from dkimctl.dns.exchange import Work
from dkimctl.dns.resolve import Resolution
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.bulk.fastpath import FastPath
from dkimctl.verify.conclusion.conclude import conclude
from dkimctl.verify.lookup.survey import survey
from dkimctl.verify.report import Report, Target, in_brief

CONCURRENCY = 512  # names under way at most: for servers far away; near ones have fewer, as they bear
_PATIENCE = 1 / 4  # of the time for one answer: how long it may take on the short way
_FIRST_PAUSE = 1.0  # seconds between two looks; grows by half each time
_LONGEST_PAUSE = 15.0


def check(
    targets: Iterable[Target],
    lookup: Lookup,
    *,
    recursive: bool = False,
    thorough: bool = False,
    brief: bool = False,
    nameless: bool = False,
    concurrency: int = CONCURRENCY,
) -> Iterator[Report]:
    """A report for each target, as they come in; the order is not that of the targets.

    `recursive`: ask the resolvers for the record as well. `thorough`: look for wildcards, compare the serials and the
    delegation even where nothing seems wrong; a few questions more for each name. `brief`: every report as
    `in_brief` makes it, which is many times faster for what is right. `nameless`: moreover one report may stand for
    others that are right in the same way, which is enough to count them. Raises UsageError for a malformed name server.
    """
    resolution = Resolution(resolvers(lookup), lookup.port)
    judge = CachedJudge()
    engine = Engine(lookup.timeout)

    def long_way(target: Target) -> Work[Report]:
        return _one(target, resolution, judge, recursive=recursive, thorough=thorough, brief=brief)

    with closing(engine):
        if not brief or recursive or thorough:
            yield from engine.run(map(long_way, targets), concurrency)
            return
        patience = lookup.timeout * _PATIENCE
        with closing(FastPath(resolution, judge, long_way, patience, nameless=nameless)) as shortcut:
            works = shortcut.works(iter(targets), engine.descriptor, concurrency)
            yield from engine.run(works, concurrency)


async def _one(
    target: Target, resolution: Resolution, judge: CachedJudge, *, recursive: bool, thorough: bool, brief: bool
) -> Report:
    found = await survey(target, resolution, recursive=recursive, thorough=thorough)
    report = conclude(target, found, judge)
    return in_brief(report) if brief else report


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
