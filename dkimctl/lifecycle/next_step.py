"""The next step in the life of a domain's keys, as `rotate` plans it: when it comes, and what it waits for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dkimctl.errors import shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, Life
from dkimctl.lifecycle.at_rest import Rest
from dkimctl.lifecycle.calendar import TAKES_OVER, steps_to_come
from dkimctl.lifecycle.deletion import IS_DELETED
from dkimctl.lifecycle.facts import Facts, KeyFacts
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.lost import way_out, why_damaged, why_lost
from dkimctl.lifecycle.notes import at_text
from dkimctl.lifecycle.plan import Do, Plan
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.troubles import StepName, Trouble
from dkimctl.signers.base import Names


@dataclass(slots=True, unsafe_hash=True)  # as KeyStatus
class NextStep:
    """The next step of one domain."""

    domain: str
    selector: str
    """The key that it is for: of a switch that is far off the one that signs now. Empty for a key to be made."""
    step: Do | None
    """None while nothing changes by itself: the domain is held, its automation is off, or a private key is gone."""
    at: str | None
    """RFC 3339, UTC; None where nobody knows, and for a step that is due: the next run of `rotate` does it."""
    is_due: bool
    reason: str
    """Why it is due, or what it means."""
    waits_for: str = ""
    """What it waits for; empty when it only waits for its time."""
    needs_person: bool = False
    """True when nothing goes on before a person acts."""


def next_steps(
    domain: str, found: Gathered, policy: Policy, planned: Plan, now: int, troubles: Mapping[StepName, Trouble]
) -> tuple[NextStep, ...]:
    """Return the next step of a domain as planned, then what else it waits for; none where no key signs yet.

    First what waits for a person, then what did not succeed (`troubles`), then what is due, then what waits for an
    event, then the earliest in time. Looks and proofs of the keys that sign are routine, and no steps while they
    succeed.
    """
    facts = found.facts
    if not (found.is_deleted or any(key.is_used for key in facts.keys)):
        return ()
    selectors = {key.id: key.selector for key in facts.keys}
    due = list(_due(domain, facts, planned, troubles))
    waits = list(_waits(domain, planned, selectors, IS_DELETED if found.is_deleted else ""))
    due, waits = ([_troubled(step, troubles, now) for step in steps] for steps in (due, waits))
    tried = [step for step in (*due, *waits) if _name(step) in troubles]
    by_person = [step for step in (*waits, *tried) if step.needs_person]
    first = (*by_person, *tried, *due, *(wait for wait in waits if wait.at is None))
    later = sorted((wait for wait in waits if wait.at is not None), key=lambda one: one.at or "")
    if not first and not found.is_deleted:
        named = {_name(wait) for wait in waits}
        to_come = (one for one in _to_come(domain, facts, policy, now) if _name(one) not in named)
        earliest = min((*later, *to_come), key=lambda one: one.at or "", default=None) or _held(domain, facts, policy)
        first = (earliest,) if earliest else ()
    return tuple(dict.fromkeys((*first, *later)))


def _name(step: NextStep) -> tuple[str, str]:
    return str(step.step or ""), step.selector


def _waits(domain: str, planned: Plan, selectors: Mapping[str, str], why: str) -> Iterator[NextStep]:
    for wait in planned.waits:
        at = None if wait.until is None else at_text(wait.until)
        selector = selectors.get(wait.key, "")
        yield NextStep(domain, selector, wait.do, at, False, why, wait.on, wait.needs_person)


def _troubled(step: NextStep, troubles: Mapping[StepName, Trouble], now: int) -> NextStep:
    """Return a step with what was noted of the last attempt at it, if anything was."""
    trouble = troubles.get(_name(step))
    if trouble is None:
        return step
    waits_for = "; ".join(filter(None, (step.waits_for, trouble.text())))
    return replace(step, waits_for=waits_for, needs_person=step.needs_person or trouble.is_for_person(now))


def _due(domain: str, facts: Facts, planned: Plan, troubles: Mapping[StepName, Trouble]) -> Iterator[NextStep]:
    keys = {key.id: key for key in facts.keys}
    for action in planned.actions:
        key = keys.get(action.key)
        is_said = (action.do, key.selector if key else "") in troubles
        if is_said or not (key and _is_routine(action.do, key, is_held=facts.is_held)):
            yield NextStep(domain, key.selector if key else "", action.do, None, True, action.why)


def _is_routine(do: Do, key: KeyFacts, *, is_held: bool) -> bool:
    """Return True for looks and proofs of a key that signs; before the first look nothing is known of it.

    While a domain is held, a look at its next key leads to nothing either.
    """
    was_looked_at = key.record.seen is not None or key.record.missing is not None
    return (key.is_used or is_held) and (do is Do.PROVE or (do is Do.LOOK and was_looked_at))


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


def lost_steps(life: Life, installed: Names, *, is_automatic: bool) -> Iterator[NextStep]:
    """Yield what a person does about keys whose private key is gone: first of one that should sign.

    `is_automatic`: the next run of `rotate` has another key sign.
    """
    lost = [(key, (key.domain, key.selector) in installed) for key in life.lost]
    told = [(key, used) for key, used in lost if used or key.phase is not Phase.ACTIVE]  # `rotate` retires the others
    for key, is_used in sorted(told, key=lambda one: not one[1]):
        why, hint = why_lost(key, is_used=is_used), _way_out(key, life, is_used, is_automatic)
        yield NextStep(key.domain, key.selector, None, None, False, why, hint, needs_person=True)


def unused_steps(domain: str, life: Life) -> Iterator[NextStep]:
    """Yield what a person does about keys that are noted as signing, in a domain of which the signer uses none."""
    for key in life.keys:
        if key.phase is Phase.ACTIVE:
            why = "the signer's tables name no key of this domain, so its mail is not signed"
            hint = f"dkimctl render-config --install; or end it: dkimctl delete {shell_word(domain)}"
            yield NextStep(domain, key.selector, None, None, False, why, hint, needs_person=True)


def damaged_step(key: Key, life: Life, *, is_automatic: bool) -> NextStep:
    """Return what a person does about a key that signs and whose file holds no key any more."""
    hint = _way_out(key, life, True, is_automatic)
    return NextStep(key.domain, key.selector, None, None, False, why_damaged(key), hint, needs_person=True)


def _way_out(key: Key, life: Life, is_used: bool, is_automatic: bool) -> str:
    command = "rotate" if is_automatic else "rotate --now"
    return way_out(key, life.keys, is_used=is_used, command=command)


def switch_to_come(domain: str, rest: Rest) -> NextStep:
    """Return the next step of a domain at rest."""
    return NextStep(domain, rest.selector, Do.SWITCH, at_text(rest.switch), False, TAKES_OVER)
