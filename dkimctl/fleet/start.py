"""Before a relay's signer starts: the database is asked once, briefly, whether a key was revoked meanwhile."""

from dataclasses import replace
from datetime import datetime

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, Refused
from dkimctl.fleet.access import open_fleet
from dkimctl.fleet.admission import own_identity
from dkimctl.fleet.state import read_state
from dkimctl.fleet.sync import CautionKind, Synced, sync
from dkimctl.keys.store import KeyReader

PATIENCE = 3
"""Seconds for the connection, and for each answer."""


def before_start(settings: Settings, store: KeyReader, *, clock: Clock) -> Synced | DkimctlError:
    """Return what one brief pass has brought, or why there was none: the signer then starts with what is here.

    That the signer does not run yet is no caution here.
    Raises Refused where [fleet] max_stale forbids that, and as `own_identity`.
    """
    own_identity(settings)
    try:
        with open_fleet(settings, patience=PATIENCE) as database:
            done = sync(settings, store, database, clock=clock)
            return replace(
                done, cautions=tuple(one for one in done.cautions if one.kind is not CautionKind.NOT_RUNNING)
            )
    except DkimctlError as error:
        _refuse_stale(settings, clock.now(), error)
        return error


def _refuse_stale(settings: Settings, now: datetime, error: DkimctlError) -> None:
    if not settings.fleet.max_stale:
        return
    state = read_state(settings)
    last = state.synced if state else ""
    if last and abs((now - datetime.fromisoformat(last)).total_seconds()) <= settings.fleet.max_stale:
        return
    raise Refused(
        f"the keys of this relay may be out of date: the last sync was {last or 'never'}, and now {error.message}",
        hint="start the signer once the database can be reached; [fleet] max_stale says how long it may be away",
    )
