"""What `status` and the calendar show of a deleted domain until its end, and of keys that are gone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import DkimctlInside
from tests.publishing import ZONE
from tests.rotating import DAY, Rotating, rotating

OTHER = "other.example"


@pytest.fixture
def machine(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    """A machine that signs for two domains."""
    with rotating(dkimctl_inside, monkeypatch, ZONE, OTHER) as made:
        yield made


def status(machine: Rotating, *words: str) -> Any:
    """The document of `status`."""
    return machine("status", *words, "--json").json


def events(machine: Rotating, selector: str) -> list[tuple[str, bool]]:
    """What happens to a key, in order: the event, and whether it is planned."""
    [life] = [one for one in status(machine, ZONE)["timeline"] if one["selector"] == selector]
    return [(event["event"], event["is_planned"]) for event in life["events"]]


def test_what_is_left_of_a_deleted_domain_is_shown_until_its_end(machine: Rotating) -> None:
    """With the date, and that nobody has to act: it is no domain without a signing key, and no record is revoked."""
    said = f"dkimctl: {ZONE} mail: remove waits: mail signed with the key mail that is under way, until "
    assert said in machine("delete", ZONE, "--stop-signing").err
    found = status(machine)["status"]
    assert found["deleted"] == [ZONE]
    [step] = [one for one in found["steps"] if one["domain"] == ZONE]
    assert (step["step"], step["selector"], step["reason"]) == ("remove", "mail", "the domain is deleted")
    assert (step["is_due"], step["needs_person"]) == (False, False)
    shown = machine("status").out
    assert f"{step['at'][:10]} remove" in shown
    assert f"{ZONE} mail: the domain is deleted; remove waits: mail signed with the key mail that is under way" in shown

    [planned] = [one for one in machine("rotate", "--dry-run", "--json").json["calendar"] if one["domain"] == ZONE]
    assert (planned["do"], planned["at"]) == ("remove", step["at"])
    assert events(machine, "mail")[-2:] == [("removed", True), ("purged", True)]
    assert machine("status", ZONE, "--format", "nagios").code == 0
    metrics = machine("status", "--format", "prometheus").out
    assert f'dkimctl_domain_active{{domain="{OTHER}"}} 1\n' in metrics
    assert f'dkimctl_domain_active{{domain="{ZONE}"}}' not in metrics


def test_after_its_end_nothing_of_it_is_shown(machine: Rotating) -> None:
    """Neither a row nor a step; to delete it again says that nothing is left."""
    machine("delete", ZONE, "--stop-signing")
    machine.rotate(hours=13.9 * DAY)
    assert ZONE in machine("status").out
    due = [one for one in machine("rotate", "--dry-run", "--json").json["calendar"] if one["domain"] == ZONE]
    assert [one["is_due"] for one in due] == [False]
    machine.later(0.2 * DAY)
    [due] = [one for one in machine("rotate", "--dry-run", "--json").json["calendar"] if one["domain"] == ZONE]
    assert (due["is_due"], due["step"]) == (True, "remove: the domain is deleted")
    machine.rotate()
    assert ZONE not in machine("status").out
    assert ZONE not in machine("rotate", "--dry-run").out
    assert machine("delete", ZONE).err == f"dkimctl: {ZONE}: nothing is left to delete\n"
    assert machine("delete", ZONE, "mail").err == f"dkimctl: {ZONE} mail: nothing is left to delete\n"


def test_keys_that_are_gone_stay_in_the_timeline(machine: Rotating) -> None:
    """From creation to removal, in JSON for ever; people see those of the last year and a half."""
    machine.complete(ZONE)
    machine.for_days(100)
    assert "mail" not in machine.selectors()
    past = ["created", "published", "proven", "active", "retired", "revoked", "removed", "purged"]
    assert events(machine, "mail") == [(event, False) for event in past]
    rows = [line for line in machine("status", ZONE).out.splitlines() if " mail " in line]
    assert len(rows) == len(past)
    assert machine("status", "--format", "html").out.count("mail: created ") == 2, "that of the other domain, too"
    machine.later(600 * DAY)
    assert events(machine, "mail") == [(event, False) for event in past]
    assert " mail " not in machine("status", ZONE).out
    assert machine("status", "--format", "html").out.count("mail: created ") == 1


def test_a_lost_key_is_in_the_dry_run_of_delete(machine: Rotating) -> None:
    """What is done is what was shown."""
    machine.prepare()
    new = machine.new()
    (machine.dkimctl.root / f"etc/opendkim/keys/{ZONE}/{new}.private").unlink()
    shown = machine("delete", ZONE, new, "--dry-run", "--json").json["steps"]
    done = machine("delete", ZONE, new, "--json").json["steps"]
    assert [one["action"] for one in shown] == [one["action"] for one in done] == ["remove", "purge"]
