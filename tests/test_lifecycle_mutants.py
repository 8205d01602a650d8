"""What a wrong core is caught by: the tests of `plan` in real time, or the exploration of the model.

Every mutant meets the tests in real time; what passes them is explored: with `DKIMCTL_TEST_FULL=1` in four worlds and
to a larger size. The table goes to the report of the run, in full mode with a line for each mutant.
"""

import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tests import test_lifecycle_plan, test_lifecycle_plan_guards
from tests.lifecycle_explore import explore
from tests.lifecycle_model import Decide, Size
from tests.lifecycle_mutants import Mutant, mutants

FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
SIZES = [Size(), Size(faults=1), Size(slots=True), Size(keys=2, faults=1, kinds=("clock ahead",))] if FULL else [Size()]
LIMIT = 60_000 if FULL else 3_000
"""The states that one mutant's exploration may take."""
EQUIVALENT = {
    "if at > self.now: → always": "`plan` leaves out what is due in the past",
    "without `not key.is_used`": "a key in use has signed, and is no newer than the newest key in use",
    "without `not (key.has_signed or key.leak or key.is_revoked)`": (
        "a key that never signed has no mail that is through and no absence: only `due` may come earlier"
    ),
    "confirmed or 0 → without `0`": "the place before it is True for every key that is not confirmed, and None is None",
    "without `record.absent is not None`": "the one caller has asked; it stays for the type checker",
    "record.seen or 0 → without `0`": "a key that was not seen is not served, which is asked first",
}
"""The end of the name of every mutant that may pass, and why it does nothing wrong."""


def _scenarios() -> Iterator[tuple[str, Callable[[Decide], None]]]:
    """Every test of `plan` with a core as its argument, with each set of its parameters."""
    for name, test in (vars(test_lifecycle_plan) | vars(test_lifecycle_plan_guards)).items():
        wanted = inspect.signature(test).parameters if name.startswith("test_") else ()
        if "decide" not in wanted:
            continue
        for given in _parameters(test):
            yield name, lambda decide, test=test, given=given: test(decide=decide, **given)  # type: ignore[misc]


def _parameters(test: Callable[..., None]) -> list[dict[str, object]]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    if not marks:
        return [{}]
    names, values = marks[0].args
    if isinstance(names, str) and "," not in names:
        return [{names: value} for value in values]
    return [dict(zip(names, value, strict=True)) for value in values]


SCENARIOS = tuple(_scenarios())


def caught_in_real_time(mutant: Mutant) -> str:
    """Return the test that catches a mutant; empty when none does."""
    for name, scenario in SCENARIOS:
        try:
            scenario(mutant.decide)
        except Exception:
            return name
    return ""


def caught_by_exploration(mutant: Mutant, sizes: Sequence[Size] = SIZES, limit: int = LIMIT) -> str:
    """Return the invariant that catches a mutant; empty when none does within the limit."""
    for size in sizes:
        try:
            found = explore(mutant.decide, size, limit=limit, live_every=20)
        except Exception as error:
            return type(error).__name__
        if found.wrong:
            return found.wrong.partition(":")[0]
    return ""


def test_a_core_with_one_thing_wrong_is_caught(record_property: Callable[[str, object], None]) -> None:
    """Each guard dropped or negated, each wait 0, each `all` an `any`, each proof an attempt: most are seen at once.

    What passes has a written reason each, and a reason without its mutant is stale.
    """
    table: Counter[str] = Counter()
    passing = []
    for mutant in mutants():
        catch = caught_in_real_time(mutant)
        if catch:
            table[catch] += 1
        else:
            passing.append(mutant)
        if FULL and catch:  # which invariant would have caught it, too
            invariant = caught_by_exploration(mutant, SIZES[:1], 3_000) or "no invariant within 3,000 states"
            record_property(f"counted: wrong core {mutant.name}: {catch}; {invariant}", 1)
    survived = []
    for mutant in passing:
        catch = caught_by_exploration(mutant)
        table[catch or "nothing"] += 1
        record_property(
            f"counted: wrong core {mutant.name}: no test in real time; {catch or 'nothing, as it should'}", 1
        )
        survived += [] if catch else [mutant.name]
    for catch, count in table.most_common():
        record_property(f"counted: wrong cores caught by {catch}", count)
    assert any(catch.startswith("I") for catch in table)
    unexplained = [name for name in survived if not name.endswith(tuple(EQUIVALENT))]
    assert unexplained == []
    assert [end for end in EQUIVALENT if not any(name.endswith(end) for name in survived)] == [], "caught: no reason"
    assert len(survived) == len(EQUIVALENT), "a reason is for one mutant"
