"""The exploration of the world of `lifecycle_model`, breadth first, and what it is judged by.

Safety: no step leads to a state in which mail is signed that someone cannot verify. Liveness: from every state that
was reached, a fair schedule (servers catch up, connections close, relays come back, each run of dkimctl succeeds)
leads to a circle of days in which keys are made, take over, and go from everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from dkimctl.lifecycle.facts import Leak
from dkimctl.lifecycle.plan import Do
from tests.lifecycle_effects import gather, outcomes
from tests.lifecycle_model import (
    DELIVERY,
    KEY,
    NEGATIVE,
    POLICY,
    TTL,
    Decide,
    Size,
    World,
    facts_of,
    key_of,
    known,
    start,
)
from tests.lifecycle_world import copied, ending, environment, is_troubled, reconnected, settled, tick

ONE = Size()
"""One relay, and no fault of the environment."""
Steps = tuple[tuple[Do, int], ...]
BROKEN_BY_OTHERS = "a record was deleted by someone, and is not back for as long as caches remember"
DECLARED_LEAKED = "a key was declared leaked: mail under way with it fails"
DELETED = "someone deleted the private key: mail waits until another key signs"
RUSHED = "the key that signed before was leaked, deleted or not served: margins are skipped"


# --- the judge


@cache
def _is_wrong(number: int, index: int, is_signing: bool) -> tuple[tuple[str, str], ...]:
    """What a tick would break for this key when relay `index` signs with it: each with the exemption, where one is."""
    key = key_of(number)
    hurt = BROKEN_BY_OTHERS if key.is_hurt else ""
    found = []
    if is_signing:
        if not key.private[index]:
            found.append(("I2: a relay signs with a key that it does not hold", DELETED if key.is_lost else ""))
        if key.is_early:
            found.append(("I5: a relay signs with a key that another did not hold when it was switched to", ""))
        if key.is_ended:
            found.append(("I7: a relay signs with a key whose record we took away", ""))
        if key.servers != (KEY, KEY):
            found.append(("I2: a relay signs with a key that DNS does not serve everywhere", hurt))
        elif key.since_absent < NEGATIVE:
            found.append(
                (
                    "I1: a relay signs with a key that a cache may believe missing",
                    hurt or (RUSHED if key.is_rushed else ""),
                )
            )
        if key.since_old < TTL:
            found.append(("I1: a relay signs with a key in whose slot a cache may hold the last one", ""))
    elif key.since_signed is not None and key.servers != (KEY, KEY):
        leaked = DECLARED_LEAKED if key.leak else ""
        found.append(("I1: mail under way cannot be verified", hurt or leaked))
    if key.since_other < TTL + DELIVERY and not key.is_ended and (KEY in key.servers or key.account == KEY):
        found.append(("I3: two keys in a slot within the keep time and the TTL", ""))
    return tuple(found)


def violations(world: World) -> list[tuple[str, str]]:
    """Return the invariants that a tick in this state would break, each with the exemption that excuses it."""
    signing = {(relay.daemon, index) for index, relay in enumerate(world.relays)}
    signing |= {(relay.pinned, index) for index, relay in enumerate(world.relays) if relay.pinned is not None}
    idle = {(place, 0) for place in range(len(world.keys))} - {(place, 0) for place, _ in signing}
    found: list[tuple[str, str]] = []
    for place, index in signing | idle:
        found += _is_wrong(world.keys[place], index, (place, index) in signing)
    return found


def is_too_early(world: World, do: Do, place: int) -> bool:
    """Return True for a step that a run after a long gap leaves to a later one: it proves, and puts records back."""
    if world.returned is None or do in (Do.LOOK, Do.PROVE):
        return False
    if do in _TAKES:
        return not key_of(world.keys[place]).leak
    if do is Do.PUBLISH and key_of(world.keys[place]).has_signed:
        return False
    return not any(_is_bad(world.keys[relay.files], index) for index, relay in enumerate(world.relays))


def _is_bad(number: int, index: int) -> bool:
    """Return True when a key that signs is known not to work."""
    key = key_of(number)
    on = key.on[index]
    return (
        bool(key.leak) or key.is_lost or key.record.missing is not None or (on.failed is not None and on.since is None)
    )


_TAKES = (Do.REVOKE, Do.REMOVE, Do.PURGE)


def breaks_the_rule(world: World, do: Do, place: int) -> bool:
    """Return True for a step that takes something away while dkimctl knows of a broken invariant (I6)."""
    if do not in _TAKES or key_of(world.keys[place]).leak:
        return False
    signing = {world.keys[relay.files] for relay in world.relays}
    return any(key_of(number).record.missing is not None for number in signing)


def takes_a_standby(world: World, do: Do, place: int) -> bool:
    """Return True for a step that takes away the last key, which never signed, nor was proven to."""
    if do not in _TAKES or any(key_of(number).exists for number in world.keys[place + 1 :]):
        return False
    key = key_of(world.keys[place])
    return not (key.leak or key.has_signed or key.is_ended)


# --- the exploration


@dataclass
class Explored:
    """The result of an exploration."""

    states: int = 0
    depth: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    """States in which an invariant did not hold, by the invariant and what excuses it."""
    phases: Counter[str] = field(default_factory=Counter)
    wrong: str = ""
    """The first invariant that is broken, or where nothing goes on; empty when all is well."""
    trace: tuple[str, ...] = ()
    """The steps to the first state in which an invariant is broken."""
    is_complete: bool = False


class _Core:
    """The core, asked once for all states of which it is told the same."""

    def __init__(self, decide: Decide, size: Size) -> None:
        self.decide, self.size = decide, size
        self.policy = POLICY._replace(automation=size.automation)
        self.decided: dict[object, Steps] = {}

    def steps(self, world: World, *, begin: bool = False) -> Steps:
        told = (known(world), begin)
        steps = self.decided.get(told)
        if steps is None:
            plan = self.decide(self.policy, facts_of(world, self.size), 0, begin=begin)
            wanted = ((action.do, int(action.key) if action.key else -1) for action in plan.actions)
            steps = self.decided[told] = tuple(dict.fromkeys(wanted))
        return steps


def explore(decide: Decide, size: Size = ONE, *, limit: int = 10**9, live_every: int = 1) -> Explored:
    """Explore every state that can be reached. `decide`: the core, or a mutant of it.

    `live_every`: one of so many states is asked whether a rotation can be completed from it; 0: none.
    """
    found, core = Explored(), _Core(decide, size)
    first = start(size)
    parents: dict[World, World | None] = {first: None}
    level: list[World] = [first]
    while level and len(parents) <= limit:
        following: list[World] = []
        for world in level:
            for wrong, excuse in violations(world):
                found.exempt[f"{wrong}: {excuse}"] += 1
                if not excuse:
                    found.exempt.clear()
                    return _failed(found, parents, world, wrong, core)
            for label, step in _steps(world, core):
                found.hits[label] += 1
                if label.startswith(("I6", "I13")):
                    return _failed(found, parents, world, label, core)
                after = canonical(step, core.size)
                if after not in parents:
                    parents[after] = world
                    following.append(after)
        level = following
        found.depth += bool(level)
    found.states, found.is_complete = len(parents), not level
    found.phases = Counter(phase for world in parents for number in world.keys for phase in phases(number))
    if live_every:
        stuck = find_stuck((world for at, world in enumerate(parents) if at % live_every == 0), core)
        if stuck:
            return _failed(found, parents, stuck[0], stuck[1], core)
    return found


def canonical(world: World, size: Size) -> World:
    """Return the same state without the ages that count for nothing."""
    keys = tuple([settled(number, size.slots) for number in world.keys])
    faults = world.faults
    if (
        faults
        and world.returned is None
        and not any(relay.is_cut for relay in world.relays)
        and not any(is_troubled(number) for number in keys)
    ):
        faults = 0  # it is over and forgotten: the next may come
    return World(keys, world.relays, faults, world.returned)


def _steps(world: World, core: _Core) -> Iterator[tuple[str, World]]:
    yield ("tick, a key ends" if ending(world, core.size) else "tick"), tick(world, core.size)
    yield from environment(world, core.size)
    noted = gather(world)
    if noted is not world:
        yield "gather", noted
    yield from _ends(noted, core, core.steps(noted))
    if core.size.begins:
        yield from _ends(noted, core, core.steps(noted, begin=True), is_asked=True)


def _ends(noted: World, core: _Core, steps: Steps, *, is_asked: bool = False) -> Iterator[tuple[str, World]]:
    for do, place in steps:
        if breaks_the_rule(noted, do, place):
            yield f"I6: {do} while the record of a key that signs is missing", noted
        if takes_a_standby(noted, do, place):
            yield f"I6: {do} of a key that never signed", noted
        if not is_asked and is_too_early(noted, do, place):
            yield f"I13: {do} in the first run after a long gap", noted
        for outcome, after in outcomes(noted, do, place, core.size):
            yield f"{do} {outcome}", after


def _failed(found: Explored, parents: dict[World, World | None], world: World, wrong: str, core: _Core) -> Explored:
    path: list[World] = [world]
    while (before := parents[path[-1]]) is not None:
        path.append(before)
    path.reverse()
    trace = []
    for before, after in pairwise(path):
        trace.append(next(label for label, step in _steps(before, core) if canonical(step, core.size) == after))
    found.states, found.wrong, found.trace = len(parents), wrong, (*trace, wrong)
    return found


# --- phases, for the counts


@cache
def phases(number: int) -> tuple[str, ...]:
    """Return the phases in which a key is, as the world has it."""
    key = key_of(number)
    if not key.exists:
        is_new = key.since_other >= TTL + DELIVERY and key.since_old >= TTL
        return ("free",) if is_new else ("free, in quarantine",)
    found = [_record_phase(number)]
    if key.leak is not Leak.NONE:
        found.append("leaked")
    if key.is_purged:
        found.append("private key purged")
    if any(one.pinned for one in key.on):
        found.append("left, connections open")
    elif any(one.left is not None for one in key.on):
        found.append("left")
    if any(one.tried is not None for one in key.on):
        found.append("switch begun")
    if any(one.since is not None for one in key.on):
        found.append("signs, proven")
    return tuple(found)


def _record_phase(number: int) -> str:
    record = key_of(number).record
    for name in ("absent", "removed", "gone", "revoked", "missing", "confirmed", "seen", "written"):
        if getattr(record, name) is not None:
            return f"record {name}"
    return "made"


# --- liveness


class Day(NamedTuple):
    """A day on which all goes well."""

    after: World
    done: frozenset[Do]
    ended: tuple[int, ...]
    """The places of the keys that are gone from everywhere."""


def fair_day(world: World, core: _Core) -> Day:
    """Return a day on which servers catch up, connections close, relays come back, and each run succeeds."""
    done: set[Do] = set()
    for index, relay in enumerate(world.relays):
        if relay.is_cut:
            world = reconnected(world, index)
    world = world._replace(relays=tuple(relay._replace(pinned=None) for relay in world.relays))
    for _ in range(20):
        world = canonical(gather(_caught_up(world)), core.size)
        for do, place in core.steps(world, begin=core.size.automation == "off"):
            after = canonical(
                [step for end, step in outcomes(world, do, place, core.size) if end == "done"][-1], core.size
            )
            if after != world:
                done.add(do)
                world = after
                break
        else:
            break
    world = _caught_up(world)
    return Day(canonical(tick(world, core.size), core.size), frozenset(done), tuple(ending(world, core.size)))


def _caught_up(world: World) -> World:
    quiet = Size(relays=len(world.relays))
    step: World | None = world
    while step is not None:
        world = step
        step = next((after for label, after in environment(world, quiet) if label == "propagate"), None)
    step = next((after for _, after in copied(world)), None)
    return world if step is None else _caught_up(step)


def find_stuck(worlds: Iterable[World], core: _Core) -> tuple[World, str] | None:
    """Return the first state from which fair days do not lead to a circle of whole rotations, and why."""
    known_good: set[World] = set()
    for first in worlds:
        path: dict[World, Day] = {}
        world = first
        while world not in known_good and world not in path:
            path[world] = fair_day(world, core)
            world = path[world].after
        if world not in known_good:
            why = _is_idle(world, path)
            if why:
                return first, why
        known_good.update(path)
    return None


def _is_idle(world: World, days: dict[World, Day]) -> str:
    """Return what never happens in the circle of days that begins here; empty when keys live and go."""
    circle = [world]
    while (after := days[circle[-1]].after) != world:
        circle.append(after)
    done = frozenset[Do]().union(*(days[day].done for day in circle))
    never = [str(do) for do in Do if do not in done and do is not Do.PROVE]
    if never:
        return f"I10: after fair days nothing is left to be done by: {', '.join(never)}"
    if any(violations(day) for day in circle):
        return "I10: an invariant stays broken"
    here = {place for place, number in enumerate(world.keys) if key_of(number).exists}
    for _ in range(30):
        ended = days[world].ended
        here = {place - sum(1 for gone in ended if gone < place) for place in here - set(ended)}
        world = days[world].after
    return "I10: a key stays for ever" if here else ""
