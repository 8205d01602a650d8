"""A model of the world in which keys are rotated, explored breadth first: `lifecycle.plan` decides, this judges.

One domain, three keys, relays, two name servers, an account at a provider, caches, milter connections that stay open
across a reload. Time is abstracted to its order against the deadlines: the policy's times are a few ticks, and an age
that exceeds every deadline is cut. What is judged is the history of the world (mail signed, DNS served, what caches
may hold), never what the core believes.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from dkimctl.lifecycle.facts import Facts, KeyFacts, KeyOnRelay, Leak, RecordFacts
from dkimctl.lifecycle.plan import Action, Do, Plan
from dkimctl.lifecycle.policy import Policy

T = TypeVar("T")
A = TypeVar("A", RecordFacts, KeyOnRelay)
NOTHING, KEY, EMPTY = 0, 1, 2  # what is at a name
DELIVERY = 1
"""For so many ticks after it was signed a message may be verified."""
NEGATIVE = 1
"""For so many ticks a resolver may remember that a name does not exist."""
POLICY = Policy(
    rotate_after=2,
    proof_interval=1,
    publication_margin=1,
    standby_lead=1,
    keep_after=DELIVERY,
    revoked_for=1,
    private_key_for=2,
    check_every=1,
    checks_after_switch=(),
    publish_again=0,
    retry=0,
    fresh=0,
)


class Name(NamedTuple):
    """A key and its record, in the world."""

    exists: bool = False
    private: tuple[bool, ...] = ()
    """By relay: the private key is there."""
    account: int = NOTHING
    servers: tuple[int, int] = (NOTHING, NOTHING)
    since_absent: int = 0
    """Ticks since a server last said that the name does not exist, at most NEGATIVE."""
    since_signed: int | None = None
    """Ticks since a message was last signed with it, at most DELIVERY + 1; None: never, or too long ago to matter."""
    is_hurt: bool = False
    """Somebody else deleted its record, or it was declared leaked: what cannot hold then is not judged."""
    is_ended: bool = False
    """We took its record away: it must never sign again."""


class Relay(NamedTuple):
    """A relay, in the world. Keys are numbers."""

    files: int = 0
    """The key that the installed tables name."""
    daemon: int = 0
    """The key with which new connections are signed."""
    pinned: int | None = None
    """The key with which a connection that was open at the last reload is signed."""


class World(NamedTuple):
    """A state: the world, and what dkimctl noted of it. Instants are ticks before now, so never positive."""

    names: tuple[Name, ...]
    relays: tuple[Relay, ...]
    created: tuple[int, ...]
    records: tuple[RecordFacts, ...]
    on_relays: tuple[tuple[KeyOnRelay, ...], ...]
    leaks: tuple[Leak, ...]
    purged: tuple[bool, ...]
    faults: int = 0
    """Faults of the environment so far."""


def start(relays: int) -> World:
    """A domain with one key that signs and has been proven."""
    record = RecordFacts(written=0, seen=-1, confirmed=-1, last_seen=0, negative_ttl=NEGATIVE)
    used = KeyOnRelay(since=0, proven=0)
    none = Name(private=(False,) * relays)
    first = Name(True, (True,) * relays, KEY, (KEY, KEY), NEGATIVE, 0)
    blank = (KeyOnRelay(),) * relays
    return World(
        (first, none, none),
        (Relay(),) * relays,
        (0, 0, 0),
        (record, RecordFacts(), RecordFacts()),
        ((used,) * relays, blank, blank),
        (Leak.NONE,) * 3,
        (False,) * 3,
    )


def facts_of(world: World) -> Facts:
    """What the executor would tell the core: what was noted, and what is read from this machine just now."""
    keys = []
    for number, name in enumerate(world.names):
        if not name.exists:
            continue
        seen = {}
        for index, relay in enumerate(world.relays):
            noted = world.on_relays[number][index]
            seen[f"relay{index}"] = noted._replace(is_held=name.private[index], is_used=relay.files == number)
        keys.append(
            KeyFacts(
                str(number),
                f"s{number}",
                "rsa",
                world.created[number],
                leak=world.leaks[number],
                record=world.records[number],
                relays=seen,
                is_purged=world.purged[number],
            )
        )
    keys.sort(key=lambda key: (key.created, key.id))
    return Facts("example.com", tuple(keys), free_selector=any(not name.exists for name in world.names))


# --- what dkimctl does


def _put(values: tuple[T, ...], number: int, value: T) -> tuple[T, ...]:
    return (*values[:number], value, *values[number + 1 :])


def _name(world: World, number: int, **changes: object) -> World:
    return world._replace(names=_put(world.names, number, world.names[number]._replace(**changes)))


def _record(world: World, number: int, **changes: object) -> World:
    return world._replace(records=_put(world.records, number, world.records[number]._replace(**changes)))


def _noted(world: World, number: int, relay: int, **changes: object) -> World:
    of_key = world.on_relays[number]
    return world._replace(
        on_relays=_put(world.on_relays, number, _put(of_key, relay, of_key[relay]._replace(**changes)))
    )


def gather(world: World) -> World:
    """Note since when each relay cannot sign any more with a key that its tables do not name."""
    for index, relay in enumerate(world.relays):
        if world.on_relays[relay.files][index].since is None:
            continue  # not proven: the daemon may not have read the tables yet
        for number in range(len(world.names)):
            noted = world.on_relays[number][index]._replace(is_used=False)
            if number == relay.files or not noted.has_signed or noted.left is not None:
                continue
            may_still = relay.pinned is not None and (not noted.pinned or relay.pinned == number)
            pinned = ("open",) if may_still else ()
            left = None if may_still else 0
            world = _noted(
                world, number, index, pinned=pinned, left=left, since=None, proven=None, tried=None, failed=None
            )
    return world


def _look(world: World, number: int) -> World:
    record, servers = world.records[number], world.names[number].servers
    if servers == (KEY, KEY):
        seen = 0 if record.seen is None else record.seen
        confirmed = 0 if record.confirmed is None and seen <= -POLICY.proof_interval else record.confirmed
        return _record(world, number, seen=seen, confirmed=confirmed, last_seen=0, missing=None, negative_ttl=NEGATIVE)
    missing = 0 if record.missing is None else record.missing
    world = _record(world, number, missing=missing, seen=None, confirmed=None)
    if KEY in servers:
        return world
    if record.gone is None and (record.revoked is not None or servers == (EMPTY, EMPTY)):
        world = _record(world, number, gone=0)
    if record.gone is not None and servers == (NOTHING, NOTHING):
        world = _record(world, number, absent=0)
    return world


def _switch(world: World, number: int) -> Iterator[World]:
    """Every state in which a switch may be stopped; the last one is its end."""
    for index in range(len(world.relays)):
        world = _noted(world, number, index, tried=0, left=None, pinned=())
    yield world
    for index, relay in enumerate(world.relays):
        if relay.files != number:
            world = world._replace(relays=_put(world.relays, index, relay._replace(files=number)))
            yield world
        if relay.daemon != number:
            world = _reloaded(world, index)
            yield world
        world = _noted(world, number, index, since=0, proven=0, failed=None, left=None, pinned=(), tried=None)
        yield world


def _reloaded(world: World, index: int) -> World:
    relay = world.relays[index]
    if relay.daemon == relay.files:
        return world
    return world._replace(relays=_put(world.relays, index, Relay(relay.files, relay.files, relay.daemon)))


def _switch_that_fails(world: World, number: int) -> Iterator[World]:
    """The probe is not signed as it should be: the old tables are put back."""
    before = world.relays
    for index in range(len(world.relays)):
        world = _noted(world, number, index, tried=0, left=None, pinned=())
    world = world._replace(relays=_put(world.relays, 0, world.relays[0]._replace(files=number)))
    world = _reloaded(world, 0)
    yield _noted(world, number, 0, failed=0)
    world = world._replace(relays=_put(world.relays, 0, world.relays[0]._replace(files=before[0].files)))
    yield world
    yield _reloaded(world, 0)


def _prove(world: World, number: int) -> World:
    for index, relay in enumerate(world.relays):
        if relay.files == number:
            world = _reloaded(world, index)
            since = world.on_relays[number][index].since
            world = _noted(
                world, number, index, since=0 if since is None else since, proven=0, failed=None, left=None, pinned=()
            )
            world = _noted(world, number, index, tried=None)
    return world


def _make(world: World) -> World:
    number = next(n for n, name in enumerate(world.names) if not name.exists)
    world = _name(world, number, exists=True, private=(True,) + (False,) * (len(world.relays) - 1))
    return world._replace(created=_put(world.created, number, 0))


def outcomes(world: World, action: Action) -> Iterator[tuple[str, World]]:
    """Every end of an action: done, and for each effect stopped before it was noted."""
    number = int(action.key) if action.key else -1
    name = world.names[number]
    match action.do:
        case Do.MAKE:
            yield "done", _make(world)
        case Do.PUBLISH:
            if name.account != EMPTY:
                written = _name(world, number, account=KEY)
                yield "killed", written
                yield "done", _record(written, number, written=0)
        case Do.LOOK:
            yield "done", _look(world, number)
        case Do.SWITCH:
            *stopped, end = _switch(world, number)
            yield from (("killed", state) for state in stopped)
            yield "done", end
            if world.faults < FAULTS:
                failing = world._replace(faults=world.faults + 1)
                *stopped, end = _switch_that_fails(failing, number)
                yield from (("killed", state) for state in stopped)
                yield "failed", end
        case Do.PROVE:
            yield "done", _prove(world, number)
        case Do.REVOKE:
            emptied = _name(world, number, account=EMPTY, is_ended=True)
            yield "killed", emptied
            record = RecordFacts(revoked=0)
            yield "done", emptied._replace(records=_put(emptied.records, number, record))
        case Do.REMOVE:
            removed = _name(world, number, account=NOTHING)
            yield "killed", removed
            yield "done", _record(removed, number, removed=0)
        case Do.PURGE:
            purged = _name(world, number, private=(False,) * len(world.relays))
            yield "killed", purged
            yield "done", purged._replace(purged=_put(world.purged, number, True))


# --- what the world does

FAULTS = 0
"""Faults of the environment in one history, at most: a record deleted by somebody, a leak, a switch that fails."""


def environment(world: World) -> Iterator[tuple[str, World]]:
    """Every step of the world without dkimctl, but for time."""
    for number, name in enumerate(world.names):
        for index in (0, 1):
            if name.servers[index] != name.account:
                servers = tuple(sorted(_put(name.servers, index, name.account)))
                yield "propagate", _name(world, number, servers=servers)
        if name.exists and not all(name.private) and any(name.private):
            yield "key copied", _name(world, number, private=(True,) * len(name.private))
        if world.faults < FAULTS and name.account == KEY and not name.is_hurt:
            faulty = world._replace(faults=world.faults + 1)
            yield "record deleted", _name(faulty, number, account=NOTHING, is_hurt=True)
            leaked = faulty._replace(leaks=_put(world.leaks, number, Leak.KEY))
            yield "key leaked", _name(leaked, number, is_hurt=True)
    for index, relay in enumerate(world.relays):
        if relay.pinned is not None:
            yield "connection closed", world._replace(relays=_put(world.relays, index, relay._replace(pinned=None)))


def tick(world: World) -> World:
    """Time passes, and every relay signs mail."""
    signing = {key for relay in world.relays for key in (relay.daemon, relay.pinned)}
    names = tuple(_older(name, number in signing) for number, name in enumerate(world.names))
    records = tuple(_aged(record, _RECORD_AGES) for record in world.records)
    on_relays = tuple(tuple(_aged(one, _RELAY_AGES) for one in of_key) for of_key in world.on_relays)
    created = tuple(max(at - 1, -POLICY.rotate_after) for at in world.created)
    older = world._replace(names=names, records=records, on_relays=on_relays, created=created)
    return _without_dead(older)


_RECORD_AGES = {"seen": 1, "confirmed": 1, "last_seen": 1, "gone": 1}
_RELAY_AGES = {"left": POLICY.private_key_for}
"""Where the age of each fact is cut, in ticks: at the longest time that the policy counts from it."""


def _aged(facts: A, longest: Mapping[str, int]) -> A:
    older = {}
    for name, age in longest.items():
        at = getattr(facts, name)
        if at is not None and at > -age:
            older[name] = at - 1
    return facts._replace(**older) if older else facts


def _older(name: Name, is_signing: bool) -> Name:
    absent = 0 if NOTHING in name.servers else min(name.since_absent + 1, NEGATIVE)
    signed = 0 if is_signing else name.since_signed
    if signed is not None:
        signed = None if signed >= DELIVERY else signed + 1
    is_hurt = name.is_hurt and not (name.servers == (KEY, KEY) and absent >= NEGATIVE and name.account == KEY)
    return name._replace(since_absent=absent, since_signed=signed, is_hurt=is_hurt)


def _without_dead(world: World) -> World:
    """Forget a key that is gone from everywhere, so that its number stands for a key under a new selector."""
    for number, name in enumerate(world.names):
        is_nowhere = name.servers == (NOTHING, NOTHING) and name.account == NOTHING and not name.is_hurt
        if world.purged[number] and is_nowhere and world.records[number].absent is not None:
            count = len(world.relays)
            world = World(
                _put(world.names, number, Name(private=(False,) * count)),
                world.relays,
                _put(world.created, number, 0),
                _put(world.records, number, RecordFacts()),
                _put(world.on_relays, number, (KeyOnRelay(),) * count),
                _put(world.leaks, number, Leak.NONE),
                _put(world.purged, number, False),
                world.faults,
            )
    return world


# --- the judge


def violations(world: World) -> Iterator[str]:
    """The invariants that a tick in this state would break."""
    hurt = any(name.is_hurt for name in world.names) or any(world.leaks)
    for index, relay in enumerate(world.relays):
        for number in {relay.daemon, relay.pinned} - {None}:
            name = world.names[number]
            if not name.private[index]:
                yield "I2: a relay signs with a key that it does not hold"
            if name.is_ended:
                yield "I7: a relay signs with a key whose record we took away"
            if name.servers != (KEY, KEY) and not name.is_hurt:
                yield "I2: a relay signs with a key that DNS does not serve everywhere"
            elif name.since_absent < NEGATIVE and not hurt:
                yield "I1: a relay signs with a key that a cache may believe missing"
    for name in world.names:
        if name.since_signed is not None and name.servers != (KEY, KEY) and not name.is_hurt:
            yield "I1: mail under way cannot be verified"


# --- the exploration

NAMED = False
"""True to name the keys in a trace."""


@dataclass
class Explored:
    """The result of an exploration."""

    states: int = 0
    depth: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    """The steps to the first state in which an invariant is broken."""
    is_complete: bool = False


def explore(
    relays: int, decide: Callable[[Policy, Facts, int], Plan], *, limit: int = 10**9, stop_at_first: bool = True
) -> Explored:
    """Explore every state that can be reached, breadth first. `decide`: the core, or a mutant of it."""
    found = Explored()
    first = start(relays)
    decided: dict[tuple[object, ...], Plan] = {}

    def plan_for(world: World) -> Plan:
        exists = tuple((name.exists, name.private) for name in world.names)
        files = tuple(relay.files for relay in world.relays)
        known = (exists, files, *world[2:7])
        if known not in decided:
            decided[known] = decide(POLICY, facts_of(world), 0)
        return decided[known]

    parents: dict[World, tuple[World | None, str]] = {first: (None, "start")}
    queue = deque([(first, 0)])
    while queue:
        world, depth = queue.popleft()
        found.depth = max(found.depth, depth)
        wrong = list(violations(world))
        found.broken.update(wrong)
        if wrong:
            if not found.trace:
                found.trace = [*_path(world, parents), wrong[0]]
            if stop_at_first:
                break
            continue
        for label, step in _steps(world, plan_for):
            found.hits[label] += 1
            after = _in_order(_without_ages(step))
            if after not in parents:
                parents[after] = (world, label)
                queue.append((after, depth + 1))
        if len(parents) > limit:
            break
    found.states = len(parents)
    found.is_complete = not queue
    return found


def _steps(world: World, decide: Callable[[World], Plan]) -> Iterator[tuple[str, World]]:
    yield "tick", tick(world)
    yield from environment(world)
    noted = gather(world)
    if noted != world:
        yield "gather", noted
    for action in decide(noted).actions:
        for outcome, after in outcomes(noted, action):
            yield f"{action.do} {action.key} {outcome}".replace("  ", " ") if NAMED else f"{action.do} {outcome}", after


def _without_ages(world: World) -> World:
    """The same state without the ages that count for nothing any more: of proofs before a key signed."""
    for number, of_key in enumerate(world.on_relays):
        record = world.records[number]
        signs = any(one.since is not None for one in of_key)
        if record.seen is not None and (signs or any(one.left is not None or one.pinned for one in of_key)):
            last = record.last_seen if signs else -1
            confirmed = None if record.confirmed is None else -1
            world = _record(world, number, seen=-1, confirmed=confirmed, last_seen=last)
    return world


def _in_order(world: World) -> World:
    """The same state with its keys numbered by what they are: which number a key has makes no difference."""

    def key(number: int) -> tuple[object, ...]:
        return (
            not world.names[number].exists,
            world.created[number],
            repr((world.names[number], world.records[number], world.on_relays[number])),
            world.leaks[number],
            world.purged[number],
        )

    order = sorted(range(len(world.names)), key=key)
    if order == sorted(order):
        return world
    new = {old: number for number, old in enumerate(order)} | {None: None}
    relays = tuple(Relay(new[r.files], new[r.daemon], new[r.pinned]) for r in world.relays)
    return World(
        *(tuple(part[old] for old in order) if part is not world.relays else relays for part in world[:-1]),
        world.faults,
    )


def _path(world: World, parents: dict[World, tuple[World | None, str]]) -> list[str]:
    steps: list[str] = []
    at: World | None = world
    while at is not None:
        at, label = parents[at]
        steps.append(label)
    return steps[::-1]
