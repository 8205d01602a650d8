"""What `doctor` says of a fleet: on its control host of database, keys and relays; on a relay of how it follows."""

from collections.abc import Iterator
from datetime import datetime

from dkimctl.catalogue import fleet as c
from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DkimctlError, Unavailable, shell_word
from dkimctl.findings import Finding, Severity, finding
from dkimctl.fleet.access import control
from dkimctl.fleet.overview import FleetStatus, RelayStatus, look
from dkimctl.fleet.relay_rows import ALIVE
from dkimctl.fleet.role import is_control, is_relay
from dkimctl.fleet.state import read_state
from dkimctl.names import counted

_FLEET = "the fleet"


def fleet_findings(settings: Settings, clock: Clock) -> tuple[Finding, ...]:
    """Return what is to be said of the fleet that this host belongs to; nothing where it is in none. Raises nothing."""
    try:
        if is_control(settings):
            with control(settings) as (database, _):
                return tuple(findings_of(look(database)))
        if is_relay(settings):
            return tuple(_of_relay(settings, clock.now()))
    except DkimctlError as error:
        entry = c.UNREACHED if isinstance(error, Unavailable) else c.UNUSABLE
        return (finding(entry, _FLEET, error.message, fix=error.hint),)
    return ()


def findings_of(fleet: FleetStatus) -> Iterator[Finding]:
    """Yield what is to be said of a fleet's relays and domains."""
    for relay in fleet.relays:
        if relay.is_wrong:
            yield finding(c.RELAY_WRONG, relay.name, what_is_wrong(relay), fix=way_on(relay))
        elif relay.state == "pending":
            yield finding(c.RELAY_WAITS, relay.name, what_is_wrong(relay), fix=way_on(relay))
    for reason in fleet.failed:
        yield finding(
            c.DOMAINS_FAIL, _FLEET, f"{reason.domains} of {counted(fleet.domains, 'domain')}: {reason.reason}"
        )
    if not any(relay.is_wrong for relay in fleet.relays):
        serving = sum(relay.is_in_service for relay in fleet.relays)
        held = f"{counted(fleet.domains, 'domain')}, {counted(fleet.keys, 'key')}"
        seen = f"{held}, {counted(serving, 'relay')} in service"
        yield finding(c.RIGHT, _FLEET, seen)


def problems_of(fleet: FleetStatus) -> tuple[Finding, ...]:
    """Return what is wrong with a fleet's relays and domains; nothing where all is right."""
    return tuple(one for one in findings_of(fleet) if one.severity is not Severity.OK)


def what_is_wrong(relay: RelayStatus) -> str:
    """Return what keeps a relay from its work, in words; nothing where all is right."""
    words = []
    if relay.state == "pending":
        words.append("it waits for its approval")
    if relay.is_in_service and not relay.is_alive:
        since = relay.heartbeat or "it was approved"
        words.append(f"silent since {since}: keys are switched without it, and no old key ends before it is back")
    if relay.is_in_service and relay.problem:
        words.append(relay.problem)
    if relay.is_in_service and relay.is_clock_wrong:
        words.append(f"its clock is {relay.clock_ahead:+} seconds off the database's")
    return "; ".join(words)


def way_on(relay: RelayStatus) -> str:
    """Return what to do about a relay with which something is wrong. A fingerprint is for people to compare."""
    if relay.state == "pending":
        return f"dkimctl fleet approve {shell_word(relay.name)}  # shows the fingerprint to compare"
    if relay.is_alive:
        return "sudo dkimctl fleet sync  # on that relay: says what to do"
    return f"start it; if it takes no mail: dkimctl fleet drain {shell_word(relay.name)}"


def _of_relay(settings: Settings, now: datetime) -> Iterator[Finding]:
    state = read_state(settings)
    if state is None or not state.synced:
        yield finding(c.NOT_SYNCED, _FLEET, "it has joined, and no sync was ever done")
        return
    try:
        silent = (now - datetime.fromisoformat(state.synced)).total_seconds()
    except (ValueError, TypeError) as error:
        raise CheckFailed("the time of the last sync is not written as one", hint="dkimctl fleet sync") from error
    if abs(silent) > ALIVE:
        yield finding(c.NOT_SYNCED, _FLEET, f"the last sync was at {state.synced}, generation {state.generation}")
