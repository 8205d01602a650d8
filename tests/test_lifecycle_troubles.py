"""What `rotate` could not do is said by `status` until it is done: why, since when, and who has to act."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dkimctl.keys.file_names import DOMAIN_NOTES
from dkimctl.lifecycle.troubles import TROUBLES, read_troubles
from dkimctl.sandbox.credentials import METHODS
from tests.conftest import DkimctlInside, Run
from tests.publishing import ZONE, sandbox
from tests.rotate_host import LEFT, OTHER, SERVED, Host, ago, steps


@pytest.fixture
def host(dkimctl_inside: DkimctlInside) -> Iterator[Host]:
    """No key; two zones."""
    with sandbox(ZONE, OTHER) as running:
        yield Host(dkimctl_inside, running)


def rotating_out(host: Host) -> None:
    """In both domains the old key's record is to be emptied."""
    for domain in (ZONE, OTHER):
        host.active("new", domain)
        host.standby("next", domain)
        host.retiring("old", domain)


def next_of(host: Host, domain: str = ZONE) -> dict[str, Any]:
    """The next step of a domain in the document of `status`."""
    [found] = [step for step in host("status", "--json").json["status"]["steps"] if step["domain"] == domain]
    return dict(found)


def noted(host: Host, domain: str = ZONE) -> Any:
    """What is noted of a domain's troubles."""
    path = host.directory(domain) / DOMAIN_NOTES
    return json.loads(path.read_text()).get(TROUBLES) if path.exists() else None


def with_rights(host: Host, *domains: str, **terms: Any) -> Run:
    """A run with a consumer key for these zones only."""
    rules = [(method, f"/domain/zone/{domain}*") for domain in domains for method in METHODS]
    key = host.running.credentials.issue(rules, **terms)
    return host.dkimctl("rotate", "--json", env={**host.running.environment(), "OVH_CONSUMER_KEY": key})


def test_a_zone_that_left_the_account(host: Host) -> None:
    """Its domain alone is stuck, with the provider's words and the next command; where it is back nothing is said."""
    rotating_out(host)
    moved = host.running.zones.pop(ZONE)
    [failed] = steps(host.rotate(), "failed")
    found = next_of(host)
    assert (found["step"], found["selector"], found["is_due"]) == ("revoke", "old", True)
    assert failed["proof"] in found["waits_for"]
    assert failed["hint"] in found["waits_for"]
    assert next_of(host, OTHER)["step"] != "revoke"
    text = host("status").out
    assert f"{ZONE} old: revoke waits: it fails since " in text
    host.running.zones[ZONE] = moved
    assert steps(host.rotate(), "failed") == []
    assert noted(host) is None
    assert "it fails" not in host("status").out


def test_a_consumer_key_that_lacks_one_zone(host: Host) -> None:
    """That domain alone says which right is missing and how to get it."""
    rotating_out(host)
    with_rights(host, OTHER)
    assert "dkimctl ovh login" in next_of(host)["waits_for"]
    assert noted(host, OTHER) is None


def test_it_is_said_since_when_and_after_a_day_to_a_person(host: Host) -> None:
    """A network may come back by itself; what has failed for a day is for monitoring."""
    rotating_out(host)
    with_rights(host, OTHER, expiration=datetime.now(UTC) - timedelta(days=1))
    [trouble] = noted(host)
    path = host.directory() / DOMAIN_NOTES
    path.write_text(json.dumps({**json.loads(path.read_text()), TROUBLES: [{**trouble, "since": ago(days=2)}]}))
    with_rights(host, OTHER, expiration=datetime.now(UTC) - timedelta(days=1))
    assert noted(host)[0]["since"] == ago(days=2)
    found = next_of(host)
    assert found["needs_person"]
    assert ago(days=2)[:10] in found["waits_for"]
    assert "stuck: revoke" in host("status").out
    run = host("status", "--format", "nagios")
    assert run.code == 1
    assert f"{ZONE}: revoke old: it fails since " in run.out


def test_a_name_server_that_is_dead(host: Host) -> None:
    """The look at the next key waits, with the server's name; the page and the table say so."""
    host.active("new")
    host.key("next", phase="published", facts={"record": {"written": ago(days=20)}})
    host.running.dns_faults.set("ns2", "drop")
    assert host.rotate().code == 3
    found = next_of(host)
    assert (found["step"], found["selector"], found["needs_person"]) == ("look", "next", True)
    assert "does not answer" in found["waits_for"]
    assert "ns2" in found["waits_for"]
    assert "since" in found["waits_for"]
    assert "does not answer: " in host("status", "--format", "html").out
    host.running.dns_faults.clear()
    host.rotate()
    assert noted(host) is None


def test_a_routine_look_that_fails_is_said(host: Host) -> None:
    """The record of the key that signs is not served any more, and cannot be put back."""
    rotating_out(host)
    host.running.dns_faults.set("ns2", "drop")
    host.note("new", facts={"record": {"written": ago(days=30), "last_seen": ago(days=2)}, "signing": {}})
    host.rotate()
    assert ("look", "new") in {(one["action"], one["selector"]) for one in noted(host)}


def test_a_single_step_keeps_what_was_said_of_others(host: Host) -> None:
    """`--step` tries one step: of the others the last attempt still counts."""
    rotating_out(host)
    host.running.zones.pop(ZONE)
    host.rotate()
    record = {**host.notes("new")["facts"]["record"], "last_seen": ago(days=3)}
    host.note("new", facts={**host.notes("new")["facts"], "record": record})
    run = host("rotate", "--step", ZONE, "--json")
    assert [step["action"] for step in run.json["rotation"]["steps"]] == ["look"]
    assert [one["action"] for one in noted(host)] == ["revoke"]


def test_a_private_key_that_signs_and_is_gone(host: Host) -> None:
    """Mail is not signed: `status` says so above all else, with the command of `rotate`, and so does monitoring."""
    rotating_out(host)
    (host.directory() / "new.private").unlink()
    [failed] = [step for step in steps(host.rotate(), "failed") if step["selector"] == "new"]
    found = next_of(host)
    assert (found["step"], found["needs_person"]) == (None, True)
    assert found["reason"] == failed["proof"]
    assert found["waits_for"].endswith(f"dkimctl rotate {ZONE}")
    assert f"{ZONE} new: the private key is gone, and the signer's tables name it" in host("status").out
    assert "the private key is gone" in host("status", "--format", "nagios").out
    page = host("status", "--format", "html").out
    assert "the private key is gone" in page
    assert "None waits" not in page


def test_under_a_wrong_clock_no_domain_is_called_held(host: Host) -> None:
    """Nothing is changed, and `resume` would not help: the finding about the clock says what to do."""
    host.active("new")
    host.standby("next")
    host.state(last_run=ago(days=-30))
    out = host("status").out
    assert "DKIM917" in out
    assert "held" not in out
    assert host("hold", ZONE).code == 0
    assert f"dkimctl resume {ZONE}" in host("status").out


def test_a_lost_standby(host: Host) -> None:
    """It is said as well; what is deleted and retired needs no private key."""
    rotating_out(host)
    (host.directory() / "old.private").unlink()
    assert next_of(host)["reason"] != "the private key is gone"
    (host.directory() / "next.private").unlink()
    found = next_of(host)
    assert found["reason"].startswith("the private key is gone: ")
    assert f"dkimctl delete {ZONE} next" in found["waits_for"]


@pytest.mark.parametrize("rubbish", [1, "x", [1], [{}], [{"since": 7}], [{"since": "x"}], {"a": 1}, [{"action": []}]])
def test_damaged_notes_are_passed_over(host: Host, rubbish: Any) -> None:
    """They are only shown: a domain does not stop for them."""
    rotating_out(host)
    read_troubles({TROUBLES: rubbish}, 0)
    (host.directory() / DOMAIN_NOTES).write_text(json.dumps({"schema": 1, TROUBLES: rubbish}))
    assert host("status").code == 0
    assert steps(host.rotate(), "failed") == []
    assert noted(host) is None


def test_all_troubles_of_a_domain_that_is_named(host: Host) -> None:
    """The next step first, then what else it waits for; without a name there is one line for each domain."""
    host.active("new")
    host.standby("next")
    host.standby("spare")
    for selector in ("next", "spare"):
        (host.directory() / f"{selector}.private").unlink()
    host.retiring("old")
    host.note("old", facts={"record": SERVED, "signing": {**LEFT, "left": ago(days=1)}})
    named = host("status", ZONE, "--json").json["status"]
    assert [step["selector"] for step in named["steps"]] == ["next"]
    assert [(step["selector"], step["step"]) for step in named["others"]] == [
        ("spare", None),
        ("", "make"),
        ("old", "revoke"),
    ]
    shown = " ".join(host("status", ZONE).out.split())
    for selector in ("next", "spare"):
        assert f"{ZONE} {selector}: the private key is gone" in shown
    assert f"{ZONE} old: revoke waits: mail signed with the key old that is under way" in shown
    every = host("status", "--json").json["status"]
    assert (len(every["steps"]), every["others"]) == (1, [])
