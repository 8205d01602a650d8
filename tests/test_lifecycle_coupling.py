"""What couples domains in one run: the canary, the budget of new keys, a provider that fails for some of them.

The core knows one domain; every set of domains that fail is tried with what does the actions of all of them.
"""

from itertools import chain, combinations
from typing import Any

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Settings
from dkimctl.lifecycle.effects import Due, Effects
from dkimctl.lifecycle.facts import Facts
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.plan import Action, Do
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.switch_effects import Switching
from dkimctl.sandbox import Fault
from tests.conftest import DkimctlInside
from tests.rotating import DAY, rotating

MOST = 8


def dues(count: int) -> list[Due]:
    """A switch that is due for each of so many domains."""
    names = [f"d{number}.example" for number in range(count)]
    return [Due(Gathered(Facts(name, ()), {}, {}), Policy(), Action(Do.SWITCH, "rsa", "a")) for name in names]


@pytest.mark.parametrize("count", range(1, MOST + 1))
def test_whatever_set_of_domains_fails_the_first_failure_is_the_last_switch(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every subset: one domain goes first, then one in a hundred; after a failed batch no further domain is touched."""
    wanted = dues(count)
    for bad in chain.from_iterable(combinations(range(count), size) for size in range(count + 1)):
        batches: list[list[int]] = []

        def switch_all(_: Switching, batch: Any, bad: Any = bad, batches: Any = batches) -> int:
            batches.append([wanted.index(due) for due in batch])
            return len(set(batches[-1]) & set(bad))

        monkeypatch.setattr(Switching, "_switch_all", switch_all)
        effects = Effects(Settings(), None, SYSTEM_CLOCK, lambda _: None)  # type: ignore[arg-type]
        goes_on = effects.perform(Do.SWITCH, wanted)
        assert [len(batch) for batch in batches[:2]] == [1, 1][: len(batches)]
        failed = [bool(set(batch) & set(bad)) for batch in batches]
        assert not any(failed[:-1]), "it went on after a failure"
        assert goes_on is not failed[-1]
        assert failed[-1] or list(chain.from_iterable(batches)) == list(range(count))


def test_the_budget_of_new_keys_is_that_of_a_run(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one a run three domains get theirs in three runs, in turn; a fourth run makes none."""
    domains = ("a.example", "b.example", "c.example")
    with rotating(dkimctl_inside, monkeypatch, *domains, settings="[lifecycle]\nmost_new_keys = 1\n") as machine:
        made = []
        for _ in range(4):
            steps = machine.rotate(hours=1)["steps"]
            made.append([step["domain"] for step in steps if step["action"] == "make"])
        assert made == [["a.example"], ["b.example"], ["c.example"], []]


@pytest.mark.parametrize("failing", ["429", "500-json", "reset-before"])
def test_a_provider_that_fails_for_one_domain_keeps_no_other(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, failing: Any
) -> None:
    """For days one zone cannot be written: the others rotate whole, and that one does once it can."""
    domains = ("a.example", "b.example")
    with rotating(dkimctl_inside, monkeypatch, *domains) as machine:
        machine.sandbox.faults.add(Fault(failing, path="*/zone/a.example/*", times=None))
        machine.prepare()
        machine.rotate("--now", *domains, code=3)
        assert (machine.signs("a.example"), machine.signs("b.example") != ["mail"]) == (["mail"], True)
        machine.sandbox.faults.clear()
        for _ in range(3):
            machine.rotate(hours=DAY)
        assert machine.signs("a.example") != ["mail"]


def test_damaged_metadata_of_one_domain_let_the_others_switch(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the key that signs as well, and those of a newer version: its row stays, others are proven and replaced."""
    with rotating(dkimctl_inside, monkeypatch, "a.example", "b.example") as machine:
        machine.prepare()
        path = machine.dkimctl.root / "etc/opendkim/keys/a.example/mail.json"
        path.write_text(path.read_text().replace('"schema": 1', '"schema": 7'))
        proven = machine.rotate(hours=25, code=1)
        assert {step["domain"] for step in proven["steps"] if step["outcome"] == "failed"} == {"a.example"}
        new = machine.new("b.example")
        machine.rotate("--now", "b.example", code=0)
        assert (machine.signs("a.example"), machine.signs("b.example")) == (["mail"], [new])
