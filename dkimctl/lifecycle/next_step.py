"""The next step in the life of a domain's keys, as `rotate` plans it: when it comes, and what it waits for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from dkimctl.config.settings import Settings
from dkimctl.errors import shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key
from dkimctl.lifecycle.calendar import TAKES_OVER, steps_to_come
from dkimctl.lifecycle.facts import Facts, KeyFacts
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.notes import HERE, at_text, instant, read_on_relay
from dkimctl.lifecycle.plan import Do, Plan, old_at
from dkimctl.lifecycle.policy import Policy, policy_for


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step of one domain."""

    domain: str
    selector: str
    """The key that it is for: of a switch that is far off the one that signs now. Empty for a key to be made."""
    step: Do | None
    """None while nothing changes by itself: the domain is held, or its automation is off."""
    at: str | None
    """RFC 3339, UTC; None where nobody knows, and for a step that is due: the next run of `rotate` does it."""
    is_due: bool
    reason: str
    """Why it is due, or what it means."""
    waits_for: str = ""
    """What it waits for; empty when it only waits for its time."""
    needs_person: bool = False
    """True when nothing goes on before somebody acts."""


def next_step(domain: str, found: Gathered, policy: Policy, planned: Plan, now: int) -> NextStep | None:
    """Return the next step of a domain as planned; None where no key signs yet, or no step is to come.

    First what waits for a person, then what is due, then what waits for an event, then the earliest in time. Looks and
    proofs of the keys that sign are routine, and no steps.
    """
    facts = found.facts
    if not any(key.is_used for key in facts.keys):
        return None
    selectors = {key.id: key.selector for key in facts.keys}
    waits = list(_waits(domain, planned, selectors))
    first = [wait for wait in waits if wait.needs_person] or list(_due(domain, facts, planned))
    first = first or [wait for wait in waits if wait.at is None]
    if first:
        return first[0]
    named = {(wait.selector, wait.step) for wait in waits}
    to_come = [one for one in _to_come(domain, facts, policy, now) if (one.selector, one.step) not in named]
    return min((*waits, *to_come), key=lambda one: one.at or "", default=None) or _held(domain, facts, policy)


def _waits(domain: str, planned: Plan, selectors: Mapping[str, str]) -> Iterator[NextStep]:
    for wait in planned.waits:
        at = None if wait.until is None else at_text(wait.until)
        selector = selectors.get(wait.key, "")
        yield NextStep(domain, selector, wait.do, at, False, "", wait.on, wait.needs_person)


def _due(domain: str, facts: Facts, planned: Plan) -> Iterator[NextStep]:
    keys = {key.id: key for key in facts.keys}
    for action in planned.actions:
        key = keys.get(action.key)
        if not (key and key.is_used and action.do in (Do.LOOK, Do.PROVE)):
            yield NextStep(domain, key.selector if key else "", action.do, None, True, action.why)


def _to_come(domain: str, facts: Facts, policy: Policy, now: int) -> Iterator[NextStep]:
    for key in facts.keys:
        for at, do, why in steps_to_come(key, facts, policy):
            if at > now:
                yield NextStep(domain, key.selector, do, at_text(at), False, why)


def _held(domain: str, facts: Facts, policy: Policy) -> NextStep | None:
    if not (facts.is_held or policy.automation == "off"):
        return None
    reason = "held" if facts.is_held else "automation is off"
    return NextStep(domain, "", None, None, False, reason, f"dkimctl resume {shell_word(domain)}")


_SERVED = frozenset(("seen", "confirmed"))
_ENDING = frozenset(("missing", "revoked", "gone", "removed", "absent"))


def step_at_rest(settings: Settings, domain: str, keys: tuple[Key, ...], used: Key, now: int) -> NextStep | None:
    """Return the next step of a domain at rest, without a plan: there may be 100,000. None for one to be planned.

    At rest: nothing is noted of the domain, one key signs and is right, and another one is on standby; the next step is
    the switch, at the time that `plan` has it. Raises CheckFailed for damaged facts.
    """
    others = [key for key in keys if key is not used]
    if len(others) != 1 or not (_is_right(used) and _signs(used) and _is_standby(others[0], used)):
        return None
    policy = policy_for(settings, domain)
    if not policy.standby or policy.automation == "off":
        return None
    at = old_at(_as_used(used, now), policy)
    return NextStep(domain, used.selector, Do.SWITCH, at_text(at), False, TAKES_OVER) if at > now else None


def _as_used(key: Key, now: int) -> KeyFacts:
    """Return what `old_at` needs of a key that signs. Raises CheckFailed for a damaged instant."""
    try:
        created = min(instant(datetime.fromisoformat(key.metadata.created)), now)
    except ValueError:
        created = now
    relay = read_on_relay(key.metadata, now)
    return KeyFacts("", key.selector, key.metadata.algorithm, created, relays={HERE: relay})


def _is_right(key: Key) -> bool:
    """Return True for a key of our making whose record is served and stays."""
    known = key.metadata
    record = known.facts.get("record")
    if type(record) is not dict or known.path or "leak" in known.facts or not known.history:
        return False
    is_ours = known.history[0].phase is Phase.GENERATED
    return is_ours and record.keys() >= _SERVED and record.keys().isdisjoint(_ENDING)


def _signs(key: Key) -> bool:
    """Return True when a proven switch to the key is noted, and no failure since."""
    noted = key.metadata.facts.get("signing")
    return type(noted) is dict and "since" in noted and "failed" not in noted


def _is_standby(key: Key, used: Key) -> bool:
    never_signed = "signing" not in key.metadata.facts and key.phase is Phase.VERIFIED
    return never_signed and key.metadata.algorithm == used.metadata.algorithm and _is_right(key)
