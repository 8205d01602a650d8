"""What a wrong core is caught by: the tests of `plan` in real time, or the exploration of the model.

Every mutant meets the tests in real time; what passes them is explored: with `DKIMCTL_TEST_FULL=1` in three worlds and
to a larger size. The table goes to the report of the run.
"""

import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterator

from tests import test_lifecycle_plan
from tests.lifecycle_explore import explore
from tests.lifecycle_model import Decide, Size
from tests.lifecycle_mutants import Mutant, mutants

FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
SIZES = [Size(), Size(faults=1), Size(slots=True)] if FULL else [Size()]
LIMIT = 60_000 if FULL else 3_000
"""The states that one mutant's exploration may take."""
SURVIVING = 61
"""So many mutants at most may pass everything: equivalent, or such as only delay. The number may not grow."""


def _scenarios() -> Iterator[tuple[str, Callable[[Decide], None]]]:
    """Every test of `plan` with a core as its argument, with each set of its parameters."""
    for name, test in vars(test_lifecycle_plan).items():
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


def caught_by_exploration(mutant: Mutant) -> str:
    """Return the invariant that catches a mutant; empty when none does within the limit."""
    for size in SIZES:
        try:
            found = explore(mutant.decide, size, limit=LIMIT, live_every=20)
        except (TypeError, ValueError, AttributeError) as error:
            return type(error).__name__
        if found.wrong:
            return found.wrong.partition(":")[0]
    return ""


def test_a_core_with_one_thing_wrong_is_caught(record_property: Callable[[str, object], None]) -> None:
    """Each guard dropped or negated, each wait 0, each `all` an `any`, each proof an attempt: most are seen at once.

    What passes is equivalent or only delays; its number may not grow.
    """
    table: Counter[str] = Counter()
    passing = []
    for mutant in mutants():
        catch = caught_in_real_time(mutant)
        if catch:
            table[catch] += 1
        else:
            passing.append(mutant)
    survived = []
    for mutant in passing:
        catch = caught_by_exploration(mutant)
        table[catch or "nothing"] += 1
        survived += [] if catch else [mutant.name]
    for catch, count in table.most_common():
        record_property(f"counted: wrong cores caught by {catch}", count)
    assert any(catch.startswith("I") for catch in table)
    assert len(survived) <= SURVIVING, "\n".join(survived)
