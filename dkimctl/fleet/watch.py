"""A relay that follows its fleet: a pass after each news of the database, and one a minute as a net and a heartbeat."""

from collections.abc import Callable
from threading import Event

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError
from dkimctl.fleet.access import open_fleet
from dkimctl.fleet.admission import own_identity
from dkimctl.fleet.sync import Synced, sync
from dkimctl.keys.store import KeyReader

HEARTBEAT = 60.0
"""Seconds between two passes when nothing is told."""
_FIRST, _LONGEST = 1.0, 60.0
"""Seconds of the first pause after a failure, and of the longest: each is twice the one before."""


def watch(
    settings: Settings,
    store: KeyReader,
    *,
    clock: Clock,
    stop: Event,
    passed: Callable[[Synced], None],
    failed: Callable[[DkimctlError], None],
    heartbeat: float = HEARTBEAT,
) -> None:
    """Do a pass whenever there is news, until `stop` is set. `passed` and `failed` get the end of each pass.

    Nothing ends it: while the database is away, however long, or must be refused, this relay signs with what it has,
    and the next pass finds out whether that is over. Raises UsageError on a host that never joined, and for what the
    configuration has wrong before the first pass; and as `own_identity`.
    """
    own_identity(settings)
    pause, has_passed = _FIRST, False
    while not stop.is_set():
        try:
            with open_fleet(settings) as database:
                database.listen()
                while not stop.is_set():
                    passed(sync(settings, store, database, clock=clock))
                    pause, has_passed = _FIRST, True
                    database.wait_for_news(heartbeat)
        except DkimctlError as error:
            if isinstance(error, UsageError) and not has_passed:
                raise
            failed(error)
        clock.wait(stop, pause)
        pause = min(2 * pause, _LONGEST)
