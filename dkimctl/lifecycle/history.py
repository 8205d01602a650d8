"""The life of each key, past and planned, and the ledger of the selectors that signatures may name now."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.calendar import steps_to_come
from dkimctl.lifecycle.facts import HERE, Facts, KeyFacts, KeyOnRelay
from dkimctl.lifecycle.fitness import was_only_tried
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.notes import at_text, instant, read_on_relay, read_record
from dkimctl.lifecycle.plan import Do, Plan, old_at
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.preview import preview
from dkimctl.lifecycle.relays import Relays


class Event(StrEnum):
    """What happens to a key, in this order."""

    CREATED = "created"
    PUBLISHED = "published"
    PROVEN = "proven"
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"
    REMOVED = "removed"
    PURGED = "purged"


class Moment(NamedTuple):
    """When something happens to a key."""

    event: Event
    at: int
    is_planned: bool


class KeyLife(NamedTuple):
    """The life of one key, in the order of time."""

    key: Key
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """A key that signatures may name now."""

    domain: str
    selector: str
    algorithm: str
    identity: str
    """The first 16 hex digits of the SHA-256 of `public` as text."""
    public: str
    """The public half, as in `p=` of its record."""
    signs_from: str | None
    """RFC 3339, UTC; None where nobody noted it. Signatures made earlier are not ours."""
    signs_until: str | None
    """When it last signed; None while it signs."""
    valid_until: str | None
    """Until when mail signed with it may be under way; None while it signs."""


_PAST = {
    Event.PUBLISHED: (Phase.PUBLISHED, "written"),
    Event.PROVEN: (Phase.VERIFIED, "seen"),
    Event.ACTIVE: (Phase.ACTIVE, "since"),
    Event.RETIRED: (Phase.RETIRING, "left"),
    Event.REVOKED: (Phase.REVOKED, "revoked"),
    Event.REMOVED: (None, "removed"),
    Event.PURGED: (Phase.PURGED, ""),
}
_PLANNED = {
    Do.SWITCH: Event.RETIRED,
    Do.REVOKE: Event.REVOKED,
    Do.REMOVE: Event.REMOVED,
    Do.PURGE: Event.PURGED,
}


def lives(
    settings: Settings, store: LifecycleStore, domains: Iterable[str], clock: Clock, relays: Relays | None = None
) -> Iterator[KeyLife]:
    """Yield the life of each key of these domains, of those that were purged first. `relays`: as for `read_machine`.

    What `status` reports as unreadable is left out.
    """
    now = instant(clock.now())
    machine = read_machine(settings, now, relays)
    for domain in domains:
        with suppress(DkimctlError):
            yield from [_life(key, _past(key, _last_known(key, now))) for key in store.purged(domain)]
            yield from list(_lives_now(preview(settings, store, domain, machine, clock), now))


def _lives_now(previewed: tuple[Gathered, Policy, Plan], now: int) -> Iterator[KeyLife]:
    found, policy, planned = previewed
    for one in found.facts.keys:
        ends = _deleted(one, planned) if found.is_deleted else _planned(one, found.facts, policy)
        key = found.keys[one.id]
        yield _life(key, (*(moment for moment in ends if moment.at > now), *_past(key, one)))


def _life(key: Key, moments: Iterable[Moment]) -> KeyLife:
    """Return the life with these moments, of each event the last one that is given."""
    found = {moment.event: moment for moment in moments}
    return KeyLife(key, tuple(sorted(found.values(), key=lambda moment: (moment.at, list(Event).index(moment.event)))))


def _last_known(key: Key, now: int) -> KeyFacts:
    """Return what was noted of a key that was purged."""
    known, relays = key.metadata, {HERE: read_on_relay(key.metadata, now)}
    created = _instant(known.created) or now
    return KeyFacts("", key.selector, known.algorithm, created, record=read_record(known, now), relays=relays)


def ledger(
    settings: Settings, store: LifecycleStore, domains: Iterable[str], clock: Clock, relays: Relays | None = None
) -> tuple[LedgerKey, ...]:
    """Return the keys that signatures may name now: those that sign, and those whose mail may be under way.

    `relays`: as for `read_machine`.
    """
    now = instant(clock.now())
    found = []
    for key, _, policy, one in _each(settings, store, domains, clock, relays):
        ends = None if one.left is None else one.left + policy.keep_after
        if one.has_signed and not one.leak and not one.is_revoked and (ends is None or ends > now):
            began = next((moment.at for moment in _past(key, one) if moment.event is Event.ACTIVE), None)
            public = key.metadata.public or store.public(key).base64
            dates = (_text(at) for at in (began, one.left, ends))
            found.append(LedgerKey(key.domain, key.selector, one.algorithm, one.id, public, *dates))
    return tuple(found)


def _each(
    settings: Settings, store: LifecycleStore, domains: Iterable[str], clock: Clock, relays: Relays | None
) -> Iterator[tuple[Key, Facts, Policy, KeyFacts]]:
    machine = read_machine(settings, instant(clock.now()), relays)
    for domain in domains:
        try:
            found, policy, _ = preview(settings, store, domain, machine, clock)
        except DkimctlError:
            continue
        for one in found.facts.keys:
            yield found.keys[one.id], found.facts, policy, one


def _past(key: Key, facts: KeyFacts) -> Iterator[Moment]:
    """Yield what was noted: as a fact, else as the first time that the key came into that phase."""
    yield Moment(Event.CREATED, facts.created, is_planned=False)
    noted = {**facts.record._asdict(), "since": facts.since, "left": facts.left}
    for event, (phase, name) in _PAST.items():
        at = noted.get(name)
        if at is None:
            at = next((_instant(change.at) for change in key.metadata.history if change.phase is phase), None)
        has_ended = not facts.is_used and not (facts.has_signed and was_only_tried(facts))
        if at is not None and (event is not Event.RETIRED or has_ended):
            yield Moment(event, at, is_planned=False)


def _planned(key: KeyFacts, facts: Facts, policy: Policy) -> Iterator[Moment]:
    """Yield what is to come; of a key that signs, what follows when it is replaced in time."""
    for at, do, _ in steps_to_come(key, facts, policy):
        yield Moment(_PLANNED[do], at, is_planned=True)
    if key.is_used and key.is_ours:
        retired = key._replace(relays={HERE: KeyOnRelay(left=old_at(key, policy))})
        for at, do, _ in steps_to_come(retired, facts, policy):
            yield Moment(_PLANNED[do], at, is_planned=True)


def _deleted(key: KeyFacts, planned: Plan) -> Iterator[Moment]:
    """Yield the end of a key of a deleted domain."""
    for wait in planned.waits:
        if wait.key == key.id and wait.until is not None:
            yield Moment(Event.REMOVED, wait.until, is_planned=True)
            yield Moment(Event.PURGED, wait.until, is_planned=True)


def _instant(text: str) -> int | None:
    from datetime import datetime

    try:
        return instant(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _text(at: int | None) -> str | None:
    return None if at is None else at_text(at)
