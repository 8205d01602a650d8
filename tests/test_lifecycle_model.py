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
LARGER = {
    "a record deleted by somebody": Size(faults=1, kinds=("record deleted",)),
    "a key leaked": Size(faults=1, kinds=("key leaked",)),
    "a switch that fails": Size(faults=1, kinds=("switch fails",)),
    "slots": Size(slots=True),
    "a person who asks for a rotation at any time": Size(begins=True),
    "two relays": Size(relays=2),
    "two relays, one cut off": Size(relays=2, faults=1, kinds=("relay cut off",)),
    "two relays, a key leaked": Size(relays=2, faults=1, kinds=("key leaked",)),
}
EMPTIED = {"a switch that fails", "slots", "a person who asks for a rotation at any time", "two relays"}
"""The larger worlds that are explored to the end: 176,209, 119,697, 53,117 and 292,593 states."""
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
    assert [do for do in Do if not found.hits[f"{do} done"]] == []
    assert [
        do for do in (Do.PUBLISH, Do.SWITCH, Do.REVOKE, Do.REMOVE, Do.PURGE) if not found.hits[f"{do} killed"]
    ] == []
    assert PHASES - set(found.phases) == set()
    record_property(f"counted: states of the key life cycle, depth {found.depth}", found.states)
    for name, count in sorted(found.hits.items()):
        record_property(f"counted: key life cycle, {name}", count)


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
    if size.faults:
        assert [kind for kind in size.kinds if not found.hits[kind] and kind != "switch fails"] == []
    end = f"complete, depth {found.depth}" if found.is_complete else f"the nearest, to depth {found.depth}"
    record_property(f"counted: states with {name} ({end})", found.states)
    for excuse, count in sorted(found.exempt.items()):
        record_property(f"counted: exempt with {name}: {excuse}", count)


def test_the_judge_sees_a_core_that_switches_before_dns_shows_the_key() -> None:
    """A core that reads no confirmation is caught: the exploration can fail."""

    def hasty(policy, facts, now, *, begin=False):  # type: ignore[no-untyped-def]
        keys = tuple(key._replace(record=key.record._replace(seen=-9, confirmed=-9, last_seen=0)) for key in facts.keys)
        return plan(policy, facts._replace(keys=keys), now, begin=begin)

    assert explore(hasty, live_every=0).wrong.startswith(("I1", "I2"))
