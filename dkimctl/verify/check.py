"""Check any number of key records."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from dkimctl.config.settings import Lookup
from dkimctl.dns.asking import asker_for
from dkimctl.dns.endpoints import resolvers
from dkimctl.dns.engine import Engine
from dkimctl.dns.questions import Work
from dkimctl.dns.resolve import Resolution
from dkimctl.keys.knownbad import weakness
from dkimctl.verify.conclusion.conclude import Judge, conclude
from dkimctl.verify.judge import Judgement, Weakness, judge
from dkimctl.verify.lookup.survey import survey
from dkimctl.verify.report import Report, Target, Verdict, in_brief

CONCURRENCY = 512
"""Names under way at most: for servers far away; near ones get fewer at a time."""
_PATIENCE = 1 / 4  # of the time for one answer: how long the fast path waits for it


def check(
    targets: Iterable[Target],
    lookup: Lookup,
    *,
    recursive: bool = False,
    thorough: bool = False,
    brief: bool = False,
    nameless: bool = False,
    concurrency: int = CONCURRENCY,
    weak: Weakness = weakness,
) -> Iterator[Report]:
    """Yield a report for each target as they are found; the order is not that of the targets.

    `recursive`: ask the resolvers for the record as well. `thorough`: look for wildcards, compare the serials and the
    delegation even where nothing seems wrong; a few questions more for each name. `brief`: every report as
    `in_brief` makes it, which is many times faster for right records. `nameless`: moreover one report may be yielded in
    place of others that are right in the same way, which is enough to count them. `weak`: why others can sign with a
    key, if they can; `not_looked_for` where that takes too long or must decide nothing.

    Raises UsageError for a malformed name server.
    """
    resolution = Resolution(resolvers(lookup), lookup.port, are_chosen=len(lookup.nameservers) > 1)
    asker, source = asker_for(targets, lookup.timeout)

    def in_full(text: str, target: Target) -> Judgement:
        return judge(text, target, weak)

    def long_way(target: Target, by: Judge = in_full) -> Work[Report]:
        return _one(target, resolution, by, recursive=recursive, thorough=thorough, brief=brief)

    with closing(asker):
        if isinstance(asker, Engine) and brief and not (recursive or thorough):
            patience = _PATIENCE * lookup.timeout
            yield from _many(source, resolution, asker, long_way, patience, concurrency, weak, nameless=nameless)
        else:
            yield from asker.run(map(long_way, source), concurrency)


async def _one(
    target: Target, resolution: Resolution, judge: Judge, *, recursive: bool, thorough: bool, brief: bool
) -> Report:
    if target.unread is not None:
        return Report(target, target.domain, "", target.owner, Verdict.UNKNOWN, (target.unread,))
    found = await survey(target, resolution, recursive=recursive, thorough=thorough)
    report = conclude(target, found, judge)
    return in_brief(report) if brief else report


def _many(
    targets: Iterator[Target],
    resolution: Resolution,
    engine: Engine,
    long_way: Callable[[Target, Judge], Work[Report]],
    patience: float,
    concurrency: int,
    weak: Weakness,
    *,
    nameless: bool,
) -> Iterator[Report]:
    """A long list: the fast path first, and the long way for what it leaves."""
    from dkimctl.verify.bulk.cachedjudge import CachedJudge
    from dkimctl.verify.bulk.fastpath import FastPath

    cached = CachedJudge(weak)
    path = FastPath(
        resolution, cached, lambda target: long_way(target, cached), patience, engine.dead_servers, nameless=nameless
    )
    with closing(path):
        yield from engine.run(path.works(targets, engine.descriptor, concurrency), concurrency)
