"""What a run notes of the facts that it has gathered of a domain, before it plans."""

from datetime import datetime
from functools import partial

from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.facts import KeyOnRelay
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.notes import instant, not_ahead, with_on_relay


def note_first(store: LifecycleStore, found: Gathered, now: datetime) -> Gathered:
    """Note of a domain's first key, with which a fleet's relays began to sign by themselves, that it is active.

    A relay that joins later would take the newest key that DNS serves for it. Raises DiskError.
    """
    keys = dict(found.keys)
    active = {key.metadata.algorithm for key in keys.values() if key.phase is Phase.ACTIVE}
    for one in found.facts.keys:
        if one.is_used and one.algorithm not in active and keys[one.id].phase is Phase.VERIFIED:
            active.add(one.algorithm)
            keys[one.id] = store.note(keys[one.id], lambda known: known.in_phase(Phase.ACTIVE, now, "a relay signs"))
    return found._replace(keys=keys)


def note_left(store: LifecycleStore, found: Gathered, now: datetime) -> Gathered:
    """Note what is new about keys that the tables do not name any more; return the same facts, with the keys as noted.

    Facts that are dated in the future are set right: they would stay as young as now until that future. Raises
    DiskError.
    """
    keys = dict(found.keys)
    for id in found.ahead:
        keys[id] = store.note(keys[id], partial(not_ahead, now=instant(now)))
    for id, relay in found.left.items():
        keys[id] = store.note(keys[id], partial(_with_end, relay=relay, now=now))
    return found._replace(keys=keys, left={})


def _with_end(known: Metadata, relay: KeyOnRelay, now: datetime) -> Metadata:
    """Return the metadata with what is new, and the phase that follows from it: in one write."""
    known = with_on_relay(known, relay)
    has_left = relay.left is not None and known.phase is Phase.ACTIVE
    return known.advanced(Phase.RETIRING, now, "signs no more") if has_left else known
