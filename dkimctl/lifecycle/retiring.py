"""The part of a plan that takes old keys away: the record emptied, removed, and the private key last."""

from dkimctl.lifecycle.facts import HERE, KeyFacts
from dkimctl.lifecycle.fitness import is_away, is_proven, is_usable
from dkimctl.lifecycle.planning import Do, Planning
from dkimctl.lifecycle.policy import DAY


def retire(planning: Planning, key: KeyFacts, used: list[KeyFacts]) -> None:
    """Take a key away that signs no more, one part after the other, each once nothing can need it."""
    if not (key.has_signed or key.leak or key.is_revoked) or not key.is_ours:
        return
    left = key.left
    if key.may_sign:
        signing = [relay for relay in key.relays.values() if relay.may_sign]
        on = f"connections that may still sign with {key.selector}{_where(key)}"
        return planning.wait(Do.REVOKE, key, on, away=all(relay.is_away for relay in signing))
    if not key.leak and not (planning.may_change and _may_take_away(planning, used)):
        return
    record = key.record
    if record.revoked is None and record.gone is None:
        if _is_mail_through(planning, key, left):
            _revoke(planning, key)
    elif record.gone is None:
        planning.do(Do.LOOK, key, "the end of its record must be seen at every address")
    elif not is_away(key, planning.facts) and planning.is_due(record.gone + planning.policy.revoked_for):
        if record.removed is None and planning.facts.may_write:
            planning.go_on(Do.REMOVE, key, "its empty record has been there long enough", is_urgent=bool(key.leak))
        else:
            planning.do(Do.LOOK, key, "the removal of its record must be seen at every address")
    if record.absent is not None and not key.is_purged:
        _purge(planning, key, left)


def _where(key: KeyFacts) -> str:
    """Return on which relays of a fleet a key may still sign."""
    relays = [(name, relay) for name, relay in key.relays.items() if relay.may_sign and name != HERE]
    named = [f"{name} (away)" if relay.is_away else name for name, relay in relays]
    return f", on {', '.join(named)}" if named else ""


def _may_take_away(planning: Planning, used: list[KeyFacts]) -> bool:
    """Return True when the keys that sign are proven."""
    return bool(used) and all(is_proven(key) and _is_settled(planning, key) for key in used)


def _is_settled(planning: Planning, key: KeyFacts) -> bool:
    """Return True for a key that signs and works; a leaked or lost one waits for a slot, so the rest goes on."""
    return (is_usable(key) and key.is_served and not key.is_lost) or (
        bool(key.leak or key.is_lost) and not planning.facts.free_selector
    )


def _is_mail_through(planning: Planning, key: KeyFacts, left: int | None) -> bool:
    """Return True when no message signed with this key can be under way any more, or the key is leaked."""
    if key.leak:
        return True
    if left is None:
        return False
    end = left + planning.policy.keep_after
    queued = planning.facts.oldest_queued
    if queued is not None and queued <= left:  # at most as long again: mail on hold may stay for ever
        end = max(end, min(planning.now + 2 * DAY, left + 2 * planning.policy.keep_after))
    if planning.is_due(end):
        return True
    held = f", such as {planning.facts.queued_as}" if end > left + planning.policy.keep_after else ""
    planning.wait(Do.REVOKE, key, f"mail signed with the key {key.selector} that is under way{held}", end)
    return False


def _revoke(planning: Planning, key: KeyFacts) -> None:
    if planning.facts.may_write:
        planning.go_on(Do.REVOKE, key, "it is leaked" if key.leak else "its mail is through", is_urgent=bool(key.leak))
    else:
        planning.wait(Do.REVOKE, key, f"the record of {key.selector} is to be emptied by hand (p=)", person=True)
        planning.do(Do.LOOK, key, "its record may have been emptied by hand")


def _purge(planning: Planning, key: KeyFacts, left: int | None) -> None:
    record = key.record
    if key.in_slot:  # a slot is free for its next key once no cache holds this one
        is_due = record.absent is not None and planning.is_due(record.absent + record.ttl)
    else:
        end = record.gone if left is None else left  # one that never signed ends with its record
        is_due = bool(key.leak) or (end is not None and planning.is_due(end + planning.policy.private_key_for))
    if is_due:
        planning.go_on(Do.PURGE, key, "nothing needs its private key any more", is_urgent=bool(key.leak))
