"""Looking again until everything is right, or the time is up."""

import re
from collections.abc import Iterator, Sequence

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Lookup
from dkimctl.verify.check import check
from dkimctl.verify.report import Report, Target

_SECONDS = re.compile(r"\d+ s\b")
_PAUSE = 5.0  # seconds between two looks


def watch(
    targets: Sequence[Target], lookup: Lookup, *, recursive: bool, timeout: float, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Report]:
    """The report about each target, and again each time it changes, for at most `timeout` seconds.

    What is right is not asked again. `recursive`: as for `check`. That a cache's seconds run down is no change.
    """
    deadline = clock.monotonic() + timeout
    waiting = {target.owner: target for target in targets}
    known: dict[str, tuple[str, ...]] = {}
    while waiting:
        for report in check(list(waiting.values()), lookup, recursive=recursive):
            state = tuple(f"{f.code} {_SECONDS.sub('', f.seen)}" for f in report.findings)
            if known.get(report.owner) != state:
                known[report.owner] = state
                yield report
            if report.is_right:
                del waiting[report.owner]
        if clock.monotonic() + _PAUSE > deadline:
            return
        if waiting:
            clock.sleep(_PAUSE)
