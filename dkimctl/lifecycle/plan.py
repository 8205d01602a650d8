"""The pure core of the key life cycle: what may be done now for one domain, and when to look again.

plan(policy, facts, now) → Plan. No I/O, no clock, no store. Calling it early is harmless, calling it late only delays:
every waiting time counts from a noted fact, and a fact is noted only after it was read back. The rule of every step
is BIND's: an invariant is broken now, or it holds afterwards; while it is broken nothing is taken away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dkimctl.lifecycle.facts import Facts, KeyFacts, KeyOnRelay, Leak
from dkimctl.lifecycle.policy import DAY, Policy, in_window, window_opens


class Do(StrEnum):
    """The kinds of action."""

    MAKE = "make"
    """A new key pair, under a selector that was never used, or in a free slot."""
    PUBLISH = "publish"
    """The record of a key at the provider, read back."""
    LOOK = "look"
    """Every address of every authoritative server is asked for the record of a key."""
    SWITCH = "switch"
    """Every relay signs with this key from now on, proven by a message; it goes back where that fails."""
    PROVE = "prove"
    """A message signed with the key that signs, verified. Not asked of a leaked or revoked key: none is to verify."""
    REVOKE = "revoke"
    """The record says an empty `p=`, read back from the provider."""
    REMOVE = "remove"
    """The record is deleted, its absence read back from the provider."""
    PURGE = "purge"
    """The private key is removed from every relay."""


class Action(NamedTuple):
    """One step, for one key."""

    do: Do
    algorithm: str
    key: str = ""
    """The identity of the key; empty for a key that is to be made."""
    why: str = ""


class Wait(NamedTuple):
    """What a domain waits for."""

    on: str
    until: int | None = None
    """When it ends, where that is known."""
    needs_person: bool = False
    """True when nothing goes on before somebody acts."""


class Plan(NamedTuple):
    """What to do for one domain."""

    actions: tuple[Action, ...]
    """What may be done now, in this order; after each the plan is made anew. One that fails does not bar the next."""
    due: int | None
    """When the plan is to be made again although nothing happened; None: never."""
    waits: tuple[Wait, ...]


def plan(policy: Policy, facts: Facts, now: int, *, begin: bool = False) -> Plan:
    """Return what to do for a domain. `begin`: a person asked for a rotation now (`rotate --now`, `revoke`)."""
    found = _Found()
    living = [key for key in facts.keys if not (key.is_purged and _is_away(key, facts))]
    for algorithm in dict.fromkeys(key.algorithm for key in living):
        keys = tuple(key for key in living if key.algorithm == algorithm)
        _Planner(policy, facts, keys, algorithm, now, begin, found).work()
    return Plan(tuple(found.actions), min((due for due in found.dues if due > now), default=None), tuple(found.waits))


@dataclass(slots=True)
class _Found:
    actions: list[Action] = field(default_factory=list)
    dues: list[int] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


@dataclass(slots=True)
class _Planner:
    """The plan for the keys of one algorithm; each algorithm of a domain rotates by itself."""

    policy: Policy
    facts: Facts
    keys: tuple[KeyFacts, ...]
    algorithm: str
    now: int
    begin: bool
    found: _Found

    def work(self) -> None:
        used = [key for key in self.keys if key.is_used]
        if not used:
            self._wait("no key of this domain signs yet", person=True)
        for key in used:
            self._watch(key)
        for key in self._kept():
            self._restore(key)
        target = None
        if not _must_be_seen_first(used):
            target = self._target(used)
            if target is not None:
                self._prepare(target)
                self._switch(target, used)
            elif used:
                self._make(used)
        for key in used:
            self._tell_overdue(key)
        for key in self.keys:
            if not key.is_used and key is not target:
                self._retire(key, used)

    # --- words

    @property
    def may_change(self) -> bool:
        """True when new keys, switches and removals may happen by themselves."""
        return self.begin or not (self.facts.is_held or self.policy.automation == "off")

    def _do(self, do: Do, key: KeyFacts | None, why: str) -> None:
        self.found.actions.append(Action(do, self.algorithm, key.id if key else "", why))

    def _wait(self, on: str, until: int | None = None, *, person: bool = False) -> None:
        self.found.waits.append(Wait(on, until, person))
        if until is not None:
            self.found.dues.append(until)

    def _is_due(self, at: int) -> bool:
        """Return True when this instant has come; it is noted as due when it has not."""
        if at > self.now:
            self.found.dues.append(at)
        return at <= self.now

    # --- the keys that sign

    def _watch(self, key: KeyFacts) -> None:
        """Look at DNS and at a signature when that is due: after a switch, and every `check_every`."""
        last = key.record.last_seen
        if last is None or not key.is_served or self._is_due(last + self.policy.check_every):
            self._do(Do.LOOK, key, "it signs, and its record is looked up regularly")
        elif self._is_check_due(key, last):
            self._do(Do.LOOK, key, "a check after the switch is due")
        if _is_usable(key) and any(self._is_proof_due(key, relay) for relay in key.relays.values()):
            self._do(Do.PROVE, key, "a signature is to be proven")

    def _is_proof_due(self, key: KeyFacts, relay: KeyOnRelay) -> bool:
        return relay.is_used and (relay.proven is None or self._is_check_due(key, relay.proven))

    def _is_check_due(self, key: KeyFacts, last: int) -> bool:
        for relay in key.relays.values():
            if relay.is_used and relay.since is not None:
                for after in self.policy.checks_after_switch:
                    if last < relay.since + after and self._is_due(relay.since + after):
                        return True
        return False

    def _tell_overdue(self, key: KeyFacts) -> None:
        """Tell a person of a key that should have been replaced long ago, whatever keeps it."""
        if self._is_due(old_at(key, self.policy) + self.policy.told_after):
            self._wait(f"{key.selector} still signs and is overdue: dkimctl rotate --now", person=True)

    # --- records that must be there

    def _kept(self) -> Iterator[KeyFacts]:
        """Yield the keys whose record must be served: those that sign, and those whose mail is under way."""
        for key in self.keys:
            if key.has_signed and not key.is_revoked and key.leak is Leak.NONE:
                yield key

    def _restore(self, key: KeyFacts) -> None:
        """Put back a record that vanished."""
        if key.record.missing is None:
            return
        if not key.is_used:
            self._do(Do.LOOK, key, "mail signed with it is under way, and its record was missing")
        if not key.is_ours:
            self._wait(f"the record of {key.selector} is missing, and was not made here", person=True)
        elif not self.may_change or not self.facts.may_write:
            self._wait(f"the record of {key.selector} is missing: publish it", person=True)
        elif self._may_write_again(key):
            self._do(Do.PUBLISH, key, "mail is signed with it, and its record is missing")

    def _may_write_again(self, key: KeyFacts) -> bool:
        written = key.record.written
        return written is None or self._is_due(written + self.policy.publish_again)

    # --- the next key

    def _target(self, used: list[KeyFacts]) -> KeyFacts | None:
        """Return the key that is to sign next, or that not every relay signs with yet; None when there is none."""
        good = [key for key in used if _works(key)]
        if good and len(used) > 1:
            return good[-1]
        new = [key for key in self.keys if self._is_new(key, used)]
        if new and (good or any(key.is_served for key in new)):
            return min(new, key=_progress)
        if used and not good:  # rather an older key whose record is there than one whose record is not
            older = (key for key in reversed(self.keys) if not key.is_used and self._is_kept(key))
            return next(older, None) or (min(new, key=_progress) if new else None)
        return None

    def _is_kept(self, key: KeyFacts) -> bool:
        """Return True for a key whose record is there and stays: a killed run may have revoked one kept enough."""
        is_held = all(relay.is_held for relay in key.relays.values())  # a person may have deleted its private key
        is_left = key.left is not None and key.left + self.policy.keep_after <= self.now
        return _is_usable(key) and key.is_served and is_held and not is_left

    def _is_new(self, key: KeyFacts, used: list[KeyFacts]) -> bool:
        """Return True for a key that may be the next one: a switch to it may have failed before."""
        newest = max((key.created for key in used), default=0)
        return key.is_ours and not key.is_used and _is_usable(key) and (not key.has_signed or key.created > newest)

    def _make(self, used: list[KeyFacts]) -> None:
        """Make the next key when it is wanted: as a standby, when the old one grows old, or in an emergency."""
        if not self.may_change:
            return
        lead = self.policy.standby_lead + self.policy.proof_interval + self.policy.publication_margin
        wanted = self.begin or self.policy.standby or any(key.leak for key in used)
        if not (wanted or self._is_due(self._grows_old(used) - lead)):
            return
        if self.facts.free_selector:
            self._do(Do.MAKE, None, "the next key is made ready")
        else:
            self._wait("every slot is taken until an old key's record is gone", self.facts.slot_free_at)

    def _prepare(self, key: KeyFacts) -> None:
        """Publish the next key, and see it at every address, twice."""
        record = key.record
        if key.is_used:
            return
        if record.missing is None and record.confirmed is not None:
            return
        if record.written is None or record.missing is not None:
            if not self.may_change:
                return
            if not self.facts.may_write:
                self._wait(f"the record of {key.selector} is to be published by hand", person=record.seen is None)
            elif self._may_write_again(key):
                self._do(Do.PUBLISH, key, "the next key's record is published")
        if not key.is_served or self._is_due((record.seen or 0) + self.policy.proof_interval):
            self._do(Do.LOOK, key, "the next key must be seen at every address, twice")

    # --- the switch

    def _switch(self, key: KeyFacts, used: list[KeyFacts]) -> None:
        bad = [old for old in used if not _works(old)]
        partly = key.is_used
        if not used or not key.is_served or not (partly or self._is_wanted(used, bad)):
            return
        if not bad and not partly:
            if not self._is_ready(key):
                return
            if self.policy.automation == "until-switch" and not self.begin:
                return self._wait(f"{key.selector} is ready: dkimctl rotate --now", person=True)
            if not in_window(self.policy, self.now):
                return self._wait("the hours in which a switch may happen", window_opens(self.policy, self.now))
        missing = [name for name, relay in key.relays.items() if not relay.is_held]
        if missing:
            return self._wait(f"{', '.join(missing)} must hold {key.selector}", person=False)
        tried = max((relay.tried for relay in key.relays.values() if relay.tried is not None), default=None)
        if not partly and tried is not None and not self._is_due(tried + self.policy.retry):
            return self._wait(f"the switch to {key.selector} failed, and is tried again", tried + self.policy.retry)
        if key.record.last_seen is None or key.record.last_seen < self.now - self.policy.fresh:
            return self._do(Do.LOOK, key, "it is looked up right before it signs")
        self._do(Do.SWITCH, key, "its record is at every name server")

    def _is_wanted(self, used: list[KeyFacts], bad: list[KeyFacts]) -> bool:
        if not self.may_change and not any(key.leak for key in used):
            return False
        return bool(bad) or self.begin or self._is_due(self._grows_old(used))

    def _grows_old(self, used: list[KeyFacts]) -> int:
        """Return when the next key is to take over."""
        return min(old_at(key, self.policy) for key in used)

    def _is_ready(self, key: KeyFacts) -> bool:
        confirmed = key.record.confirmed
        if confirmed is None:
            return False
        margin = max(key.record.negative_ttl, self.policy.publication_margin)
        if self._is_due(confirmed + margin):
            return True
        self._wait(f"caches that may remember that {key.selector} does not exist", confirmed + margin)
        return False

    # --- keys that do not sign any more

    def _retire(self, key: KeyFacts, used: list[KeyFacts]) -> None:
        if not (key.has_signed or key.leak or key.is_revoked) or not key.is_ours:
            return
        left = key.left
        if left is None and key.has_signed:
            return self._wait(f"connections that may still sign with {key.selector}")
        if not key.leak and not (self.may_change and self._may_take_away(used)):
            return
        record = key.record
        if record.revoked is None and record.gone is None:
            if self._is_mail_through(key, left):
                self._revoke(key)
        elif record.gone is None:
            self._do(Do.LOOK, key, "the end of its record must be seen at every address")
        elif not _is_away(key, self.facts) and self._is_due(record.gone + self.policy.revoked_for):
            if record.removed is None and self.facts.may_write:
                self._do(Do.REMOVE, key, "its empty record has been there long enough")
            else:
                self._do(Do.LOOK, key, "the removal of its record must be seen at every address")
        if record.absent is not None and not key.is_purged:
            self._purge(key, left)

    def _may_take_away(self, used: list[KeyFacts]) -> bool:
        """Return True when the keys that sign are proven, and no jump of the clock calls for care."""
        careful = self.facts.careful_until
        if careful is not None and not self._is_due(careful):
            return False
        return bool(used) and all(_is_usable(key) and key.is_served and _is_proven(key) for key in used)

    def _is_mail_through(self, key: KeyFacts, left: int | None) -> bool:
        """Return True when no message signed with this key can be under way any more, or the key is leaked."""
        if key.leak:
            return True
        if left is None:
            return False
        end = left + self.policy.keep_after
        queued = self.facts.oldest_queued
        if queued is not None and queued <= left:  # at most as long again: mail on hold may stay for ever
            end = max(end, min(self.now + 2 * DAY, left + 2 * self.policy.keep_after))
        if self._is_due(end):
            return True
        held = f", such as {self.facts.queued_as}" if end > left + self.policy.keep_after else ""
        self._wait(f"mail signed with {key.selector} that is under way{held}", end)
        return False

    def _revoke(self, key: KeyFacts) -> None:
        if self.facts.may_write:
            self._do(Do.REVOKE, key, "it is leaked" if key.leak else "its mail is through")
        else:
            self._wait(f"the record of {key.selector} is to be emptied by hand (p=)", person=True)
            self._do(Do.LOOK, key, "its record may have been emptied by hand")

    def _purge(self, key: KeyFacts, left: int | None) -> None:
        record = key.record
        if key.in_slot:  # a slot is free for its next key once no cache holds this one
            is_due = record.absent is not None and self._is_due(record.absent + record.ttl)
        else:
            end = record.gone if left is None else left  # one that never signed ends with its record
            is_due = bool(key.leak) or (end is not None and self._is_due(end + self.policy.private_key_for))
        if is_due:
            self._do(Do.PURGE, key, "nothing needs its private key any more")


def _is_usable(key: KeyFacts) -> bool:
    """Return True when a domain may sign with this key."""
    return key.leak is Leak.NONE and not key.is_revoked


def _is_away(key: KeyFacts, facts: Facts) -> bool:
    """Return True when nothing is at its name. What never was there looks so before its empty record is served."""
    record = key.record
    return record.absent is not None and not (record.revoked is not None and record.removed is None and facts.may_write)


def _works(key: KeyFacts) -> bool:
    """Return True when mail signed with this key now can be verified, as far as was seen."""
    return _is_usable(key) and key.is_served and not _failed(key)


def _failed(key: KeyFacts) -> bool:
    """Return True when a relay never signed rightly with this key, and was seen to fail."""
    return any(relay.failed is not None and relay.since is None for relay in key.relays.values() if relay.is_used)


def old_at(key: KeyFacts, policy: Policy) -> int:
    """Return when a key is old. Keys that were old already when a run first saw them sign are not all due at once."""
    since = min((relay.since for relay in key.relays.values() if relay.since is not None), default=None)
    old = _starts_to_age(key, policy) + policy.rotate_after
    return since + policy.overdue_spread if since is not None and old <= since else old


def _starts_to_age(key: KeyFacts, policy: Policy) -> int:
    """Return the instant from which the age of a key counts: that of the key material, less the time as a standby.

    A standby is made right after a switch. If that time counted, it would be due on the day it takes over. No more
    than `rotate_after` of it is left out, and none for a key that was made elsewhere.
    """
    starts = [relay.since for relay in key.relays.values() if relay.since is not None]
    if not starts or not key.is_ours:
        return key.created
    return min(max(key.created, min(starts)), key.created + policy.rotate_after)


def _must_be_seen_first(used: list[KeyFacts]) -> bool:
    """Return True when a key that signs was never looked up, and nothing is known to be wrong.

    A record of which nothing is known is no lost one: nothing is done in haste because of it.
    """
    is_wrong = any(key.leak or key.is_revoked or key.record.missing is not None or _failed(key) for key in used)
    return any(key.record.last_seen is None for key in used) and not is_wrong


def _is_proven(key: KeyFacts) -> bool:
    return all(relay.proven is not None for relay in key.relays.values() if relay.is_used)


def _progress(key: KeyFacts) -> tuple[bool, int, int]:
    """Sort keys that never signed by how far they are: the one that was confirmed first, then the newest."""
    confirmed = key.record.confirmed if key.is_served else None
    return confirmed is None, confirmed or 0, -key.created
