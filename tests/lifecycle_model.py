"""A model of the world in which keys are rotated: `lifecycle.plan` decides, this acts, and judges.

One domain, three keys, relays, two name servers, an account at a provider, caches, milter connections that stay open
across a reload. Time is abstracted to its order against the deadlines: the policy's times are a few ticks, and an age
that exceeds every deadline is cut. What is judged is the history of the world (mail signed, DNS served, what caches
may hold), never what the core believes. A state names its keys by number, so that each step of a key is computed once.

`lifecycle_effects` has what dkimctl does, `lifecycle_world` what happens without it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

from dkimctl.lifecycle.facts import Facts, KeyFacts, KeyOnRelay, Leak, RecordFacts
from dkimctl.lifecycle.plan import Plan
from dkimctl.lifecycle.policy import Policy

T = TypeVar("T")
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
    care=1,
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
    same_second: bool = False
    """True when all keys were made in one second."""
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
    """Another program deleted its record: what cannot hold then is not judged."""
    is_rushed: bool = False
    """A switch to it began while the key that signed was known not to be usable: margins are skipped."""
    is_early: bool = False
    """A switch to it reached a relay while another one within reach did not hold it."""
    has_signed: bool = False
    """A message was once signed with it, or proven to be."""
    is_lost: bool = False
    """Someone deleted its private key."""
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
    returned: int | None = None
    """When a run looked again after a long gap, or after a jump of the clock: in ticks before now, for one tick."""


# --- numbers of keys: every step of one key is computed once

_numbers: dict[Key, int] = {}
all_keys: list[Key] = []


def numbered(key: Key) -> int:
    """Return the number of a key in this state."""
    number = _numbers.setdefault(key, len(all_keys))
    if number == len(all_keys):
        all_keys.append(key)
    return number


def key_of(number: int) -> Key:
    """Return the key with this number."""
    return all_keys[number]


def with_noted(key: Key, relay: int, **changes: Any) -> Key:
    """Return the key with other facts about one relay."""
    return key._replace(on=replaced(key.on, relay, key.on[relay]._replace(**changes)))


def replaced(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    """Return the values with another one at this place."""
    return (*values[:place], value, *values[place + 1 :])


def with_key(world: World, place: int, number: int) -> World:
    """Return the world with another key at this place."""
    return World(replaced(world.keys, place, number), world.relays, world.faults, world.returned)


def with_relay(world: World, index: int, relay: Relay) -> World:
    """Return the world with this relay in another state."""
    return World(world.keys, replaced(world.relays, index, relay), world.faults, world.returned)


def start(size: Size) -> World:
    """Return a domain with one key that signs and has been proven."""
    record = RecordFacts(written=0, seen=-1, confirmed=-1, last_seen=0, negative_ttl=NEGATIVE, ttl=TTL)
    used = (KeyOnRelay(since=0, proven=0),) * size.relays
    first = Key(
        True, (True,) * size.relays, KEY, (KEY, KEY), NEGATIVE, DELIVERY, has_signed=True, record=record, on=used
    )
    free = numbered(free_key(size.relays))
    return World((numbered(first), *[free] * (size.keys - 1)), (Relay(),) * size.relays)


def free_key(relays: int) -> Key:
    """Return what is at a place without a key."""
    return Key(private=(False,) * relays, on=(KeyOnRelay(),) * relays)


# --- what the executor would tell the core


@cache
def _facts_number(number: int) -> int:
    """Return a number for what the core may know of a key."""
    key = all_keys[number]
    kept = Key(key.exists, key.private, record=key.record, on=key.on, leak=key.leak, is_purged=key.is_purged)
    return numbered(kept._replace(is_lost=key.is_lost))


def known(world: World) -> tuple[tuple[int, ...], tuple[int | None, ...], int | None]:
    """Return what the facts are made of: states in which it is the same have the same plan."""
    tables = tuple(None if relay.is_cut else relay.files for relay in world.relays)
    return tuple([_facts_number(number) for number in world.keys]), tables, world.returned


@cache
def _key_facts(number: int, place: int, tables: tuple[int | None, ...], size: Size) -> KeyFacts:
    key, seen = all_keys[number], {}
    for index, noted in enumerate(key.on):
        if tables[index] is None:  # a relay that is cut off keeps what was read of it last
            noted = noted._replace(is_away=True)
        else:
            noted = noted._replace(is_held=key.private[index], is_used=tables[index] == place, is_lost=key.is_lost)
        seen[f"relay{index}"] = noted
    return KeyFacts(
        str(place),
        f"s{place}",
        "rsa",
        (0 if size.same_second else place)
        - KEYS
        - POLICY.rotate_after,  # older than every deadline, in order: what counts is since when it signs
        leak=key.leak,
        record=key.record,
        in_slot=size.slots,
        relays=seen,
        is_purged=key.is_purged,
    )


def facts_of(world: World, size: Size) -> Facts:
    """Return what was noted, and what is read from the relays just now."""
    numbers, tables, returned = known(world)
    keys = tuple(
        _key_facts(number, place, tables, size) for place, number in enumerate(numbers) if all_keys[number].exists
    )
    is_free = not all(all_keys[number].exists for number in world.keys)
    return Facts("example.com", keys, free_selector=is_free, returned=returned)
