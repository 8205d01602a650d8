"""What `rotate` does with what it should never find: it is said with the next step, and harms no other domain."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dkimctl.keys.directory import KeyDirectory
from dkimctl.lifecycle.revoke import _exposed
from dkimctl.sandbox.credentials import METHODS
from tests.conftest import DkimctlInside
from tests.publishing import ZONE, sandbox
from tests.rotate_host import LEFT, OTHER, SERVED, SIGNS, Host, ago, is_emptied, said, steps


@pytest.fixture
def host(dkimctl_inside: DkimctlInside) -> Iterator[Host]:
    """No key; two zones."""
    with sandbox(ZONE, OTHER) as running:
        yield Host(dkimctl_inside, running)


# --- keys deleted by hand, and rubbish in their place


def test_the_private_key_that_signs_is_gone(host: Host) -> None:
    """It is said at each run, with the key that takes its place; where nothing happens by itself, with the command."""
    host.active("old")
    host.standby("next")
    (host.directory() / "old.private").unlink()
    for _ in range(2):  # no daemon is here that could be switched
        run = host.rotate()
        assert run.code in (1, 3)
        [failed] = [step for step in steps(run, "failed") if step["selector"] == "old"]
        assert "the private key is gone, and the signer's tables name it" in failed["proof"]
        assert "old.private" in failed["proof"]
        assert failed["hint"] == "next signs instead"
        [step] = host("status", "--json").json["status"]["steps"]
        assert step["waits_for"].endswith(f"or switch to next: dkimctl rotate {ZONE}")
    assert not is_emptied(host.records()["old"])
    host("hold", ZONE)
    [failed] = [step for step in steps(host.rotate(), "failed") if step["selector"] == "old"]
    assert failed["hint"].endswith(f"or switch to next: dkimctl rotate --now {ZONE}")
    [step] = host("status", "--json").json["status"]["steps"]
    assert step["waits_for"] == failed["hint"]


def test_without_a_standby_another_key_is_made_for_it(host: Host) -> None:
    """By itself, under another selector: none is used twice. A standby of another algorithm is no substitute."""
    host.active("old")
    (host.directory() / "old.private").unlink()
    assert host("genkey", ZONE, "-s", "rsa", "--algorithm", "rsa", "-q").code == 0
    host.note("rsa", phase="verified", facts={"record": SERVED})
    run = host.rotate()
    [failed] = [step for step in steps(run, "failed") if step["selector"] == "old"]
    assert failed["hint"] == "a new key is made, and signs once DNS serves it"
    assert (ZONE, "make") in said(run)
    again = host("genkey", ZONE, "-s", "old", "--algorithm", "ed25519")
    assert again.code == 1
    assert "the private key of old" in " ".join(again.err.split())


@pytest.mark.parametrize("content", ["", "rubbish\n"])
def test_the_private_key_that_signs_is_damaged(host: Host, content: str) -> None:
    """As one that is gone, from the daily look at its record on; put back from a backup it signs as before."""
    host.active("old")
    host.standby("next")
    path = host.directory() / "old.private"
    whole = path.read_text()
    path.write_text(content)
    host.note("old", facts={"record": {**SERVED, "last_seen": ago(days=2)}, "signing": SIGNS})
    run = host.rotate()
    [failed] = [step for step in steps(run, "failed") if step["selector"] == "old"]
    assert failed["proof"].startswith("the file of the private key is damaged, so mail is not signed: ")
    assert failed["hint"] == "next signs instead"
    [step] = host("status", "--json").json["status"]["steps"]
    assert (step["reason"], step["needs_person"]) == (failed["proof"], True)
    assert step["waits_for"].endswith(f"or switch to next: dkimctl rotate {ZONE}")
    path.write_text(whole)
    assert steps(host.rotate(), "failed") == []
    assert [step["step"] for step in host("status", "--json").json["status"]["steps"]] == ["switch"]


def test_a_lost_key_that_signs_no_more_is_retired(host: Host) -> None:
    """Once another one signs it is retired: its record stays for the mail under way, then it is emptied."""
    host.active("old")
    host.active("new")
    (host.directory() / "old.private").unlink()
    table = host.dkimctl.root / "etc/opendkim/KeyTable"
    table.write_text("".join(line for line in table.read_text().splitlines(keepends=True) if ":new:" in line))
    run = host.rotate()
    assert steps(run, "failed") == [], run.out
    assert host.notes("old")["phase"] == "retiring"
    assert host.notes("old")["facts"]["signing"]["left"]
    host.note("old", facts={"record": SERVED, "signing": LEFT})
    assert (ZONE, "revoke") in said(host.rotate())
    assert is_emptied(host.records()["old"])


def test_a_private_key_that_is_deleted_while_its_mail_is_under_way(host: Host) -> None:
    """Many do that after a switch: nothing is wrong, and its record is taken away as ever."""
    host.active("new")
    host.retiring("old")
    (host.directory() / "old.private").unlink()
    run = host.rotate()
    assert steps(run, "failed") == [], run.out
    assert is_emptied(host.records()["old"])
    assert host.notes("old")["phase"] == "revoked"
    assert host("verify-dns", ZONE, "-s", "old").code in (0, 1)


def test_a_lost_standby_is_said_and_can_be_deleted(host: Host) -> None:
    """It is never switched to; a new one is made meanwhile; `delete` takes its record away without its private key."""
    host.active("now")
    host.standby("next")
    (host.directory() / "next.private").unlink()
    run = host.rotate()
    assert run.code == 1
    [failed] = steps(run, "failed")
    assert failed["selector"] == "next"
    assert failed["hint"].endswith(f"dkimctl delete {ZONE} next")
    assert (ZONE, "make") in said(run)
    assert "next" in host.records()
    assert host("delete", ZONE, "next").code == 0
    assert "next" not in host.records()
    assert host.notes("next")["phase"] == "purged"
    assert steps(host.rotate(), "failed") == []


def test_what_a_killed_genkey_left_is_no_lost_key(host: Host) -> None:
    """Metadata of a key that was never published, without a private key: not a word, and the name can be used."""
    host.active("now")
    host.key("next", published=False)
    (host.directory() / "next.private").unlink()
    assert steps(host.rotate(), "failed") == []
    assert host("genkey", ZONE, "-s", "next", "--algorithm", "ed25519").code == 0


@pytest.mark.parametrize("content", ["rubbish\n", "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_private_key_that_is_rubbish_is_named(host: Host, content: str) -> None:
    """The file and what is wrong with it, not only that no key signs; the other domain goes on."""
    host.active("now", OTHER)
    host.key("mail")
    (host.directory() / "mail.private").write_text(content)
    run = host.rotate()
    assert run.code in (1, 3)
    failed = [step for step in steps(run, "failed") if "mail.private" in step["proof"]]
    assert failed, run.out
    assert all(step["hint"] and step["domain"] == ZONE for step in failed)
    assert (OTHER, "make") in said(run)


def test_rubbish_in_place_of_the_key_that_signs_stops_one_domain(host: Host) -> None:
    """It is said when its record is due for a look; those of other domains are looked up in the same run."""
    host.active("mail")
    host.active("now", OTHER)
    for domain, selector in ((ZONE, "mail"), (OTHER, "now")):
        old = {**SERVED, "last_seen": ago(days=2)}
        host.note(selector, domain, facts={"record": old, "signing": SIGNS})
    (host.directory() / "mail.private").write_text("rubbish\n")
    run = host.rotate()
    assert {step["domain"] for step in steps(run, "failed")} == {ZONE}
    assert any("mail.private" in step["proof"] for step in steps(run, "failed"))
    assert host.notes("now", OTHER)["facts"]["record"]["last_seen"] > ago(hours=1)


# --- the clock


def test_after_a_long_gap_the_first_run_only_proves(host: Host) -> None:
    """Nothing is taken away before a run that comes a day later; what was noted of that survives the runs between."""
    host.active("new")
    host.retiring("old")
    host.state(last_run=ago(days=15))
    before = host.records()
    shown = host("rotate", "--dry-run").out
    assert "look: it signs, and was not looked up for long" in " ".join(shown.split())
    first = host.rotate()
    assert said(first) == []
    [gap] = [step for step in steps(first, "waits") if step["domain"] == ""]
    assert "longer ago than keep_after: this run proves what is there" in gap["proof"]
    assert gap["until"] >= ago(days=-1)
    assert host.notes("new")["facts"]["record"]["last_seen"] >= ago(seconds=0)
    waits = {wait["until"] for wait in first.json["rotation"]["waits"] if "a later run" in wait["proof"]}
    assert len(waits) == 2, "new keys an hour later, removals a day later"
    second = host.rotate()
    assert (said(second), steps(second, "waits")) == ([], [])
    assert host.records() == before
    assert "a later run" in " ".join(host("rotate", "--dry-run").out.split())
    [step] = host("status", "--json").json["status"]["steps"]
    assert (step["step"], step["at"]) == ("make", min(waits))
    assert "a later run" in step["waits_for"]
    for command in (("status",), ("status", ZONE)):
        assert "a later run: none ran for longer than keep_after" in " ".join(host(*command).out.split())
    host.state(last_run=ago(days=1), careful_until=ago(hours=1))
    assert (ZONE, "revoke") in said(host.rotate())


def test_after_a_long_gap_a_vanished_record_is_put_back_and_a_person_may_go_on(host: Host) -> None:
    """The key that signs is kept right in the first run; `rotate --now` begins a rotation in it."""
    host.active("new")
    zone = host.running.zone(ZONE)
    zone.remove(next(one for one in zone.edited if one.sub_domain.startswith("new.")).id)
    zone.refresh()
    host.state(last_run=ago(days=15))
    first = host("rotate")
    assert "puts back what is missing" in " ".join(first.err.split())
    assert "new" in host.records()
    asked = host.rotate("--now", ZONE)
    assert (ZONE, "make") in said(asked)


def test_the_calendar_says_that_the_clock_is_not_trusted(host: Host) -> None:
    """It is not only empty."""
    host.active("new")
    host.state(last_run=ago(days=-30))
    [row] = [one for one in host("rotate", "--dry-run", "--json").json["calendar"] if not one["domain"]]
    assert row["step"].endswith("after this machine's clock: nothing is changed")


def test_care_of_a_wrong_clock_ends(host: Host) -> None:
    """A date in the far future, noted under a wrong clock, counts as a day from now."""
    host.active("new")
    host.state(last_run=ago(hours=1), careful_until=ago(days=-3000))
    assert host.rotate().code == 0
    noted = json.loads((host.dkimctl.root / "var/lib/dkimctl/rotate.json").read_text())
    assert noted["careful_until"] < ago(days=-2)


def test_facts_dated_in_the_future_are_set_right(host: Host) -> None:
    """They count from the first run under the right clock, and not as just now until that future has come."""
    ahead = ago(days=-1000)
    host.active("new")
    host.retiring("old")
    host.note("old", created=ahead, facts={"record": SERVED, "signing": {**LEFT, "left": ahead}})
    host.note("new", facts={"record": {**SERVED, "last_seen": ahead}, "signing": {**SIGNS, "since": ahead}})
    host.rotate()
    for selector in ("old", "new"):
        assert ahead not in json.dumps({**host.notes(selector), "history": []})
    assert host.notes("old")["facts"]["signing"]["left"] >= ago(seconds=0)


def test_nothing_is_set_right_while_the_clock_is_wrong(host: Host) -> None:
    """The last run is in the future too: which of the two is wrong is not known."""
    ahead = ago(days=-30)
    host.active("new")
    host.note("new", facts={"record": {**SERVED, "last_seen": ahead}, "signing": SIGNS})
    host.state(last_run=ahead)
    assert host.rotate().code == 3
    assert host.notes("new")["facts"]["record"]["last_seen"] == ahead


# --- the account and the zone change in mid-rotation


def test_a_record_that_another_program_changed_is_never_removed(host: Host) -> None:
    """It is named; what is there stays, at this run and the next; the other domain's goes."""
    for domain in (ZONE, OTHER):
        host.active("new", domain)
        host.retiring("old", domain)
    zone = host.running.zone(ZONE)
    [record] = [one for one in zone.edited if one.sub_domain.startswith("old.")]
    zone.change(replace(record, target="v=DKIM1; p=somebodyelses"))
    zone.refresh()
    for _ in range(2):
        run = host.rotate()
        [failed] = [step for step in steps(run, "failed") if step["domain"] == ZONE]
        assert "was not made by this key" in failed["proof"]
        assert failed["hint"]
        assert "somebodyelses" in host.records()["old"]
    assert is_emptied(host.records(OTHER)["old"])


@pytest.mark.parametrize(
    ("provider", "words"),
    [("manual", "emptied by hand"), ("zonefile:/nowhere", "nowhere"), ("nonsense", "nonsense")],
)
def test_the_provider_is_changed_in_mid_rotation(host: Host, provider: str, words: str) -> None:
    """What is to be done at the new one is said; the key that signs, and both records, stay as they are."""
    host.active("new")
    host.retiring("old")
    before = host.records()
    host.config.write_text(f'provider = "{provider}"\n')
    run = host.rotate()
    assert run.code in (1, 2, 3)
    assert words in run.out + run.err
    assert host.records() == before
    host.config.write_text('provider = "ovh"\n')
    assert (ZONE, "revoke") in said(host.rotate())


def test_a_zone_that_left_the_account(host: Host) -> None:
    """The steps of that zone fail with a hint, the other zone's are done; where it is back, all goes on."""
    for domain in (ZONE, OTHER):
        host.active("new", domain)
        host.retiring("old", domain)
    moved = host.running.zones.pop(ZONE)
    run = host.rotate()
    failed = [step for step in steps(run, "failed") if step["domain"] == ZONE]
    assert failed, run.out
    assert all(step["hint"] for step in failed)
    assert is_emptied(host.records(OTHER)["old"])
    host.running.zones[ZONE] = moved
    assert (ZONE, "revoke") in said(host.rotate())


def test_a_consumer_key_that_expired(host: Host) -> None:
    """It says so and how to get another one; with that the same command goes on."""
    host.active("new")
    host.retiring("old")
    expired = host.running.credentials.issue(expiration=datetime.now(UTC) - timedelta(days=1))
    run = host.dkimctl("rotate", "--json", env={**host.running.environment(), "OVH_CONSUMER_KEY": expired})
    failed = steps(run, "failed")
    assert failed
    assert any("dkimctl ovh login" in step["hint"] for step in failed), failed
    assert not is_emptied(host.records()["old"])
    assert (ZONE, "revoke") in said(host.rotate())


def test_a_domain_that_was_removed_from_the_configuration_is_rotated(host: Host) -> None:
    """While its key signs it is managed: at the provider where it was published."""
    host.config.write_text(f'[domains."{ZONE}"]\nprovider = "ovh"\n')
    host.active("new")
    host.retiring("old")
    host.config.write_text("")
    run = host.rotate()
    assert steps(run, "failed") == []
    assert is_emptied(host.records()["old"])
    assert (ZONE, "make") in said(run)


def test_a_consumer_key_that_lacks_one_zone(host: Host) -> None:
    """That zone's step fails with the right that is missing; the other zone's is done."""
    for domain in (ZONE, OTHER):
        host.active("new", domain)
        host.retiring("old", domain)
    lesser = host.running.credentials.issue([(method, f"/domain/zone/{OTHER}*") for method in METHODS])
    run = host.dkimctl("rotate", "--json", env={**host.running.environment(), "OVH_CONSUMER_KEY": lesser})
    failed = steps(run, "failed")
    assert {step["domain"] for step in failed} == {ZONE}
    assert all(step["hint"] for step in failed)
    assert is_emptied(host.records(OTHER)["old"])
    assert not is_emptied(host.records()["old"])


@pytest.mark.parametrize("kind", ["drop", "servfail"])
def test_a_name_server_that_is_dead_for_weeks(host: Host, kind: Any) -> None:
    """The rotation waits and says so with exit 3, every time; the proven key signs on, and nothing is taken away."""
    host.active("new")
    host.key("next", phase="published", facts={"record": {"written": ago(days=20)}})
    host.running.dns_faults.set("ns2", kind)
    run = host.rotate()
    assert run.code == 3
    [wait] = [step for step in steps(run, "waits") if step["selector"] == "next"]
    assert wait["exit_code"] == 3
    assert wait["proof"]
    assert "seen" not in host.notes("next")["facts"]["record"]
    assert "switch" not in [step["action"] for step in run.json["rotation"]["steps"]]
    host.running.dns_faults.clear()
    assert (ZONE, "look") in said(host.rotate())


def test_a_new_record_may_take_a_day(host: Host) -> None:
    """Until then it waits without a word to timers: name servers need their time."""
    host.active("new")
    host.key("next", phase="published", facts={"record": {"written": ago(hours=2)}})
    host.running.dns_faults.set("ns2", "drop")
    assert host.rotate().code == 0


@pytest.mark.parametrize(("seen", "is_assumed"), [({}, True), ({"ttl": 300}, False)])
def test_how_long_a_leaked_key_is_believed_is_said_to_be_assumed(host: Host, seen: Any, is_assumed: bool) -> None:
    """A day where the TTL of its record was never seen, and it says so; else the TTL that was seen."""
    record = {"revoked": ago(hours=1), "gone": ago(minutes=30), **seen}
    host.key("old", published=False, phase="revoked", facts={"record": record})
    store = KeyDirectory(host.directory().parent)
    [key] = store.keys(ZONE)
    found = _exposed(store, key, int(datetime.now(UTC).timestamp()))
    assert found.is_assumed == is_assumed
    assert found.until == (ago(minutes=25) if seen else ago(days=-1, minutes=30))
