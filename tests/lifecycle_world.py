"""What happens in the world of `lifecycle_model` without dkimctl: DNS, connections, faults, and time."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from dkimctl.lifecycle.facts import KeyOnRelay, Leak, RecordFacts
from tests.lifecycle_model import (
    DELIVERY,
    KEY,
    NEGATIVE,
    NOTHING,
    POLICY,
    TTL,
    Relay,
    Size,
    World,
    all_keys,
    free_key,
    numbered,
    replaced,
    with_key,
    with_noted,
    with_relay,
)

A = TypeVar("A", RecordFacts, KeyOnRelay)


@cache
def _changed(number: int, **changes: Any) -> int:
    return numbered(all_keys[number]._replace(**changes))


@cache
def _propagated(number: int) -> tuple[int, ...]:
    """Return the key after one of its servers took over what the account says: any one that differs."""
    key = all_keys[number]
    found = []
    for index in (0, 1):
        if key.servers[index] != key.account:
            first, second = sorted(replaced(key.servers, index, key.account))
            found.append(numbered(key._replace(servers=(first, second))))
    return tuple(dict.fromkeys(found))


@cache
def _copied(number: int, reached: tuple[bool, ...]) -> int:
    key = all_keys[number]
    is_somewhere = key.exists and any(key.private) and not key.is_purged
    private = tuple(has or is_reached for has, is_reached in zip(key.private, reached, strict=True))
    return numbered(key._replace(private=private)) if is_somewhere else number


@cache
def _frozen(number: int, index: int, is_used: bool) -> int:
    """Return the key with what was read of a relay last, for as long as it is cut off."""
    key = all_keys[number]
    return numbered(with_noted(key, index, is_used=is_used, is_held=is_used or (key.exists and key.private[index])))


@cache
def _thawed(number: int, index: int) -> int:
    return numbered(with_noted(all_keys[number], index, is_used=False, is_held=False))


def reconnected(world: World, index: int) -> World:
    """Return the world with this relay within reach again."""
    keys = tuple(_thawed(number, index) for number in world.keys)
    return with_relay(world._replace(keys=keys), index, world.relays[index]._replace(is_cut=False))


def copied(world: World) -> Iterator[tuple[str, World]]:
    """Yield the steps in which a private key reaches every relay that is not cut off."""
    if len(world.relays) > 1:
        reached = tuple(not relay.is_cut for relay in world.relays)
        for place, number in enumerate(world.keys):
            if (after := _copied(number, reached)) != number:
                yield "key copied", with_key(world, place, after)


def environment(world: World, size: Size) -> Iterator[tuple[str, World]]:
    """Yield every step of the world without dkimctl, but for time."""
    for place, number in enumerate(world.keys):
        for after in _propagated(number):
            yield "propagate", with_key(world, place, after)
    yield from copied(world)
    for index, relay in enumerate(world.relays):
        if relay.pinned is not None:
            yield "connection closed", with_relay(world, index, relay._replace(pinned=None))
        if relay.is_cut:
            yield "relay back", reconnected(world, index)
    if world.faults < size.faults:
        yield from _faults(world._replace(faults=world.faults + 1), size)


def _faults(world: World, size: Size) -> Iterator[tuple[str, World]]:
    for place, number in enumerate(world.keys):
        key = all_keys[number]
        if key.account == KEY and "record deleted" in size.kinds:
            yield "record deleted", with_key(world, place, _changed(number, account=NOTHING, is_hurt=True))
        if key.exists and not key.is_purged and not key.is_ended and "key leaked" in size.kinds:
            yield "key leaked", with_key(world, place, _changed(number, leak=Leak.KEY))
        if key.has_signed and any(key.private) and "private key deleted" in size.kinds:  # others are only reported
            gone = _changed(number, private=(False,) * len(key.private), is_lost=True)
            yield "private key deleted", with_key(world, place, gone)
    if "clock ahead" in size.kinds:
        keys = tuple(_long_ago(number) for number in world.keys)
        yield "clock ahead", world._replace(keys=keys, returned=0)
    if len(world.relays) > 1 and "relay cut off" in size.kinds:
        for index, relay in enumerate(world.relays):
            keys = tuple(_frozen(number, index, relay.files == place) for place, number in enumerate(world.keys))
            yield "relay cut off", with_relay(world._replace(keys=keys), index, relay._replace(is_cut=True))


# --- time

_RECORD_AGES = {"seen": 1, "confirmed": 1, "last_seen": 1, "gone": 1, "absent": TTL}
_RELAY_AGES = {"left": POLICY.private_key_for, "since": POLICY.rotate_after}
"""Where the age of each fact is cut, in ticks: at the longest time that the policy counts from it."""


def tick(world: World, size: Size) -> World:
    """Let time pass while every relay signs mail."""
    keys = _one_tick_older(world, size)
    world = World(keys, world.relays, world.faults)  # the tick ends the care after a gap, too
    for number in keys:
        if _is_over(number):
            return _without_dead(world, size)
    return world


def _one_tick_older(world: World, size: Size) -> tuple[int, ...]:
    signing = {relay.daemon for relay in world.relays} | {relay.pinned for relay in world.relays}
    return tuple([_older(number, place in signing, size.slots) for place, number in enumerate(world.keys)])


def ending(world: World, size: Size) -> list[int]:
    """Return the places of the keys that are gone from everywhere with the next tick."""
    return [place for place, number in enumerate(_one_tick_older(world, size)) if _is_over(number)]


@cache
def _older(number: int, is_signing: bool, in_slot: bool) -> int:
    key = all_keys[number]
    other, old = min(key.since_other + 1, TTL + DELIVERY), min(key.since_old + 1, TTL)
    if in_slot and key.is_ended:
        other, old = (0 if KEY in key.servers else other), (old if key.servers == (NOTHING, NOTHING) else 0)
    if not key.exists:
        return numbered(key._replace(since_other=other, since_old=old))
    signed = 0 if is_signing else key.since_signed
    if signed is not None:
        signed = None if signed >= DELIVERY else signed + 1
    absent = 0 if NOTHING in key.servers else min(key.since_absent + 1, NEGATIVE)
    is_hurt = key.is_hurt and not (key.servers == (KEY, KEY) and absent >= NEGATIVE and key.account == KEY)
    return numbered(
        key._replace(
            since_absent=absent,
            since_signed=signed,
            has_signed=key.has_signed or is_signing,
            since_other=other,
            since_old=old,
            is_hurt=is_hurt,
            is_rushed=key.is_rushed and absent < NEGATIVE,
            record=_aged(key.record, _RECORD_AGES),
            on=tuple(_aged(one, _RELAY_AGES) for one in key.on),
        )
    )


def _aged(facts: A, longest: Mapping[str, int]) -> A:
    older = {}
    for name, age in longest.items():
        at = getattr(facts, name)
        if at is not None and at > -age:
            older[name] = at - 1
    return facts._replace(**older) if older else facts


@cache
def _long_ago(number: int) -> int:
    """Return the key with everything that was noted of it older than every deadline; what is true of it is not."""
    key = all_keys[number]
    record, on = key.record, key.on
    for _ in range(max(*_RECORD_AGES.values(), *_RELAY_AGES.values())):
        record, on = _aged(record, _RECORD_AGES), tuple(_aged(one, _RELAY_AGES) for one in on)
    return numbered(key._replace(record=record, on=on))


@cache
def _is_over(number: int) -> bool:
    """Return True for a key that is gone from everywhere."""
    key = all_keys[number]
    is_nowhere = key.servers == (NOTHING, NOTHING) and key.account == NOTHING
    return key.is_purged and is_nowhere and key.record.absent is not None and key.since_signed is None


def _without_dead(world: World, size: Size) -> World:
    """Forget a key that is gone from everywhere, so that its place is free for a key under a new selector, or in it."""
    stay = [place for place, number in enumerate(world.keys) if all_keys[number].exists and not _is_over(number)]
    rest = [place for place in range(len(world.keys)) if place not in stay]
    new: dict[int | None, int | None] = {old: place for place, old in enumerate(stay)}
    new[None] = None
    if any(used not in new for relay in world.relays for used in (relay.files, relay.daemon, relay.pinned)):
        return world  # a relay still names it: that is judged
    free = sorted(_freed(world.keys[place], size.slots) for place in rest)
    relays = tuple(Relay(new[r.files], new[r.daemon], new[r.pinned], r.is_cut) for r in world.relays)  # type: ignore[arg-type]
    return World((*(world.keys[place] for place in stay), *free), relays, world.faults, world.returned)


@cache
def _freed(number: int, in_slot: bool) -> int:
    key = all_keys[number]
    free = free_key(len(key.private))
    return numbered(free._replace(since_other=key.since_other, since_old=key.since_old) if in_slot else free)


@cache
def settled(number: int, in_slot: bool) -> int:
    """Return the key without ages that count for nothing any more."""
    key = all_keys[number]
    record = key.record
    if record.seen is not None and any(one.since is not None or one.left is not None or one.pinned for one in key.on):
        confirmed = None if record.confirmed is None else -1
        record = record._replace(seen=-1, confirmed=confirmed)
    if record.removed is not None:
        record = record._replace(gone=-1)
    if record.absent is not None and not in_slot:
        record = record._replace(absent=0)
    on = key.on
    if key.is_purged and record.gone is not None:
        on = tuple(one if one.left is None else one._replace(left=-POLICY.private_key_for) for one in on)
    return numbered(key._replace(record=record, on=on))


@cache
def is_troubled(number: int) -> bool:
    """Return True while something of a fault is left at this key, or in what is noted of it."""
    key = all_keys[number]
    is_missing = key.record.missing is not None and key.record.revoked is None and key.record.gone is None
    return key.exists and bool(
        key.is_hurt
        or key.is_rushed
        or key.is_lost
        or key.leak
        or is_missing
        or any(one.failed is not None for one in key.on)
    )
