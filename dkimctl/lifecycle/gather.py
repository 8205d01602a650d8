"""The facts about one domain: what was noted in its keys' metadata, and what is read from this machine just now."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyReader, Life, LifecycleStore
from dkimctl.lifecycle.account import provider_of
from dkimctl.lifecycle.facts import HERE, Facts, KeyFacts, KeyOnRelay
from dkimctl.lifecycle.notes import instant, read_leak, read_on_relay, read_record
from dkimctl.lifecycle.policy import DAY
from dkimctl.lifecycle.relays import Relays
from dkimctl.names import SLOTS
from dkimctl.signers.base import Names


class Machine(NamedTuple):
    """What is read from this machine once for all domains."""

    installed: Names
    """Domain and selector of each key that the installed configuration names."""
    pinned: frozenset[str]
    """The connections and processes that are open now, and may go on with the configuration they began with."""
    oldest_queued: int | None = None
    """When the oldest message in Postfix's queue arrived."""
    queued_as: str = ""
    """What that message is, in words."""
    queue_lifetime: int = 5 * DAY
    """For how many seconds Postfix keeps a message in its queue."""
    returned: int | None = None
    """When a run looked again after a long gap, as in `Facts`: now, where this is that run."""
    gap: str = ""
    """In that run, how long the gap was."""
    clock_problem: str = ""
    """Why the clock cannot be trusted: while there is a reason, nothing is changed."""
    relays: Relays | None = None
    """The relays of a fleet, which sign; None where this host does."""


DELETED = "deleted"
"""The note of a domain that is deleted: since when."""
REPLACED = "replaced"
"""The note of a rotation that was begun: the algorithms whose keys were replaced since."""


class Gathered(NamedTuple):
    """The facts about a domain, with the keys that they are about."""

    facts: Facts
    keys: Mapping[str, Key]
    """By identity."""
    left: Mapping[str, KeyOnRelay]
    """By identity, of keys that the tables do not name any more: what is new about who may still sign with them."""
    ahead: frozenset[str] = frozenset()
    """By identity, the keys with facts that may be dated in the future: noted under a wrong clock."""
    lost: tuple[Key, ...] = ()
    """The published keys whose private key is gone."""
    damaged: tuple[Key, ...] = ()
    """The keys that sign and whose private key file holds no key."""
    begun: frozenset[str] = frozenset()
    """From `rotate --now` until the switch, the algorithms whose keys are to be replaced."""
    is_deleted: bool = False
    """True while keys of a deleted domain wait for their end; a key made later ends that."""
    is_adopted: bool = False
    """True for a domain with a key that was taken over, until a person says that no other host signs with it."""


def gather(
    settings: Settings, store: LifecycleStore, domain: str, machine: Machine, now: int, life: Life | None = None
) -> Gathered:
    """Return the facts about a domain; nothing is noted. `life`: what the store notes of it, where that was just read.

    Raises DiskError or Refused for what cannot be read, CheckFailed for what is damaged: this domain then stops.
    """
    held, lost, notes = life or store.life(domain)
    keys = held if machine.relays else (*held, *(key for key in lost if _has_signed(key, machine)))
    noted = [(key, _on_relay(store, key, machine, now, is_lost=key in lost)) for key in keys]
    damaged = tuple(key for key, relay in noted if relay.is_lost and key not in lost)
    used = [relay for _, relay in noted if relay.is_used]
    is_proven = bool(used) and all(relay.since is not None for relay in used)  # the daemon has read its tables
    in_slots = settings.domain(domain).delegate is not None
    found, facts, left, ahead = {}, [], {}, set()
    on_relays = machine.relays.facts_of(domain) if machine.relays else None
    for key, relay in noted:
        known = _with_left(relay, machine, now) if is_proven else relay
        one = _key_facts(store, key, known, now, in_slot=in_slots)
        if on_relays is not None:
            one = one._replace(relays=on_relays.get(one.id, {}))
        found[one.id] = key
        facts.append(one)
        if now in one.record or now in relay or one.created == now:  # what lies in the future is read as now
            ahead.add(one.id)
        if known != relay:
            left[one.id] = known
    return Gathered(
        Facts(
            domain,
            tuple(sorted(facts, key=lambda one: (one.created, one.id))),
            is_held=notes.get("held") is True or bool(machine.clock_problem),
            may_write=_may_write(settings, domain, keys),
            free_selector=not in_slots or any(s not in {key.selector for key in keys} for s in SLOTS),
            oldest_queued=machine.oldest_queued,
            queued_as=machine.queued_as,
            returned=machine.returned,
        ),
        found,
        left,
        frozenset() if machine.clock_problem else frozenset(ahead),
        lost=lost,
        damaged=damaged,
        begun=_begun(notes, facts),
        is_deleted=is_deleted(keys, notes),
        is_adopted=awaits_confirmation(keys, notes),
    )


def _has_signed(key: Key, machine: Machine) -> bool:
    """Return True for a lost key that is to sign, or did: its record stays for the mail that is under way."""
    is_used = (key.domain, key.selector) in machine.installed
    return bool(key.metadata.public) and (is_used or key.phase is Phase.ACTIVE)


def _is_damaged(store: LifecycleStore, key: Key, relay: KeyOnRelay, now: int) -> bool:
    """Return True for a key that signs and whose file holds no key; it is read when DNS or the signer is asked too."""
    if not relay.is_used or not key.metadata.public:
        return False
    record = read_record(key.metadata, now)
    is_right = record.missing is None and relay.failed is None
    if is_right and record.last_seen is not None and record.last_seen > now - DAY:
        return False
    try:
        store.public(key)
    except CheckFailed:
        return True
    return False


def _begun(notes: Mapping[str, object], keys: list[KeyFacts]) -> frozenset[str]:
    """Return the algorithms that a wish is for, and of which no key was replaced since. Of a leak only the leaked."""
    if notes.get("begun") is None:
        return frozenset()
    leaked = {key.algorithm for key in keys if key.is_used and key.leak}
    replaced = notes.get(REPLACED)
    done = replaced if isinstance(replaced, list) else []
    return frozenset(one for one in leaked or {key.algorithm for key in keys} if one not in done)


def awaits_confirmation(keys: tuple[Key, ...], notes: Mapping[str, object]) -> bool:
    """Return True where a key was taken over, and nobody has said yet that no other host signs with it."""
    return notes.get("held") is None and any(map(_was_taken_over, keys))


def _was_taken_over(key: Key) -> bool:
    """Return True for a key that `adopt` found, elsewhere or in dkimctl's own directory, whose history begins there."""
    known = key.metadata
    return bool(known.path or (known.history and known.history[0].phase is not Phase.GENERATED))


def is_deleted(keys: tuple[Key, ...], notes: Mapping[str, object]) -> bool:
    """Return True while keys of a deleted domain wait for their end; a key made later ends that."""
    since = notes.get(DELETED)
    return since is not None and all(key.metadata.created <= str(since) for key in keys)


def identity(store: KeyReader, key: Key) -> str:
    """Return the identity of a key: a digest of its public half. Raises as `KeyReader.public`."""
    return identity_of(key.metadata.public or store.public(key).base64)


def _on_relay(store: LifecycleStore, key: Key, machine: Machine, now: int, *, is_lost: bool) -> KeyOnRelay:
    """Return what was noted of a key on this host; of version 0.1's keys, whether they have signed.

    In a fleet nothing is asked for it: each relay says by itself what it holds.
    """
    is_used = (key.domain, key.selector) in machine.installed
    is_held = machine.relays is not None or key.phase not in (Phase.RETIRING, Phase.REVOKED) or store.holds(key)
    noted = read_on_relay(key.metadata, now, is_held=is_held, is_used=is_used)
    if "signing" not in key.metadata.facts and key.phase in (Phase.ACTIVE, Phase.RETIRING):
        at = created_at(key, now)
        noted = noted._replace(tried=at, since=None if is_used else at)  # it has signed, and was not only tried
    return noted._replace(is_lost=is_lost or _is_damaged(store, key, noted, now))


def _key_facts(store: LifecycleStore, key: Key, relay: KeyOnRelay, now: int, *, in_slot: bool) -> KeyFacts:
    known = key.metadata
    return KeyFacts(
        identity(store, key),
        key.selector,
        known.algorithm,
        created_at(key, now),
        is_ours=not known.path and bool(known.history) and known.history[0].phase is Phase.GENERATED,
        leak=read_leak(known),
        record=read_record(known, now),
        in_slot=in_slot,
        relays={HERE: relay},
    )


def created_at(key: Key, now: int) -> int:
    """Return the instant when a key was made; an unknown one, or one in the future, counts as now."""
    try:
        return min(instant(datetime.fromisoformat(key.metadata.created)), now)
    except (ValueError, OverflowError):
        return now


def _with_left(relay: KeyOnRelay, machine: Machine, now: int) -> KeyOnRelay:
    """Return the same, or, of a key that the tables do not name any more, with its end."""
    ends = not relay.is_used and relay.has_signed and relay.left is None
    return left_relay(relay, machine, now) if ends else relay


def left_relay(relay: KeyOnRelay, machine: Machine, now: int) -> KeyOnRelay:
    """Return which connections may still sign with a key that the tables do not name, or that none can any more."""
    still = machine.pinned & frozenset(relay.pinned) if relay.pinned else machine.pinned
    tried = relay.tried if relay.was_only_tried else None
    return KeyOnRelay(is_held=relay.is_held, tried=tried, left=None if still else now, pinned=tuple(sorted(still)))


def _may_write(settings: Settings, domain: str, keys: tuple[Key, ...]) -> bool:
    named = provider_of(settings, domain, keys)
    return named is not None and named != "manual"
