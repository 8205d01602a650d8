"""The part of a plan that watches: the keys that sign, and the records that must be there."""

from collections.abc import Iterator

from dkimctl.lifecycle.facts import KeyFacts, KeyOnRelay, Leak
from dkimctl.lifecycle.fitness import is_usable, must_be_seen_first, old_at
from dkimctl.lifecycle.planning import Do, Planning
from dkimctl.lifecycle.policy import Policy


def watch(planning: Planning, key: KeyFacts) -> None:
    """Look at DNS and at a signature when that is due: after a switch, and every `check_every`."""
    if key.is_lost:
        return
    last = key.record.last_seen
    if last is None or not key.is_served or planning.is_due(last + planning.policy.check_every):
        planning.do(Do.LOOK, key, "it signs, and its record is looked up regularly")
    elif planning.is_from_before(last):
        planning.do(Do.LOOK, key, "it signs, and was not looked up for long")
    elif _is_check_due(planning, key, last):
        planning.do(Do.LOOK, key, "a check after the switch is due")
    if is_usable(key) and any(_is_proof_due(planning, key, relay) for relay in key.relays.values()):
        planning.do(Do.PROVE, key, "a signature is to be proven")


def _is_proof_due(planning: Planning, key: KeyFacts, relay: KeyOnRelay) -> bool:
    if not relay.is_used or relay.is_away:
        return False
    return relay.proven is None or planning.is_from_before(relay.proven) or _is_check_due(planning, key, relay.proven)


def _is_check_due(planning: Planning, key: KeyFacts, last: int) -> bool:
    for relay in key.relays.values():
        if (
            relay.is_used
            and relay.since is not None
            and any(planning.is_due(at) for at in checks_to_come(planning.policy, relay.since, last))
        ):
            return True
    return False


def checks_to_come(policy: Policy, since: int, last: int) -> list[int]:
    """Return when a key that has signed since then is checked after its switch; `last`: when it was checked last."""
    return [since + after for after in policy.checks_after_switch if last < since + after]


def tell_overdue(planning: Planning, key: KeyFacts) -> None:
    """Tell a person of a key that should have been replaced long ago, whatever keeps it."""
    if must_be_seen_first([key]):  # old keys that the first run meets are spread
        return
    if planning.is_due(old_at(key, planning.policy) + planning.policy.told_after):
        overdue = f"{key.selector} still signs and is overdue: {planning.begin_command}"
        planning.wait(Do.SWITCH, None, overdue, person=True)


def kept_keys(planning: Planning) -> Iterator[KeyFacts]:
    """Yield the keys whose record must be served: those that sign, and those whose mail is under way."""
    for key in planning.keys:
        if key.has_signed and not key.is_revoked and key.leak is Leak.NONE:
            yield key


def restore(planning: Planning, key: KeyFacts) -> None:
    """Put back a record that vanished."""
    if key.record.missing is None or key.is_lost:
        return
    if not key.is_used:
        planning.do(Do.LOOK, key, "mail signed with it is under way, and its record was missing")
    if not key.is_ours:
        planning.wait(Do.PUBLISH, key, f"the record of {key.selector} is missing, and was not made here", person=True)
    elif not planning.may_change or not planning.facts.may_write:
        missing, shown = f"the record of {key.selector} is missing: publish it", planning.how_to_add(key)
        planning.wait(Do.PUBLISH, key, missing, person=True, hint=shown)
    elif planning.may_write_again(key):
        planning.do(Do.PUBLISH, key, "mail is signed with it, and its record is missing")
