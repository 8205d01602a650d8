"""`rotate` on a control host: a worker claims what is due, does it, and gives it back with its next due time."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.fleet.control_keys import fleet_keys
from dkimctl.fleet.queue import Claim, Worker
from dkimctl.keys.store import refuse_keyless
from dkimctl.lifecycle.due import Report
from dkimctl.lifecycle.rotate import rotate_shared
from dkimctl.lifecycle.steps import Rotated

AT_ONCE = 200
"""Domains that are claimed together: other workers get the next ones."""
_LATEST = timedelta(days=1)
"""A domain is looked at this often whatever its plan says: no row shows that settings changed."""
SOON = timedelta(minutes=5)
"""When a domain is looked at again that waits for relays, or whose step failed."""


def rotate_fleet(
    settings: Settings,
    domains: Sequence[str],
    *,
    clock: Clock,
    begin: Collection[str] = (),
    single: bool = False,
    report: Report = lambda _: None,
) -> Rotated:
    """Do what is due of a fleet's domains: of these, or of all when none is named. Any number of runs may share it.

    Raises as `access.control` and `lifecycle.rotate.rotate`; UsageError for a named domain without a key.
    """
    with fleet_keys(settings) as (database, store, relays):
        refuse_keyless(store, domains)
        worker, now, held = Worker(database), clock.now(), dict[str, Claim]()

        def batches() -> Iterator[list[str]]:
            named = list(domains)
            while claims := worker.claim_named(named) if named else worker.claim(now, AT_ONCE):
                held.update((claim.domain, claim) for claim in claims)
                yield [claim.domain for claim in claims]
                if named:
                    return

        def ended(domain: str, due: int | None, failed: str, waits: str) -> None:
            latest = clock.now() + (SOON if failed or due is None else _LATEST)
            at = latest if due is None else min(latest, datetime.fromtimestamp(due, UTC))
            worker.release(held.pop(domain), at, clock.now(), failed, waits)

        return rotate_shared(
            settings,
            store,
            relays,
            batches(),
            clock=clock,
            begin=begin,
            single=single,
            report=report,
            ended=ended,
        )
