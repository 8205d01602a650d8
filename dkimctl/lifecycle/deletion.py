"""What a deleted key, or all of a deleted domain, waits for before its record and its private key go."""

from dkimctl.config.settings import Settings
from dkimctl.lifecycle.facts import KeyFacts
from dkimctl.lifecycle.gather import Gathered, Machine
from dkimctl.lifecycle.plan import Action, Do, Plan, Wait
from dkimctl.lifecycle.planning import AFTER_A_GAP
from dkimctl.lifecycle.policy import CARE, policy_for

IS_DELETED = "the domain is deleted"


def needed_until(
    settings: Settings, domain: str, machine: Machine, key: KeyFacts, now: int, *, under_way: bool = False
) -> Wait | None:
    """Return what a key waits for before it may be taken away; None when nothing needs it.

    `under_way`: the mail that was signed with it does not count.
    """
    if not key.has_signed:
        return None
    mail = f"mail signed with the key {key.selector} that is under way"
    if key.left is None:
        on = f"{mail}, once it signs no more" if key.is_used else f"connections that may still sign with {key.selector}"
        return Wait(on, do=Do.REMOVE, key=key.id)
    if under_way or key.record.gone is not None:  # with its record revoked no mail of it verifies any more
        return None
    keep = policy_for(settings, domain, queue_lifetime=machine.queue_lifetime).keep_after
    ends = [key.left + keep]
    queued = machine.oldest_queued
    if queued is not None and queued <= key.left:  # at most as long again: mail on hold stays for ever
        ends.append(min(now + 1, key.left + 2 * keep))
    if max(ends) > now:
        return Wait(mail, max(ends), do=Do.REMOVE, key=key.id)
    care = 0 if machine.returned is None else machine.returned + CARE
    return Wait(AFTER_A_GAP, care, do=Do.REMOVE, key=key.id) if care > now else None


def deletion_plan(settings: Settings, found: Gathered, machine: Machine, now: int) -> Plan:
    """Return what `rotate` does for a deleted domain: each key goes once nothing needs it."""
    domain = found.facts.domain
    held = {key.id: needed_until(settings, domain, machine, key, now) for key in found.facts.keys}
    waits = tuple(wait for wait in held.values() if wait is not None)
    actions = [Action(Do.REMOVE, k.algorithm, k.id, IS_DELETED) for k in found.facts.keys if held[k.id] is None]
    return Plan(tuple(actions), min((wait.until for wait in waits if wait.until), default=None), waits)
