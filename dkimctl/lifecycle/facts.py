"""The facts about one domain's keys: what was seen, and when. Phases are derived from them, for people.

Every time is an instant in seconds since 1970-01-01 UTC. A fact is noted only after it was read back; one that is
missing delays a rotation, and harms nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

HERE = "this host"
"""The relay's name where there is only one."""


class Leak(StrEnum):
    """What is known to be in the hands of others."""

    NONE = ""
    KEY = "key"
    HOST = "host"


class KeyOnRelay(NamedTuple):
    """What is known about one key on one relay."""

    is_held: bool = False
    """True when the private key is on the relay."""
    is_used: bool = False
    """True when the relay's installed configuration signs with it, as read just now."""
    tried: int | None = None
    """When a switch to it last began, noted before anything is changed: mail may have been signed with it since."""
    since: int | None = None
    """When the relay began to sign with it, proven by a message."""
    proven: int | None = None
    """When a message that the relay signed with it last verified."""
    failed: int | None = None
    """Since when messages that it should have signed are found unsigned or wrong; None when the last one was right."""
    left: int | None = None
    """The last instant at which the relay may have signed with it; None while it may, or never has."""
    pinned: tuple[str, ...] = ()
    """The milter connections and processes that were open when the relay stopped using it, and may still sign with it.

    opendkim keeps its configuration for as long as a connection is open (measured: a reload does not reach it).
    """
    is_away: bool = False
    """True when a relay of a fleet was not heard from for a while: no new key waits for it, and no old record goes."""
    is_lost: bool = False
    """True when the private key was deleted by hand or its file damaged: only a backup brings it back."""

    @property
    def has_signed(self) -> bool:
        """True when the relay may have signed with it at some time."""
        noted = (self.tried, self.proven, self.left)
        return self.is_used or bool(self.pinned) or noted != (None, None, None)

    @property
    def may_sign(self) -> bool:
        """True while a message may be signed with it."""
        return self.has_signed and (self.is_used or self.left is None)

    @property
    def was_only_tried(self) -> bool:
        """True when switches to it began, and none was seen to work."""
        return self.tried is not None and self.since is None and not self.is_used


class RecordFacts(NamedTuple):
    """What was seen of a key record: at the provider, and at every address of every authoritative server."""

    written: int | None = None
    """When it was read back from the provider, after it was written or found there."""
    seen: int | None = None
    """The first time that every address gave exactly this key, without a look since that said otherwise."""
    confirmed: int | None = None
    """The first time, at least the policy's `proof_interval` after `seen`, that every address gave it again."""
    last_seen: int | None = None
    """The last time that every address gave it."""
    missing: int | None = None
    """Since when looks find it missing, or another one, at an address; None when the last look found it right."""
    ttl: int = 0
    """The largest TTL seen, in seconds."""
    negative_ttl: int = 0
    """For how many seconds a resolver may remember that the name does not exist (RFC 2308)."""
    revoked: int | None = None
    """When an empty `p=` was read back from the provider."""
    gone: int | None = None
    """When every address gave an empty `p=`, or nothing."""
    removed: int | None = None
    """When the record's absence was read back from the provider."""
    absent: int | None = None
    """When every address gave nothing."""


class KeyFacts(NamedTuple):
    """What is known about one key."""

    id: str
    """The identity of the key material: a digest of its public half. A selector may be used by several in turn."""
    selector: str
    algorithm: str
    created: int
    """The age that counts is that of the key material."""
    is_ours: bool = True
    """True for a key that was made here. The record of any other key is never removed, nor its private key."""
    leak: Leak = Leak.NONE
    record: RecordFacts = RecordFacts()
    in_slot: bool = False
    """True for a selector that is used again: a slot of a delegated domain."""
    relays: Mapping[str, KeyOnRelay] = {}
    """By the relay's name, for every relay that is in service."""
    is_purged: bool = False
    """True when the private key was removed from every relay."""

    @property
    def is_used(self) -> bool:
        """True when a relay signs with it."""
        for relay in self.relays.values():  # noqa: SIM110  `any` takes three times as long, and a plan asks often
            if relay.is_used and not (relay.is_away and self.leak):
                return True
        return False

    @property
    def is_lost(self) -> bool:
        """True when a relay is to sign with it, and its private key was deleted or damaged."""
        return any(relay.is_used and relay.is_lost for relay in self.relays.values())

    @property
    def may_sign(self) -> bool:
        """True while mail may be signed with it. The end of a leaked key waits for no relay that is away."""
        return any(relay.may_sign and not (relay.is_away and self.leak) for relay in self.relays.values())

    @property
    def has_signed(self) -> bool:
        """True when mail may have been signed with it at some time."""
        for relay in self.relays.values():  # noqa: SIM110
            if relay.has_signed:
                return True
        return False

    @property
    def since(self) -> int | None:
        """When a relay first began to sign with it, proven by a message."""
        return min((relay.since for relay in self.relays.values() if relay.since is not None), default=None)

    @property
    def left(self) -> int | None:
        """The last instant at which any relay may have signed with it; None while one may, or none ever has."""
        ends = [relay.left for relay in self.relays.values() if relay.has_signed and relay.left is not None]
        return None if not ends or self.may_sign else max(ends)

    @property
    def is_served(self) -> bool:
        """True when the last look saw it at every address."""
        return self.record.seen is not None and self.record.missing is None

    @property
    def is_revoked(self) -> bool:
        """True when its record was, or is being, taken away for good: such a key never signs again."""
        record = self.record
        return self.is_purged or record.revoked is not None or record.gone is not None or record.removed is not None


class Facts(NamedTuple):
    """What is known about one domain."""

    domain: str
    keys: tuple[KeyFacts, ...]
    """Oldest first."""
    is_held: bool = False
    """True after `dkimctl hold`: no new key, no switch, no removal by itself."""
    may_write: bool = True
    """False when a person adds the records: the provider is `manual`, or none is configured."""
    free_selector: bool = True
    """False when every slot of a delegated domain is taken."""
    slot_free_at: int | None = None
    """When the next slot is expected to be free, where that is known."""
    oldest_queued: int | None = None
    """When the oldest message in the relays' queues arrived; 0 when not listed, None when empty."""
    queued_as: str = "mail in the queue"
    """What is that oldest message, in words."""
    returned: int | None = None
    """When a run looked again after none had for longer than the keep time, or after the clock jumped; None later on.

    What was noted before it is proven again first.
    """
