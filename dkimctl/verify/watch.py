"""`--watch`: recheck until everything is right or the time is over, and report what changes."""

import re
from collections.abc import Iterator, Sequence

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Lookup
from dkimctl.keys.knownbad import weakness
from dkimctl.verify.polling import Polling
from dkimctl.verify.report import Report, Target

_SECONDS = re.compile(r"\d+ s\b")
_PAUSE = 5.0  # seconds between two checks


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
