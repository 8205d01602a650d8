"""The part of a plan that brings the next key: made, published, seen twice, and switched to."""

from dkimctl.lifecycle.facts import HERE, KeyFacts
from dkimctl.lifecycle.fitness import is_broken, is_usable, must_be_seen_first, old_at, progress, was_only_tried, works
from dkimctl.lifecycle.planning import Do, Planning
from dkimctl.lifecycle.policy import in_window, window_opens


def target_of(planning: Planning, used: list[KeyFacts]) -> KeyFacts | None:
    """Return the key that is to sign next, or that not every relay signs with yet; None when there is none."""
    good = used if must_be_seen_first(used) else [key for key in used if works(key)]
    if good and len(used) > 1:
        return good[-1]
    new = [key for key in planning.keys if _is_new(key, used)]
    if new and (good or any(key.is_served for key in new)):
        return min(new, key=progress)
    if used and not good:  # rather an older key whose record is there than one whose record is not
        older = (key for key in reversed(planning.keys) if not key.is_used and _is_kept(planning, key))
        return next(older, None) or (min(new, key=progress) if new else None)
    return None


def _is_kept(planning: Planning, key: KeyFacts) -> bool:
    """Return True for a key whose record is there and stays: a killed run may have revoked one kept enough."""
    is_held = not _missing(key)  # a person may have deleted its private key
    is_left = key.left is not None and key.left + planning.policy.keep_after <= planning.now
    return is_usable(key) and key.is_served and is_held and not is_left


def _is_new(key: KeyFacts, used: list[KeyFacts]) -> bool:
    """Return True for a key that may be the next one: a switch to it may have failed before."""
    newest = max((key.created for key in used), default=0)
    is_newer = key.created > newest or (key.created == newest and was_only_tried(key))  # in one second: which is?
    may_again = is_newer and any(relay.is_held for relay in key.relays.values())  # its file may have been deleted
    return key.is_ours and not key.is_used and is_usable(key) and (not key.has_signed or may_again)


def make(planning: Planning, used: list[KeyFacts]) -> None:
    """Make the next key when it is wanted: as a standby, when the old one grows old, or in an emergency."""
    if not planning.may_change:
        return
    lead = planning.policy.standby_lead + planning.policy.proof_interval + planning.policy.publication_margin
    wanted = planning.begin or planning.policy.standby or any(key.leak or key.is_lost for key in used)
    if not (wanted or planning.is_due(_grows_old(planning, used) - lead)):
        return
    if planning.facts.free_selector:
        planning.go_on(Do.MAKE, None, "the next key is made ready", is_urgent=is_broken(used))
    else:
        taken = "every slot is taken until an old key's record is gone"
        planning.wait(Do.MAKE, None, taken, planning.facts.slot_free_at)


def prepare(planning: Planning, key: KeyFacts, used: list[KeyFacts]) -> None:
    """Publish the next key, and see it at every address, twice."""
    record = key.record
    if key.is_used:
        return
    if record.missing is None and record.confirmed is not None:
        if planning.is_from_before(record.last_seen):
            planning.do(Do.LOOK, key, "the next key was not looked up for long")
        return
    if record.written is None or record.missing is not None:
        if not planning.may_change:
            return
        if not planning.facts.may_write:
            by_hand, shown = f"the record of {key.selector} is to be published by hand", planning.how_to_add(key)
            planning.wait(Do.PUBLISH, key, by_hand, person=record.seen is None, hint=shown)
        elif planning.may_write_again(key):
            planning.go_on(Do.PUBLISH, key, "the next key's record is published", is_urgent=is_broken(used))
    if not key.is_served or planning.is_due((record.seen or 0) + planning.policy.proof_interval):
        planning.do(Do.LOOK, key, "the next key must be seen at every address, twice")


def switch(planning: Planning, key: KeyFacts, used: list[KeyFacts]) -> None:
    """Switch to this key once it is ready, wanted and just seen; at once where what signs is broken."""
    bad = [old for old in used if not works(old)]
    partly = key.is_used
    if not used or not key.is_served or not (partly or _is_wanted(planning, used, bad)):
        return
    if not bad and not partly:
        if not _is_ready(planning, key):
            return
        if planning.policy.automation == "until-switch" and not planning.begin:
            ready = f"{key.selector} is ready: {planning.begin_command}"
            return planning.wait(Do.SWITCH, key, ready, person=True)
        if not in_window(planning.policy, planning.now):
            opens = window_opens(planning.policy, planning.now)
            return planning.wait(Do.SWITCH, key, "the hours in which a switch may happen", opens)
    if partly and (away := _told_and_away(key, used)):
        return planning.wait(Do.SWITCH, key, f"{', '.join(away)} (away) to sign with {key.selector}", away=True)
    missing = _missing(key)
    if missing:
        return planning.wait(Do.SWITCH, key, f"{', '.join(missing)} must hold {key.selector}", person=False)
    if all(relay.is_away for relay in key.relays.values()):
        return planning.wait(Do.SWITCH, key, f"no relay that holds {key.selector} was heard from lately", person=True)
    tried = max((relay.tried for relay in key.relays.values() if relay.tried is not None), default=None)
    if not (partly or planning.begin) and tried is not None and not planning.is_due(tried + planning.policy.retry):
        return planning.wait(Do.SWITCH, key, _unseen_switch(key), tried + planning.policy.retry)
    if key.record.last_seen is None or key.record.last_seen < planning.now - planning.policy.fresh:
        return planning.do(Do.LOOK, key, "it is looked up right before it signs")
    planning.go_on(Do.SWITCH, key, "its record is at every name server", is_urgent=bool(bad))


def _unseen_switch(key: KeyFacts) -> str:
    """Return what a switch waits for that was not seen to work: this host's failed, and a fleet's takes its time."""
    if HERE in key.relays or any(relay.failed is not None for relay in key.relays.values()):
        return f"the switch to {key.selector} was not seen to work, and is tried again"
    return f"the relays, which were told to sign with {key.selector} and have not confirmed it"


def _missing(key: KeyFacts) -> list[str]:
    """Return the relays that must hold a key before any signs with it; one that is away gets it when it is back."""
    return [name for name, relay in key.relays.items() if not (relay.is_held or relay.is_away)]


def _told_and_away(key: KeyFacts, used: list[KeyFacts]) -> list[str]:
    """Return the relays that sign with another key still, where nobody else lacks this one and all were told of it."""
    if not all(relay.is_used or relay.is_away for relay in key.relays.values()):
        return []
    others = (old.relays.items() for old in used if old.id != key.id)
    late = {name: key.relays.get(name) for relays in others for name, relay in relays if relay.is_used}
    return list(late) if all(one and not one.is_used and one.tried is not None for one in late.values()) else []


def _is_wanted(planning: Planning, used: list[KeyFacts], bad: list[KeyFacts]) -> bool:
    if not planning.may_change and not any(key.leak for key in used):
        return False
    return bool(bad) or planning.begin or planning.is_due(_grows_old(planning, used))


def _grows_old(planning: Planning, used: list[KeyFacts]) -> int:
    """Return when the next key is to take over."""
    return min(old_at(key, planning.policy) for key in used)


def _is_ready(planning: Planning, key: KeyFacts) -> bool:
    confirmed = key.record.confirmed
    if confirmed is None:
        return False
    margin = max(key.record.negative_ttl, planning.policy.publication_margin)
    if planning.is_due(confirmed + margin):
        return True
    caches = f"caches that may remember that {key.selector} does not exist"
    planning.wait(Do.SWITCH, key, caches, confirmed + margin)
    return False
