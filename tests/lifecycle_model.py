"""A model of the world in which keys are rotated: `lifecycle.plan` decides, this acts, and judges.

One domain, three keys, relays, two name servers, an account at a provider, caches, milter connections that stay open
across a reload. Time is abstracted to its order against the deadlines: the policy's times are a few ticks, and an age
that exceeds every deadline is cut. What is judged is the history of the world (mail signed, DNS served, what caches
may hold), never what the core believes. A state names its keys by number, so that each step of a key is computed once.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

from dkimctl.lifecycle.facts import Facts, KeyFacts, KeyOnRelay, Leak, RecordFacts
from dkimctl.lifecycle.plan import Do, Plan
from dkimctl.lifecycle.policy import Policy

T = TypeVar("T")
A = TypeVar("A", RecordFacts, KeyOnRelay)
Decide = Callable[..., Plan]
"""The core, or a mutant of it: `plan(policy, facts, now, *, begin)`."""
NOTHING, KEY, EMPTY = 0, 1, 2  # what is at a name
KEYS = 3
DELIVERY = 1
"""For so many ticks after it was signed a message may be verified."""
NEGATIVE = 1
"""For so many ticks a resolver may remember that a name does not exist."""
TTL = 1
"""For so many ticks a resolver may remember a record."""
POLICY = Policy(
    rotate_after=1,
    proof_interval=1,
    publication_margin=1,
    standby_lead=1,
    keep_after=DELIVERY,
    revoked_for=1,
    private_key_for=1,
    check_every=1,
    checks_after_switch=(),
    publish_again=0,
    retry=0,
    fresh=0,
)


class Size(NamedTuple):
    """What a world contains."""

    relays: int = 1
    faults: int = 0
    """Faults of the environment that are felt at one time, at most."""
    kinds: tuple[str, ...] = ("record deleted", "key leaked", "switch fails", "relay cut off")
    slots: bool = False
    """True when the three names are slots of a delegated domain, used again and again."""
    begins: bool = False
    """True when a person may ask for a rotation at any time."""
    keys: int = KEYS
    """How many keys there may be at one time."""
    automation: str = "full"
    """That of the policy; with `off` nothing but what a person asks for is done."""


class Key(NamedTuple):
    """A key and its record, in the world, and what dkimctl noted of them. Instants are ticks before now."""

    exists: bool = False
    private: tuple[bool, ...] = ()
    """By relay: the private key is there."""
    account: int = NOTHING
    servers: tuple[int, int] = (NOTHING, NOTHING)
    since_absent: int = 0
    """Ticks since a server last said that the name does not exist, at most NEGATIVE."""
    since_signed: int | None = None
    """Ticks since a message was last signed with it; None: never, or too long ago to matter."""
    since_other: int = TTL + DELIVERY
    """In a slot: ticks since a server last gave its last key, at most keep + TTL. That is this one once it ended."""
    since_old: int = TTL
    """The same for anything of the last key, its empty record too, at most TTL."""
    is_hurt: bool = False
    """Somebody else deleted its record: what cannot hold then is not judged."""
    is_rushed: bool = False
    """A switch to it began while the key that signed was known not to be usable: margins are skipped."""
    is_ended: bool = False
    """We took its record away: it must never sign again."""
    record: RecordFacts = RecordFacts()
    on: tuple[KeyOnRelay, ...] = ()
    leak: Leak = Leak.NONE
    is_purged: bool = False


class Relay(NamedTuple):
    """A relay, in the world. Keys are their places in the world."""

    files: int = 0
    """The key that the installed tables name."""
    daemon: int = 0
    """The key with which new connections are signed."""
    pinned: int | None = None
    """The key with which a connection that was open at the last reload is signed."""
    is_cut: bool = False
    """True while dkimctl cannot reach it."""


class World(NamedTuple):
    """A state. Keys in the order in which they were made; what is free comes last."""

    keys: tuple[int, ...]
    """By place, the number of a `Key`."""
    relays: tuple[Relay, ...]
    faults: int = 0


# --- numbers of keys: every step of one key is computed once

_numbers: dict[Key, int] = {}
_keys: list[Key] = []


def numbered(key: Key) -> int:
    """Return the number of a key in this state."""
    number = _numbers.setdefault(key, len(_keys))
    if number == len(_keys):
        _keys.append(key)
    return number


def key_of(number: int) -> Key:
    """Return the key with this number."""
    return _keys[number]


@cache
def _changed(number: int, **changes: Any) -> int:
    return numbered(_keys[number]._replace(**changes))


def _noted(key: Key, relay: int, **changes: Any) -> Key:
    return key._replace(on=_put(key.on, relay, key.on[relay]._replace(**changes)))


def _put(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _set(world: World, place: int, number: int) -> World:
    return World(_put(world.keys, place, number), world.relays, world.faults)


def _set_relay(world: World, index: int, relay: Relay) -> World:
    return World(world.keys, _put(world.relays, index, relay), world.faults)


def start(size: Size) -> World:
    """Return a domain with one key that signs and has been proven."""
    record = RecordFacts(written=0, seen=-1, confirmed=-1, last_seen=0, negative_ttl=NEGATIVE, ttl=TTL)
    used = (KeyOnRelay(since=0, proven=0),) * size.relays
    first = Key(True, (True,) * size.relays, KEY, (KEY, KEY), NEGATIVE, 0, record=record, on=used)
    free = numbered(_free(size.relays))
    return World((numbered(first), *[free] * (size.keys - 1)), (Relay(),) * size.relays)


def _free(relays: int) -> Key:
    return Key(private=(False,) * relays, on=(KeyOnRelay(),) * relays)


# --- what the executor would tell the core


@cache
def _facts_number(number: int) -> int:
    """Return a number for what the core may know of a key."""
    key = _keys[number]
    return numbered(Key(key.exists, key.private, record=key.record, on=key.on, leak=key.leak, is_purged=key.is_purged))


def known(world: World) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """Return what the facts are made of: states in which it is the same have the same plan."""
    tables = tuple(None if relay.is_cut else relay.files for relay in world.relays)
    return tuple([_facts_number(number) for number in world.keys]), tables


@cache
def _key_facts(number: int, place: int, tables: tuple[int | None, ...], in_slot: bool) -> KeyFacts:
    key, seen = _keys[number], {}
    for index, noted in enumerate(key.on):
        if tables[index] is not None:  # a relay that is cut off keeps what was read of it last
            noted = noted._replace(is_held=key.private[index], is_used=tables[index] == place)
        seen[f"relay{index}"] = noted
    return KeyFacts(
        str(place),
        f"s{place}",
        "rsa",
        place - KEYS - POLICY.rotate_after,  # older than every deadline, in order: what counts is since when it signs
        leak=key.leak,
        record=key.record,
        in_slot=in_slot,
        relays=seen,
        is_purged=key.is_purged,
    )


def facts_of(world: World, size: Size) -> Facts:
    """Return what was noted, and what is read from the relays just now."""
    numbers, tables = known(world)
    keys = tuple(
        _key_facts(number, place, tables, size.slots) for place, number in enumerate(numbers) if _keys[number].exists
    )
    return Facts("example.com", keys, free_selector=not all(_keys[number].exists for number in world.keys))


# --- what dkimctl does


def gather(world: World) -> World:
    """Note since when each relay cannot sign any more with a key that its tables do not name."""
    for index, relay in enumerate(world.relays):
        if relay.is_cut or _keys[world.keys[relay.files]].on[index].since is None:
            continue  # not proven: the daemon may not have read the tables yet
        for place, number in enumerate(world.keys):
            if place != relay.files:
                after = _stopped(number, index, relay.pinned is not None, relay.pinned == place)
                if after != number:
                    world = _set(world, place, after)
    return world


@cache
def _stopped(number: int, index: int, is_open: bool, is_pinned: bool) -> int:
    key = _keys[number]
    noted = key.on[index]
    if not key.exists or not noted.has_signed or noted.left is not None:
        return number
    may_still = is_open and (not noted.pinned or is_pinned)
    pinned, left = (("open",), None) if may_still else ((), 0)
    return numbered(_noted(key, index, pinned=pinned, left=left, since=None, proven=None, tried=None, failed=None))


@cache
def _looked(number: int) -> int:
    key = _keys[number]
    record, servers = key.record, key.servers
    if servers == (KEY, KEY):
        seen = 0 if record.seen is None else record.seen
        confirmed = 0 if record.confirmed is None and seen <= -POLICY.proof_interval else record.confirmed
        seen_now = {"seen": seen, "confirmed": confirmed, "last_seen": 0, "missing": None}
        return numbered(key._replace(record=record._replace(**seen_now, negative_ttl=NEGATIVE, ttl=TTL)))
    record = record._replace(missing=0 if record.missing is None else record.missing, seen=None, confirmed=None)
    if KEY not in servers:
        if record.gone is None and (record.revoked is not None or servers == (EMPTY, EMPTY)):
            record = record._replace(gone=0)
        if record.gone is not None and servers == (NOTHING, NOTHING):
            record = record._replace(absent=0 if record.absent is None else record.absent)
    return numbered(key._replace(record=record))


@cache
def _tried(number: int, index: int) -> int:
    """A proof from before counts no more: the tables may name the key before the daemon reads them."""
    return numbered(_noted(_keys[number], index, tried=0, since=None, proven=None, left=None, pinned=()))


@cache
def _began(number: int, index: int) -> int:
    return numbered(_noted(_keys[number], index, since=0, proven=0, failed=None, left=None, pinned=(), tried=None))


@cache
def _proven(number: int, index: int) -> int:
    since = _keys[number].on[index].since
    after = _began(number, index)
    return after if since is None else numbered(_noted(_keys[after], index, since=since))


@cache
def _failing(number: int, index: int) -> int:
    return numbered(_noted(_keys[number], index, failed=0))


@cache
def _is_bad(number: int, index: int) -> bool:
    key = _keys[number]
    return bool(key.leak) or key.record.missing is not None or key.on[index].failed is not None


@cache
def _rushed(number: int) -> int:
    key = _keys[number]
    return numbered(key._replace(is_rushed=key.since_absent < NEGATIVE))


def _switch(world: World, place: int) -> Iterator[World]:
    """Every state in which a switch may be stopped; the last one is its end. A relay that is cut off is left out."""
    reached = [index for index, relay in enumerate(world.relays) if not relay.is_cut]
    for index in reached:
        world = _set(world, place, _tried(world.keys[place], index))
    yield world
    for index in reached:
        relay = world.relays[index]
        if relay.files != place:
            world = _set_relay(world, index, relay._replace(files=place))
            yield world
        if relay.daemon != place:
            world = _reloaded(world, index)
            yield world
        world = _set(world, place, _began(world.keys[place], index))
        yield world


def _reloaded(world: World, index: int) -> World:
    relay = world.relays[index]
    if relay.daemon == relay.files:
        return world
    return _set_relay(world, index, Relay(relay.files, relay.files, relay.daemon, relay.is_cut))


def _switch_that_fails(world: World, place: int) -> Iterator[World]:
    """The probe is not signed as it should be: the old tables are put back."""
    before = world.relays[0].files
    for index in range(len(world.relays)):
        world = _set(world, place, _tried(world.keys[place], index))
    world = _reloaded(_set_relay(world, 0, world.relays[0]._replace(files=place)), 0)
    world = _set(world, place, _failing(world.keys[place], 0))
    yield world
    world = _set_relay(world, 0, world.relays[0]._replace(files=before))
    yield world
    yield _reloaded(world, 0)


def _prove(world: World, place: int) -> World:
    for index, relay in enumerate(world.relays):
        if relay.files == place and not relay.is_cut:
            world = _reloaded(world, index)
            world = _set(world, place, _proven(world.keys[place], index))
    return world


@cache
def _made(number: int) -> int:
    key = _keys[number]
    return numbered(key._replace(exists=True, private=(True, *key.private[1:])))


def _make(world: World) -> World:
    place = next(place for place, number in enumerate(world.keys) if not _keys[number].exists)
    return _set(world, place, _made(world.keys[place]))


@cache
def _written(number: int) -> tuple[int, ...]:
    key = _keys[number]
    if key.account == EMPTY:
        return ()
    put = key._replace(account=KEY)
    return numbered(put), numbered(put._replace(record=put.record._replace(written=0)))


@cache
def _revoked(number: int) -> tuple[int, ...]:
    emptied = _keys[number]._replace(account=EMPTY, is_ended=True)
    return numbered(emptied), numbered(emptied._replace(record=RecordFacts(revoked=0, ttl=emptied.record.ttl)))


@cache
def _removed(number: int) -> tuple[int, ...]:
    gone = _keys[number]._replace(account=NOTHING)
    return numbered(gone), numbered(gone._replace(record=gone.record._replace(removed=0, absent=None)))


@cache
def _purged(number: int) -> tuple[int, ...]:
    key = _keys[number]
    bare = key._replace(private=(False,) * len(key.private))
    return numbered(bare), numbered(bare._replace(is_purged=True))


_EFFECTS = {Do.PUBLISH: _written, Do.REVOKE: _revoked, Do.REMOVE: _removed, Do.PURGE: _purged}


def outcomes(world: World, do: Do, place: int, size: Size) -> Iterator[tuple[str, World]]:
    """Yield every end of an action: done, and for each effect stopped before it was noted."""
    match do:
        case Do.MAKE:
            yield "done", _make(world)
        case Do.LOOK:
            yield "done", _set(world, place, _looked(world.keys[place]))
        case Do.PROVE:
            yield "done", _prove(world, place)
        case Do.SWITCH:
            if any(_is_bad(world.keys[relay.files], index) for index, relay in enumerate(world.relays)):
                world = _set(world, place, _rushed(world.keys[place]))
            *stopped, end = _switch(world, place)
            yield from (("killed", state) for state in stopped)
            yield "done", end
            if world.faults < size.faults and "switch fails" in size.kinds and not world.relays[0].is_cut:
                *stopped, end = _switch_that_fails(world._replace(faults=world.faults + 1), place)
                yield from (("killed", state) for state in stopped)
                yield "failed", end
        case _:
            if do is Do.PURGE and any(relay.is_cut for relay in world.relays):
                return
            ends = _EFFECTS[do](world.keys[place])
            for label, number in zip(("killed", "done"), ends, strict=False):
                yield label, _set(world, place, number)


# --- what the world does


@cache
def _propagated(number: int) -> tuple[int, ...]:
    """Return the key after one of its servers took over what the account says: any one that differs."""
    key = _keys[number]
    found = []
    for index in (0, 1):
        if key.servers[index] != key.account:
            first, second = sorted(_put(key.servers, index, key.account))
            found.append(numbered(key._replace(servers=(first, second))))
    return tuple(dict.fromkeys(found))


@cache
def _copied(number: int) -> int:
    key = _keys[number]
    is_somewhere = key.exists and any(key.private) and not key.is_purged
    return numbered(key._replace(private=(True,) * len(key.private))) if is_somewhere else number


@cache
def _frozen(number: int, index: int, is_used: bool) -> int:
    """Return the key with what was read of a relay last, for as long as it is cut off."""
    key = _keys[number]
    return numbered(_noted(key, index, is_used=is_used, is_held=is_used or (key.exists and key.private[index])))


@cache
def _thawed(number: int, index: int) -> int:
    return numbered(_noted(_keys[number], index, is_used=False, is_held=False))


def reconnected(world: World, index: int) -> World:
    """Return the world with this relay within reach again."""
    keys = tuple(_thawed(number, index) for number in world.keys)
    return _set_relay(world._replace(keys=keys), index, world.relays[index]._replace(is_cut=False))


def copied(world: World) -> Iterator[tuple[str, World]]:
    """Yield the steps in which a private key reaches every relay."""
    if len(world.relays) > 1 and not any(relay.is_cut for relay in world.relays):
        for place, number in enumerate(world.keys):
            if (after := _copied(number)) != number:
                yield "key copied", _set(world, place, after)


def environment(world: World, size: Size) -> Iterator[tuple[str, World]]:
    """Yield every step of the world without dkimctl, but for time."""
    for place, number in enumerate(world.keys):
        for after in _propagated(number):
            yield "propagate", _set(world, place, after)
    yield from copied(world)
    for index, relay in enumerate(world.relays):
        if relay.pinned is not None:
            yield "connection closed", _set_relay(world, index, relay._replace(pinned=None))
        if relay.is_cut:
            yield "relay back", reconnected(world, index)
    if world.faults < size.faults:
        yield from _faults(world._replace(faults=world.faults + 1), size)


def _faults(world: World, size: Size) -> Iterator[tuple[str, World]]:
    for place, number in enumerate(world.keys):
        key = _keys[number]
        if key.account == KEY and "record deleted" in size.kinds:
            yield "record deleted", _set(world, place, _changed(number, account=NOTHING, is_hurt=True))
        if key.exists and not key.is_purged and not key.is_ended and "key leaked" in size.kinds:
            yield "key leaked", _set(world, place, _changed(number, leak=Leak.KEY))
    if len(world.relays) > 1 and "relay cut off" in size.kinds:
        for index, relay in enumerate(world.relays):
            keys = tuple(_frozen(number, index, relay.files == place) for place, number in enumerate(world.keys))
            yield "relay cut off", _set_relay(world._replace(keys=keys), index, relay._replace(is_cut=True))


# --- time

_RECORD_AGES = {"seen": 1, "confirmed": 1, "last_seen": 1, "gone": 1, "absent": TTL}
_RELAY_AGES = {"left": POLICY.private_key_for, "since": POLICY.rotate_after}
"""Where the age of each fact is cut, in ticks: at the longest time that the policy counts from it."""


def tick(world: World, size: Size) -> World:
    """Let time pass while every relay signs mail."""
    keys = _one_tick_older(world, size)
    world = World(keys, world.relays, world.faults)
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
    key = _keys[number]
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
def _is_over(number: int) -> bool:
    """Return True for a key that is gone from everywhere."""
    key = _keys[number]
    is_nowhere = key.servers == (NOTHING, NOTHING) and key.account == NOTHING
    return key.is_purged and is_nowhere and key.record.absent is not None and key.since_signed is None


def _without_dead(world: World, size: Size) -> World:
    """Forget a key that is gone from everywhere, so that its place is free for a key under a new selector, or in it."""
    stay = [place for place, number in enumerate(world.keys) if _keys[number].exists and not _is_over(number)]
    rest = [place for place in range(len(world.keys)) if place not in stay]
    new: dict[int | None, int | None] = {old: place for place, old in enumerate(stay)}
    new[None] = None
    if any(used not in new for relay in world.relays for used in (relay.files, relay.daemon, relay.pinned)):
        return world  # a relay still names it: that is judged
    free = sorted(_freed(world.keys[place], size.slots) for place in rest)
    relays = tuple(Relay(new[r.files], new[r.daemon], new[r.pinned], r.is_cut) for r in world.relays)  # type: ignore[arg-type]
    return World((*(world.keys[place] for place in stay), *free), relays, world.faults)


@cache
def _freed(number: int, in_slot: bool) -> int:
    key = _keys[number]
    free = _free(len(key.private))
    return numbered(free._replace(since_other=key.since_other, since_old=key.since_old) if in_slot else free)


@cache
def settled(number: int, in_slot: bool) -> int:
    """Return the key without ages that count for nothing any more."""
    key = _keys[number]
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
    key = _keys[number]
    is_missing = key.record.missing is not None and key.record.revoked is None and key.record.gone is None
    return key.exists and bool(
        key.is_hurt or key.is_rushed or key.leak or is_missing or any(one.failed is not None for one in key.on)
    )
