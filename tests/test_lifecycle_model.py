"""The core of the key life cycle, explored until nothing new is found, and judged by the world's own history."""

from collections.abc import Callable

from dkimctl.lifecycle.plan import Do, plan
from tests.lifecycle_model import explore


def test_no_order_of_events_leaves_mail_without_a_record(record_property: Callable[[str, object], None]) -> None:
    """Every state that one relay can reach, every stop between an effect and its note: the invariants hold."""
    found = explore(1, plan)
    assert found.trace == []
    assert found.is_complete
    assert [do for do in Do if not found.hits[f"{do} done"]] == []
    record_property(f"counted: states of the key life cycle, depth {found.depth}", found.states)
