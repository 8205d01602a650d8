"""Domains at rest are not planned: `rest_of` says what a plan says, or leaves the domain to the plan."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dkimctl.config.settings import DomainSettings, Lifecycle, Settings
from dkimctl.errors import CheckFailed
from dkimctl.keys.metadata import Change, Metadata, Phase, Tags
from dkimctl.keys.store import Key, Life, LifecycleStore
from dkimctl.lifecycle.at_rest import due_of, rest_of
from dkimctl.lifecycle.gather import Machine, gather
from dkimctl.lifecycle.next_step import next_steps, switch_to_come
from dkimctl.lifecycle.notes import at_text
from dkimctl.lifecycle.plan import Do, Plan, plan
from dkimctl.lifecycle.policy import DAY, policy_for

DOMAIN = "one.example"
NOW = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp())
HERE = Settings(root=Path("/nowhere"), provider="ovh")


def ago(days: float) -> str:
    """An instant before now, as in metadata."""
    return at_text(NOW - round(days * DAY))


RECORD = {"written": ago(60), "seen": ago(60), "confirmed": ago(59), "last_seen": ago(0.1), "ttl": 3600}


def key(selector: str, phase: Phase = Phase.ACTIVE, days: float = 60, **facts: Any) -> Key:
    """A key with these facts."""
    made = (Change(Phase.GENERATED, ago(days)),)
    known = Metadata("rsa", 2048, ago(days), Tags(), phase, "ovh", made, public=selector * 8, facts=facts)
    return Key(DOMAIN, selector, f"/keys/{selector}", known)


def life(**changes: Any) -> Life:
    """A domain at rest, with changes."""
    used = key("a", record=RECORD, signing={"since": ago(50), "proven": ago(0.1)})
    spare = key("b", Phase.VERIFIED, days=49, record=RECORD)
    return Life((used, spare), (), {})._replace(**changes)


def machine(*used: str, **more: Any) -> Machine:
    """A machine whose tables name these keys."""
    return Machine(frozenset((DOMAIN, selector) for selector in used or "a"), frozenset(), **more)


def agrees(known: Life, here: Machine, config: Settings = HERE) -> bool:
    """Return whether the domain is at rest and nothing is due; a plan must then say the same.

    Where a look or a proof is due, the next step is the same as well.
    """
    rest = rest_of(config, DOMAIN, known, here, NOW)
    if rest is None:
        return False
    store = cast(LifecycleStore, SimpleNamespace(public=lambda _: None))  # every file is whole
    found = gather(config, store, DOMAIN, here, NOW, known)
    assert (found.left, found.ahead, found.is_deleted, found.begun) == ({}, frozenset(), False, frozenset())
    policy = policy_for(config, DOMAIN, is_adopted=found.is_adopted)
    planned = plan(policy, found.facts, NOW)
    assert next_steps(DOMAIN, found, policy, planned, NOW, {}) == (switch_to_come(DOMAIN, rest),)
    due = due_of(rest, NOW)
    if due is None:
        assert {action.do for action in planned.actions} <= {Do.LOOK, Do.PROVE}
        assert planned.actions
        assert not planned.waits
        return False
    assert planned == Plan((), due, ())
    return True


def test_a_key_that_signs_and_a_standby_are_at_rest() -> None:
    """In either order; with a key that a table of a later rotation names as well they are not."""
    assert agrees(life(), machine())
    assert agrees(life(keys=life().keys[::-1]), machine())
    assert not agrees(life(), machine("a", "b"))
    assert not agrees(life(), machine("c"))


used, spare = life().keys
STALE = {**RECORD, "last_seen": ago(2)}


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"notes": {"held": True}}, {}),
        ({"notes": {"begun": ago(0)}}, {}),
        ({"notes": {"deleted": ago(0)}}, {}),
        ({"lost": (spare,)}, {}),
        ({"keys": (used,)}, {}),
        ({"keys": (used, spare, key("c", Phase.RETIRING, record=RECORD, signing={"left": ago(1)}))}, {}),
        ({"keys": (used, spare._replace(metadata=spare.metadata._replace(algorithm="ed25519")))}, {}),
        ({"keys": (used._replace(metadata=used.metadata._replace(path="/elsewhere")), spare)}, {}),
        ({"keys": (key("a", record=STALE, signing={"since": ago(50), "proven": ago(0.1)}), spare)}, {}),
        ({"keys": (key("a", record=RECORD, signing={"since": ago(0.9), "proven": ago(0.9)}), spare)}, {}),
        ({"keys": (key("a", days=300, record=RECORD, signing={"since": ago(250), "proven": ago(0.1)}), spare)}, {}),
        ({"keys": (used, key("b", Phase.VERIFIED, record={**RECORD, "missing": ago(0.1)}))}, {}),
        ({"keys": (used, key("b", Phase.VERIFIED, record={**RECORD, "last_seen": ago(-1)}))}, {}),
        ({"keys": (used, key("b", Phase.VERIFIED, record=RECORD, leak="key"))}, {}),
        ({}, {"clock_problem": "the clock went back"}),
    ],
)
def test_what_a_plan_must_see_is_not_at_rest(changes: dict[str, Any], more: dict[str, Any]) -> None:
    """Something is noted of the domain, is wrong with a key, is due, or dated in the future."""
    assert not agrees(life(**changes), machine(**more))


@pytest.mark.parametrize("end", ["missing", "revoked", "gone", "removed", "absent"])
def test_a_record_that_ends_is_not_at_rest(end: str) -> None:
    """Whichever key it is of; nor is a key that was found to sign wrongly."""
    ending = {**RECORD, end: ago(0.1)}
    signing = {"since": ago(50), "proven": ago(0.1)}
    assert not agrees(life(keys=(key("a", record=ending, signing=signing), spare)), machine())
    assert not agrees(life(keys=(used, key("b", Phase.VERIFIED, record=ending))), machine())
    failed = key("a", record=RECORD, signing={**signing, "failed": ago(0.1)})
    assert not agrees(life(keys=(failed, spare)), machine())


def test_damaged_facts_stop_the_domain() -> None:
    """Also where the rest of it is at rest, and in facts that decide nothing yet."""
    for bad in ({"written": "yesterday"}, {"ttl": -1}, {"last_seen": 5}):
        with pytest.raises(CheckFailed, match="damaged"):
            agrees(life(keys=(used, key("b", Phase.VERIFIED, record={**RECORD, **bad}))), machine())


def test_a_domain_without_automation_is_not_at_rest() -> None:
    """It is not: nothing takes over by itself."""
    off = replace(HERE, domains=MappingProxyType({DOMAIN: DomainSettings(automation="off")}))
    assert not agrees(life(), machine(), off)


days = st.floats(-1, 400)
moments = st.none() | days.map(ago)


def facts_of(names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Facts with some of these instants."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names.split(), moments))


ENDS: st.SearchStrategy[dict[str, Any]] = st.just({}) | facts_of("missing revoked gone removed absent")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.tuples(days, days),
    st.tuples(facts_of("seen confirmed last_seen"), facts_of("seen confirmed last_seen")),
    st.tuples(ENDS, ENDS),
    st.just({"since": ago(50), "proven": ago(0.1)}) | facts_of("tried since proven failed left"),
    st.booleans(),
    st.sampled_from(["full", "until-switch", "off"]),
)
def test_whatever_is_noted_the_plan_agrees(
    ages: tuple[float, float],
    seen: tuple[dict[str, Any], dict[str, Any]],
    ends: tuple[dict[str, Any], dict[str, Any]],
    signing: dict[str, Any],
    standby: bool,
    automation: str,
) -> None:
    """Of a domain at rest; most of what is made here is near it."""
    first, second = ({**RECORD, **some, **end} for some, end in zip(seen, ends, strict=True))
    known = life(
        keys=(
            key("a", days=ages[0], record=first, signing=signing),
            key("b", Phase.VERIFIED, days=ages[1], record=second),
        )
    )
    config = replace(HERE, lifecycle=Lifecycle(standby=standby, automation=automation))
    with suppress(CheckFailed):
        agrees(known, machine(), config)
