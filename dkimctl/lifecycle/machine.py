"""What a rotation reads of this machine: the keys in use, open connections, the mail queue, and whether time passed."""

import json
from contextlib import suppress
from datetime import datetime

from dkimctl.clock import timestamp
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.files import caller, make_directory, read_file, settle_directory, write_file
from dkimctl.host.milterconnections import open_connections
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.policy import CARE, DAY
from dkimctl.lifecycle.queue import oldest_queued
from dkimctl.lifecycle.relays import Relays
from dkimctl.postfix.durations import QUEUE_LIFETIME, queue_lifetime
from dkimctl.postfix.postconf import read_settings
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_of

STATE_DIRECTORY = "/var/lib/dkimctl"
STATE = f"{STATE_DIRECTORY}/rotate.json"
_BACKWARDS = 300
"""Seconds by which the clock may be set back without a finding."""
_LONGEST_GAP = 400 * DAY


def read_machine(settings: Settings, now: int, relays: Relays | None = None) -> Machine:
    """Return what is known of this machine once for all domains. `relays`: those of a fleet, which sign instead of it:
    its own tables, connections and queue are then not read.

    Raises DiskError for what cannot be read.
    """
    state = _read_state(settings)
    last = state.get("last_run")
    gap = now - last if last is not None else 0
    returned = min(state["careful_until"] - CARE, now) if "careful_until" in state else None
    looked = relays.due_since() if last is None and relays is not None else last  # this host may be new to its fleet
    is_back = looked is not None and not -_BACKWARDS <= now - looked <= settings.lifecycle.keep_after
    machine = _read_signing(settings) if relays is None else _of_relays(relays)
    return machine._replace(
        returned=now if is_back else returned,
        gap=f"the last run was at {at_text(looked)}" if is_back and looked is not None else "",
        clock_problem=_clock_problem(gap, last),
    )


def _read_signing(settings: Settings) -> Machine:
    """Return what the signer and Postfix of this machine do now."""
    socket = signer_of(settings).listens_at(settings) if settings.is_live else None
    queued = oldest_queued(settings) if settings.is_live else None
    return Machine(
        installed_keys(settings),
        open_connections(socket) if socket else frozenset(),
        oldest_queued=queued.arrival if queued else None,
        queued_as=queued.text if queued else "",
        queue_lifetime=own_queue_lifetime(settings) if settings.is_live else 5 * DAY,
    )


def _of_relays(relays: Relays) -> Machine:
    queue = relays.queue()
    nothing: frozenset[Name] = frozenset()
    return Machine(nothing, frozenset(), queue.oldest, queue.text, queue.lifetime, relays=relays)


def has_daemon(settings: Settings) -> bool:
    """Return True when a daemon may sign with these tables: none belongs to a tree below `--root`."""
    return settings.is_live


def clock_problem(settings: Settings, now: int) -> str:
    """Return why the clock cannot be trusted; empty when it can."""
    last = last_run(settings)
    return _clock_problem(0 if last is None else now - last, last)


def _clock_problem(gap: int, last: int | None) -> str:
    if -_BACKWARDS <= gap <= _LONGEST_GAP or last is None:
        return ""
    before = at_text(last)
    return f"the last run was at {before}, {'after' if gap < 0 else 'more than a year before'} this machine's clock"


def note_run(settings: Settings, machine: Machine, now: datetime) -> None:
    """Note that a run has looked at everything. Raises DiskError."""
    state = {"schema": 1, "last_run": timestamp(now)}
    if machine.returned is not None and machine.returned + CARE > instant(now):
        state["careful_until"] = at_text(machine.returned + CARE)
    make_state_directory(settings)
    write_file(settings.at(STATE), json.dumps(state).encode() + b"\n", mode=0o644, durable=False)


def last_run(settings: Settings) -> int | None:
    """Return when a run last looked at everything; None when none did, or its note is damaged."""
    return _read_state(settings).get("last_run")


def make_state_directory(settings: Settings) -> None:
    """Make the directory of what lasts from run to run, root's own. Raises DiskError, Refused."""
    place = settings.at(STATE_DIRECTORY)
    if not make_directory(place, mode=0o755):
        settle_directory(place, mode=0o755, owner=caller())


def _read_state(settings: Settings) -> dict[str, int]:
    """Return the instants that the last run noted; what is damaged counts as never noted."""
    found: dict[str, int] = {}
    with suppress(ValueError, TypeError, AttributeError, OverflowError):
        for name, text in json.loads(read_file(settings.at(STATE)) or b"{}").items():
            if name != "schema":
                found[name] = instant(datetime.fromisoformat(text))
    return found


def own_queue_lifetime(settings: Settings) -> int:
    """Return for how many seconds Postfix keeps a message; its default where that cannot be read."""
    value = ""
    with suppress(DkimctlError):
        place = settings.at(settings.paths.postfix_directory)
        value = read_settings(place, [QUEUE_LIFETIME], expanded=True).get(QUEUE_LIFETIME, "")
    return queue_lifetime(value)
