"""The core of the key life cycle, explored until nothing new is found, and judged by the world's own history.

`DKIMCTL_TEST_FULL=1` explores larger worlds too: faults of the environment, two relays, slots, a person in a hurry.
"""

import os
from collections.abc import Callable

import pytest

from dkimctl.lifecycle.plan import Do, plan
from tests.lifecycle_explore import Explored, explore
from tests.lifecycle_model import Size

FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
PHASES = {
    "free", "made", "record written", "record seen", "record confirmed", "switch begun", "signs, proven",
    "left, connections open", "left", "record revoked", "record gone", "record removed", "record absent",
    "private key purged",
}  # fmt: skip
WORLDS = {
    "a record deleted by hand": Size(keys=2, faults=1, kinds=("record deleted",)),
    "a key leaked": Size(keys=2, faults=1, kinds=("key leaked",)),
    "a switch that fails": Size(keys=2, faults=1, kinds=("switch fails",)),
    "a switch that fails, keys made in one second": Size(keys=2, faults=1, kinds=("switch fails",), same_second=True),
    "a private key deleted": Size(keys=2, faults=1, kinds=("private key deleted",)),
    "two relays, one cut off": Size(keys=2, relays=2, faults=1, kinds=("relay cut off",)),
    "two relays, a key leaked": Size(keys=2, relays=2, faults=1, kinds=("key leaked",)),
    "a long gap, or a clock ahead": Size(keys=2, faults=1, kinds=("clock ahead",)),
    "slots": Size(keys=2, slots=True),
    "slots, a key leaked": Size(keys=2, slots=True, faults=1, kinds=("key leaked",)),
    "nothing by itself, a person who asks at any time": Size(begins=True, automation="off"),
}
"""Explored to the end every time. With faults two keys at one time: the one that signs, and the next or the last."""
LARGER = {
    "a record deleted by hand": Size(faults=1, kinds=("record deleted",)),
    "a key leaked": Size(faults=1, kinds=("key leaked",)),
    "a switch that fails": Size(faults=1, kinds=("switch fails",)),
    "slots": Size(slots=True),
    "slots, a record deleted by hand": Size(keys=2, slots=True, faults=1, kinds=("record deleted",)),
    "two relays": Size(relays=2),
    "two relays, one cut off": Size(relays=2, faults=1, kinds=("relay cut off",)),
    "two relays, a key leaked": Size(relays=2, faults=1, kinds=("key leaked",)),
}
EMPTIED = {"a switch that fails", "slots", "slots, a record deleted by hand", "two relays"}
"""The larger worlds that are explored to the end; those of three keys with a fault that lasts are bounded."""
LIMIT = 1_000_000
"""A larger world is explored, nearest states first, up to so many."""


def test_no_order_of_events_leaves_mail_without_a_record(record_property: Callable[[str, object], None]) -> None:
    """Every state that one relay can reach, every stop between an effect and its note: the invariants hold.

    And from each state on which the sample falls a fair schedule completes rotations for ever.
    """
    found = explore(plan, live_every=1 if FULL else 5)
    assert (found.wrong, found.trace) == ("", ())
    assert found.is_complete
    assert found.exempt == {}
    assert never(found, Size()) == []
    note(found, "one relay and no fault", record_property)


def never(found: Explored, size: Size) -> list[str]:
    """Return which action, stop, fault or phase an exploration never saw: each would prove nothing."""
    hits = [f"{do} done" for do in Do]
    hits += [f"{do} killed" for do in (Do.PUBLISH, Do.SWITCH, Do.REVOKE, Do.REMOVE, Do.PURGE)]
    hits += ["propagate", "connection closed", "gather", "tick", "tick, a key ends"]
    hits += [_FAULTS.get(kind, kind) for kind in size.kinds if size.faults]
    hits += ["relay back"] if size.faults and "relay cut off" in size.kinds else []
    wanted = PHASES | {"leaked"} if size.faults and "key leaked" in size.kinds else PHASES
    return [hit for hit in hits if not found.hits[hit]] + sorted(wanted - set(found.phases))


_FAULTS = {"switch fails": "switch failed"}


@pytest.mark.parametrize("name", WORLDS)
def test_what_the_environment_breaks_is_recovered_from(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    """Each kind of fault, slots, and a person in a hurry, to the last state: exempt is only what someone broke."""
    size = WORLDS[name]
    found = explore(plan, size, live_every=1 if FULL else 10)
    assert (found.wrong, found.trace) == ("", ())
    assert found.is_complete
    assert never(found, size) == []
    assert "free, in quarantine" not in found.phases, "a slot is used again, and not before its quarantine is over"
    note(found, name, record_property)


def note(found: Explored, name: str, record_property: Callable[[str, object], None]) -> None:
    """Put an exploration into the table at the end of the run."""
    end = f"complete, depth {found.depth}" if found.is_complete else f"the nearest, to depth {found.depth}"
    record_property(f"counted: states with {name} ({end})", found.states)
    for excuse, count in sorted(found.exempt.items()):
        record_property(f"counted: exempt with {name}: {excuse}", count)
    for kind, counts in (("", found.hits), ("phase ", found.phases)):
        for what, count in sorted(counts.items()):
            record_property(f"counted: with {name}: {kind}{what}", count)


@pytest.mark.skipif(not FULL, reason="larger worlds: DKIMCTL_TEST_FULL=1")
@pytest.mark.parametrize("name", LARGER)
def test_faults_relays_and_slots_break_nothing_that_is_not_exempt(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    """What the environment broke is exempt only where it did, is counted, and is recovered from."""
    size = LARGER[name]
    found: Explored = explore(plan, size, limit=LIMIT, live_every=20)
    assert (found.wrong, found.trace) == ("", ())
    assert found.is_complete or name not in EMPTIED
    assert never(found, size) == []
    note(found, f"three keys, {name}", record_property)


def test_the_judge_sees_a_core_that_switches_before_dns_shows_the_key() -> None:
    """A core that reads no confirmation is caught: the exploration can fail."""

    def hasty(policy, facts, now, *, begin=False):  # type: ignore[no-untyped-def]
        keys = tuple(key._replace(record=key.record._replace(seen=-9, confirmed=-9, last_seen=0)) for key in facts.keys)
        return plan(policy, facts._replace(keys=keys), now, begin=begin)

    assert explore(hasty, live_every=0).wrong.startswith(("I1", "I2"))


def test_the_judge_sees_a_core_that_goes_on_right_after_a_long_gap() -> None:
    """What was noted before it is not what is there: a core that does not know of the gap is caught."""

    def careless(policy, facts, now, *, begin=False):  # type: ignore[no-untyped-def]
        return plan(policy, facts._replace(returned=None), now, begin=begin)

    assert explore(careless, WORLDS["a long gap, or a clock ahead"], live_every=0).wrong.startswith("I13")
