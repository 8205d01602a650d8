"""The calendar of the rotations to come: what is due now, and what each key waits for, domain by domain."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.facts import Facts, KeyFacts
from dkimctl.lifecycle.fitness import was_only_tried
from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.plan import Do, Plan, old_at
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.preview import preview
from dkimctl.lifecycle.relays import Relays

TAKES_OVER = "the next key takes over"


@dataclass(frozen=True, slots=True)
class Appointment:
    """One step to come."""

    at: str
    """RFC 3339, UTC; a step that is due is dated now."""
    domain: str
    selector: str
    step: str
    is_due: bool
    do: Do | None = None
    """The kind of the step; of a wait, of the step that comes after it."""


def calendar(
    settings: Settings,
    store: LifecycleStore,
    domains: Iterable[str],
    clock: Clock,
    unread: Callable[[DkimctlError], None] = lambda _: None,
    relays: Relays | None = None,
) -> tuple[Appointment, ...]:
    """Return the steps to come, earliest first; nothing is done. What cannot be read is a step, and for `unread`.

    `relays`: those of a fleet, where they sign and this host does not.
    """
    found: list[Appointment] = []
    now = instant(clock.now())
    machine = read_machine(settings, now, relays)
    if machine.clock_problem:
        why = f"waits: {machine.clock_problem}: nothing is changed"
        found.append(Appointment(at_text(now), "", "", why, is_due=False))
    for domain in domains:
        try:
            gathered, policy, planned = preview(settings, store, domain, machine, clock)
        except DkimctlError as error:
            unread(error)
            found.append(Appointment(at_text(now), domain, "", error.message, is_due=True))
            continue
        found += _due(domain, gathered.facts, _of_this_host(planned, machine), now)
        if not gathered.is_deleted:
            found += _to_come(domain, gathered.facts, policy, now)
    return tuple(sorted(found, key=lambda one: (one.at, one.domain, one.selector)))


def _of_this_host(planned: Plan, machine: Machine) -> Plan:
    """Return a plan without what each relay of a fleet does by itself."""
    if machine.relays is None:
        return planned
    return planned._replace(actions=tuple(action for action in planned.actions if action.do is not Do.PROVE))


def _due(domain: str, facts: Facts, planned: Plan, now: int) -> Iterable[Appointment]:
    selectors = {key.id: key.selector for key in facts.keys}
    for action in planned.actions:
        selector = selectors.get(action.key, "")
        yield Appointment(at_text(now), domain, selector, f"{action.do}: {action.why}", is_due=True, do=action.do)
    for wait in planned.waits:
        at = at_text(wait.until or now)
        yield Appointment(at, domain, selectors.get(wait.key, ""), f"waits: {wait.on}", is_due=False, do=wait.do)


def _to_come(domain: str, facts: Facts, policy: Policy, now: int) -> Iterable[Appointment]:
    for key in facts.keys:
        for at, do, step in steps_to_come(key, facts, policy):
            if at > now:
                yield Appointment(at_text(at), domain, key.selector, step, is_due=False, do=do)


def steps_to_come(key: KeyFacts, facts: Facts, policy: Policy) -> Iterator[tuple[int, Do, str]]:
    """Yield the steps of a key that come by themselves: when, which, and what it means; past ones among them."""
    if (facts.is_held or policy.automation == "off") and not key.leak:
        return
    if key.is_used:
        yield old_at(key, policy), Do.SWITCH, TAKES_OVER
    left = key.left
    if left is not None and key.is_ours and not was_only_tried(key):
        record = key.record
        if record.revoked is None:
            yield left + policy.keep_after, Do.REVOKE, "its record is emptied (p=)"
        gone = record.gone or left + policy.keep_after
        yield gone + policy.revoked_for, Do.REMOVE, "its record is removed"
        purged = max(gone + policy.revoked_for, left + policy.private_key_for)
        yield purged, Do.PURGE, "its private key is removed"
