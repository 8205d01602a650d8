"""The relays of a fleet, for people and for Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from dkimctl.fleet.health import way_on, what_is_wrong
from dkimctl.fleet.membership import Membership
from dkimctl.fleet.overview import FleetStatus, Reason, RelayStatus
from dkimctl.fleet.sync import Caution, Synced
from dkimctl.names import counted
from dkimctl.output.layout import Block, Line, Prose, Table, message
from dkimctl.output.prometheus import head, labels, last_check, unix_time
from dkimctl.output.terminal import Terminal


def show_membership(made: Membership, terminal: Terminal) -> None:
    """Show the state of a relay, and what is next."""
    terminal.show([Line(f"{made.relay}: {made.state}"), Line(f"fingerprint: {made.fingerprint}")])
    if made.state == "pending":
        terminal.note(f"on the control host: dkimctl fleet approve {made.relay} --fingerprint {made.fingerprint}")
        terminal.note("then here, so that it syncs by itself: sudo dkimctl init")
    if made.sealed_anew:
        terminal.show([Line(f"{counted(made.sealed_anew, 'private key')} sealed under a new fleet key")])
    if made.leaked:
        terminal.show([Line(f"{counted(made.leaked, 'key')} marked as leaked, to be replaced by dkimctl rotate")])


def show_synced(done: Synced, terminal: Terminal) -> None:
    """Show what a pass changed, and what did not go as it should."""
    if done.applied is None:
        terminal.message_step(f"{done.relay}: generation {done.generation}, nothing new")
    else:
        proven = len(done.applied.installation.proven)
        proof = f"{proven} proven by a message" if proven else "none proven"
        changed, removed = counted(done.applied.keys, "key"), counted(done.applied.removed, "private key")
        counts = f"{changed} changed, {proof}, {removed} removed"
        terminal.message_step(f"{done.relay}: generation {done.generation}: {counts}")
    for key, why in done.failed.items():
        terminal.warning(f"{key} does not sign, and its domain signs as before: {why}", "see: dkimctl selftest")
    for caution in done.cautions:
        terminal.warning(caution.message, caution.hint)


@dataclass(frozen=True, slots=True)
class ProvenKey:
    """A key that was seen to sign."""

    domain: str
    """Its domain."""
    selector: str
    """Its selector."""


@dataclass(frozen=True, slots=True)
class SyncedValue:
    """A pass as `--json` has it."""

    relay: str
    """The name of this relay."""
    generation: int
    """What this relay's files hold now."""
    confirmed: int
    """What the database was told."""
    keys: int
    """How many keys came in or changed."""
    removed: int
    """How many private keys were removed."""
    proven: tuple[ProvenKey, ...]
    """The keys that were seen to sign in this pass."""
    failed: Mapping[str, str]
    """By `SELECTOR of DOMAIN`, why a key does not sign."""
    cautions: tuple[Caution, ...]
    """What an admin should look at; the pass went on."""


def synced_value(done: Synced) -> SyncedValue:
    """Return a pass as one JSON value."""
    applied = done.applied
    return SyncedValue(
        done.relay,
        done.generation,
        done.confirmed,
        applied.keys if applied else 0,
        applied.removed if applied else 0,
        tuple(ProvenKey(*name) for name in sorted(applied.installation.proven)) if applied else (),
        dict(done.failed),
        done.cautions,
    )


def status_blocks(found: FleetStatus, *, has_findings: bool = False) -> Iterator[Block]:
    """Yield a table of the relays, then the domains. `has_findings`: what is wrong is said elsewhere."""
    if found.relays:
        yield Table(
            ("RELAY", "STATE", "GENERATION", "MISSING", "HEARTBEAT", "LAST PROOF"),
            [_row(relay) for relay in found.relays],
            {},
        )
    daemons = dict.fromkeys(relay.daemon for relay in found.relays if relay.daemon)
    for daemon in daemons:
        yield Prose(f"{', '.join(relay.name for relay in found.relays if relay.daemon == daemon)}: {daemon}")
    for relay in found.relays:
        if not has_findings and (words := relay_problem(relay)):
            yield message(f"{relay.name}: {words}")  # it has a command to be copied
    held = f"{counted(found.domains, 'domain')}, {counted(found.keys, 'key')}"
    waiting = f"{found.due} due, {domains_in(found.waiting)} waiting, {domains_in(found.failed)} failed"
    yield Line(f"generation {found.generation}: {held}; domains: {waiting}")
    for reason in () if has_findings else found.failed:
        yield Prose(f"{counted(reason.domains, 'domain')} failed: {reason.reason}")
    for reason in found.waiting:
        yield Prose(f"{counted(reason.domains, 'domain')} waiting for: {reason.reason}")


def domains_in(reasons: Iterable[Reason]) -> int:
    """Return how many domains have one of these reasons."""
    return sum(reason.domains for reason in reasons)


def _row(relay: RelayStatus) -> tuple[str, ...]:
    times = ((time or "never")[:16].replace("T", " ") for time in (relay.heartbeat, relay.proven))
    return (relay.name, relay.state, str(relay.generation), str(relay.missing), *times)


def relay_problem(relay: RelayStatus) -> str:
    """Return what an admin should do about a relay, in words; nothing where all is right."""
    wrong = what_is_wrong(relay)
    return f"{wrong}; {way_on(relay)}" if wrong else ""


def prometheus_lines(found: FleetStatus, now: datetime) -> Iterator[str]:
    """Yield metrics in the text format, for the textfile collector of node_exporter."""
    for name, text, value in (
        ("generation", "The fleet's generation; it only rises.", found.generation),
        ("domains", "Domains in the fleet.", found.domains),
        ("domains_due", "Domains that are due for rotate.", found.due),
        ("domains_waiting", "Domains that wait for something.", domains_in(found.waiting)),
        ("domains_failed", "Domains whose last check failed.", domains_in(found.failed)),
        ("keys", "Keys in the fleet.", found.keys),
    ):
        yield head(f"dkimctl_fleet_{name}", text) + f"dkimctl_fleet_{name} {value}\n"
    yield from _of_relays("relay_info", "The state of a relay; always 1.", found, lambda _: 1, state=True)
    yield from _of_relays(
        "relay_generation", "The last generation that it has confirmed.", found, lambda one: one.generation
    )
    yield from _of_relays(
        "relay_missing_generations", "Generations it has not confirmed.", found, lambda one: one.missing
    )
    yield from _of_relays("relay_alive", "1 within 10 minutes of a heartbeat.", found, lambda one: int(one.is_alive))
    yield from _of_relays("relay_problem", "1 when its last sync failed.", found, lambda one: int(bool(one.problem)))
    yield from _of_relays(
        "relay_clock_ahead_seconds",
        "Seconds by which its clock is ahead of the database's.",
        found,
        lambda one: one.clock_ahead,
    )
    yield from _of_relays(
        "relay_heartbeat_timestamp_seconds", "Time of the last heartbeat.", found, lambda one: unix_time(one.heartbeat)
    )
    yield from _of_relays(
        "relay_proven_timestamp_seconds", "Time of its last proof.", found, lambda one: unix_time(one.proven)
    )
    yield last_check("dkimctl_fleet_last_check_timestamp_seconds", now)


def _of_relays(
    name: str, text: str, found: FleetStatus, value: Callable[[RelayStatus], int | None], *, state: bool = False
) -> Iterator[str]:
    yield head(f"dkimctl_fleet_{name}", text)
    for relay in found.relays:
        if (number := value(relay)) is not None:
            own = labels(relay=relay.name, state=relay.state) if state else labels(relay=relay.name)
            yield f"dkimctl_fleet_{name}{own} {number}\n"
