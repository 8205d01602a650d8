"""`delete` on a control host: a key, or a whole domain, that no worker has meanwhile."""

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import RUN_AGAIN, Unavailable
from dkimctl.fleet.control_keys import fleet_keys
from dkimctl.fleet.queue import Worker
from dkimctl.lifecycle.deletable import UNUSED_ONLY, Consent
from dkimctl.lifecycle.delete import delete
from dkimctl.lifecycle.due import Report
from dkimctl.lifecycle.steps import RotationStep


def delete_from_fleet(
    settings: Settings,
    domain: str,
    selector: str | None = None,
    *,
    consent: Consent = UNUSED_ONLY,
    dry_run: bool = False,
    clock: Clock,
    report: Report = lambda _: None,
) -> tuple[RotationStep, ...]:
    """Delete a fleet's key, or all of a domain, as `lifecycle.delete`.

    The relays are told first to sign with it no more; each confirms that with its next sync. What has to wait for that,
    or for mail that is under way, `rotate` takes away in its time. Raises as `lifecycle.delete`, as `access.control`,
    and Unavailable where a worker is at the domain.
    """
    with fleet_keys(settings) as (database, store, relays):
        worker = Worker(database)
        claims = [] if dry_run else worker.claim_named([domain])
        if not (dry_run or claims) and domain in store.names():
            raise Unavailable(f"another run of dkimctl is at {domain}", hint=RUN_AGAIN)
        try:
            return delete(
                settings,
                store,
                domain,
                selector,
                consent=consent,
                dry_run=dry_run,
                clock=clock,
                report=report,
                relays=relays,
            )
        finally:
            for claim in claims:
                worker.release(claim, clock.now(), clock.now())
