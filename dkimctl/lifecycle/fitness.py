"""What follows from the facts about one key: whether it may sign, whether it works, how old it is."""

from dkimctl.lifecycle.facts import Facts, KeyFacts, Leak
from dkimctl.lifecycle.policy import Policy


def is_usable(key: KeyFacts) -> bool:
    """Return True when a domain may sign with this key."""
    return key.leak is Leak.NONE and not key.is_revoked


def is_away(key: KeyFacts, facts: Facts) -> bool:
    """Return True when nothing is at its name. What never was there looks so before its empty record is served."""
    record = key.record
    return record.absent is not None and not (record.revoked is not None and record.removed is None and facts.may_write)


def works(key: KeyFacts) -> bool:
    """Return True when mail can be signed with this key now, and verified, as far as was seen."""
    return is_usable(key) and key.is_served and not key.is_lost and not has_failed(key)


def has_failed(key: KeyFacts) -> bool:
    """Return True when a relay never signed rightly with this key, and was seen to fail."""
    return any(relay.failed is not None and relay.since is None for relay in key.relays.values() if relay.is_used)


def old_at(key: KeyFacts, policy: Policy) -> int:
    """Return when a key is old."""
    if key.since is not None and key.is_ours:
        return old_since(key.created, key.since, policy)
    old = key.created + policy.rotate_after
    return old if key.since is None else _spread(old, key.since, policy)


def old_since(created: int, since: int, policy: Policy) -> int:
    """Return when a key of our making is old that has signed since then. Its time as a standby does not count.

    A standby is made right after a switch. If that time counted, it would be due on the day it takes over. No more
    than `rotate_after` of it is left out.
    """
    starts = min(max(created, since), created + policy.rotate_after)
    return _spread(starts + policy.rotate_after, since, policy)


def _spread(old: int, since: int, policy: Policy) -> int:
    """Keys that were old already when a run first saw them sign are not all due at once."""
    return since + policy.overdue_spread if old <= since else old


def must_be_seen_first(used: list[KeyFacts]) -> bool:
    """Return True when a key that signs was never looked up, and nothing is known to be wrong.

    A record of which nothing is known is no lost one: nothing signs in haste because of it.
    """
    return any(key.record.last_seen is None for key in used) and not any(_is_known_bad(key) for key in used)


def _is_known_bad(key: KeyFacts) -> bool:
    return bool(key.leak) or key.is_revoked or key.record.missing is not None or key.is_lost or has_failed(key)


def is_broken(used: list[KeyFacts]) -> bool:
    """Return True when mail is signed with a key that was seen not to work."""
    bad = [key for key in used if not works(key)]
    return bool(bad) and not must_be_seen_first(used)


def was_only_tried(key: KeyFacts) -> bool:
    """Return True for a key that went back wherever a relay switched to it: it is no former key."""
    return all(relay.was_only_tried for relay in key.relays.values() if relay.has_signed)


def is_proven(key: KeyFacts) -> bool:
    """Return True when every relay that signs with it was proven to."""
    return all(relay.proven is not None for relay in key.relays.values() if relay.is_used)


def progress(key: KeyFacts) -> tuple[bool, int, int]:
    """Sort keys that never signed by how far they are: the one that was confirmed first, then the newest."""
    confirmed = key.record.confirmed if key.is_served else None
    return confirmed is None, confirmed or 0, -key.created
