"""What dkimctl does in the world of `lifecycle_model`: every end of each action of a plan, a killed run among them."""

from collections.abc import Iterator
from functools import cache

from dkimctl.lifecycle.facts import RecordFacts
from dkimctl.lifecycle.plan import Do
from tests.lifecycle_model import (
    EMPTY,
    KEY,
    NEGATIVE,
    NOTHING,
    POLICY,
    TTL,
    Relay,
    Size,
    World,
    all_keys,
    numbered,
    with_key,
    with_noted,
    with_relay,
)


def gather(world: World) -> World:
    """Note since when each relay cannot sign any more with a key that its tables do not name."""
    for index, relay in enumerate(world.relays):
        if relay.is_cut or all_keys[world.keys[relay.files]].on[index].since is None:
            continue  # not proven: the daemon may not have read the tables yet
        for place, number in enumerate(world.keys):
            if place != relay.files:
                after = _stopped(number, index, relay.pinned is not None, relay.pinned == place)
                if after != number:
                    world = with_key(world, place, after)
    return world


@cache
def _stopped(number: int, index: int, is_open: bool, is_pinned: bool) -> int:
    key = all_keys[number]
    noted = key.on[index]
    if not key.exists or not noted.has_signed or noted.left is not None:
        return number
    may_still = is_open and (not noted.pinned or is_pinned)
    pinned, left = (("open",), None) if may_still else ((), 0)
    tried = noted.tried if noted.since is None else None
    return numbered(with_noted(key, index, pinned=pinned, left=left, since=None, proven=None, tried=tried, failed=None))


@cache
def _looked(number: int) -> int:
    key = all_keys[number]
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
    return numbered(with_noted(all_keys[number], index, tried=0, since=None, proven=None, left=None, pinned=()))


@cache
def _began(number: int, index: int) -> int:
    key = all_keys[number]._replace(has_signed=True)
    return numbered(with_noted(key, index, since=0, proven=0, failed=None, left=None, pinned=(), tried=None))


@cache
def _proven(number: int, index: int) -> int:
    since = all_keys[number].on[index].since
    after = _began(number, index)
    return after if since is None else numbered(with_noted(all_keys[after], index, since=since))


@cache
def _failing(number: int, index: int) -> int:
    return numbered(with_noted(all_keys[number], index, failed=0))


@cache
def _is_bad(number: int, index: int) -> bool:
    key = all_keys[number]
    return bool(key.leak) or key.is_lost or key.record.missing is not None or key.on[index].failed is not None


@cache
def _rushed(number: int) -> int:
    key = all_keys[number]
    return numbered(key._replace(is_rushed=key.since_absent < NEGATIVE))


@cache
def _early(number: int) -> int:
    return numbered(all_keys[number]._replace(is_early=True))


def _switch(world: World, place: int) -> Iterator[World]:
    """Every state in which a switch may be stopped; the last one is its end. A relay that is cut off is left out."""
    reached = [index for index, relay in enumerate(world.relays) if not relay.is_cut]
    for index in reached:
        world = with_key(world, place, _tried(world.keys[place], index))
    if not all(all_keys[world.keys[place]].private[index] for index in reached):
        world = with_key(world, place, _early(world.keys[place]))
    yield world
    for index in reached:
        relay = world.relays[index]
        if relay.files != place:
            world = with_relay(world, index, relay._replace(files=place))
            yield world
        if relay.daemon != place:
            world = _reloaded(world, index)
            yield world
        world = with_key(world, place, _began(world.keys[place], index))
        yield world


def _reloaded(world: World, index: int) -> World:
    relay = world.relays[index]
    if relay.daemon == relay.files:
        return world
    return with_relay(world, index, Relay(relay.files, relay.files, relay.daemon, relay.is_cut))


def _switch_that_fails(world: World, place: int) -> Iterator[World]:
    """The probe is not signed as it should be: the old tables are put back."""
    before = world.relays[0].files
    for index in range(len(world.relays)):
        world = with_key(world, place, _tried(world.keys[place], index))
    world = _reloaded(with_relay(world, 0, world.relays[0]._replace(files=place)), 0)
    world = with_key(world, place, _failing(world.keys[place], 0))
    yield world
    world = with_relay(world, 0, world.relays[0]._replace(files=before))
    yield world
    yield _reloaded(world, 0)


def _prove(world: World, place: int) -> World:
    for index, relay in enumerate(world.relays):
        if relay.files == place and not relay.is_cut:
            world = _reloaded(world, index)
            world = with_key(world, place, _proven(world.keys[place], index))
    return world


@cache
def _made(number: int) -> int:
    key = all_keys[number]
    return numbered(key._replace(exists=True, private=(True, *key.private[1:])))


def _make(world: World) -> World:
    place = next(place for place, number in enumerate(world.keys) if not all_keys[number].exists)
    return with_key(world, place, _made(world.keys[place]))


@cache
def _written(number: int) -> tuple[int, ...]:
    key = all_keys[number]
    if key.account == EMPTY:
        return ()
    put = key._replace(account=KEY)
    return numbered(put), numbered(put._replace(record=put.record._replace(written=0)))


@cache
def _revoked(number: int) -> tuple[int, ...]:
    emptied = all_keys[number]._replace(account=EMPTY, is_ended=True)
    return numbered(emptied), numbered(emptied._replace(record=RecordFacts(revoked=0, ttl=emptied.record.ttl)))


@cache
def _removed(number: int) -> tuple[int, ...]:
    gone = all_keys[number]._replace(account=NOTHING)
    return numbered(gone), numbered(gone._replace(record=gone.record._replace(removed=0, absent=None)))


@cache
def _purged(number: int) -> tuple[int, ...]:
    key = all_keys[number]
    bare = key._replace(private=(False,) * len(key.private))
    return numbered(bare), numbered(bare._replace(is_purged=True))


_EFFECTS = {Do.PUBLISH: _written, Do.REVOKE: _revoked, Do.REMOVE: _removed, Do.PURGE: _purged}


def outcomes(world: World, do: Do, place: int, size: Size) -> Iterator[tuple[str, World]]:
    """Yield every end of an action: done, and for each effect stopped before it was noted."""
    match do:
        case Do.MAKE:
            yield "done", _make(world)
        case Do.LOOK:
            yield "done", with_key(world, place, _looked(world.keys[place]))
        case Do.PROVE:
            yield "done", _prove(world, place)
        case Do.SWITCH:
            if any(_is_bad(world.keys[relay.files], index) for index, relay in enumerate(world.relays)):
                world = with_key(world, place, _rushed(world.keys[place]))
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
                yield label, with_key(world, place, number)
