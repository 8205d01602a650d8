"""Rotations that failed elsewhere, replayed with the program: real keys, tables, provider and DNS, a played daemon.

`lifecycle_stories` numbers them, and says where the others are.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from dkimctl.lifecycle.effects import Effects
from dkimctl.lifecycle.policy import HOUR
from dkimctl.providers.ovh.grants import rules_for
from dkimctl.sandbox import Fault
from dkimctl.sandbox.zones import Zone
from tests.conftest import REPOSITORY, DkimctlInside
from tests.publishing import ZONE
from tests.rotating import DAY, Rotating, rotating

Begin = Callable[..., AbstractContextManager[Rotating]]
OTHER = "other.example"


@pytest.fixture
def begin(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """`with begin(*domains) as machine`: a machine that signs for them."""
    return lambda *domains, **more: rotating(dkimctl_inside, monkeypatch, *domains, **more)


@pytest.fixture
def machine(begin: Begin) -> Iterator[Rotating]:
    """A machine that signs for one domain."""
    with begin() as made:
        yield made


def steps(document: Any, domain: str = ZONE) -> list[str]:
    """What a run did for a domain."""
    return [f"{s['action']} {s['outcome']}" for s in document["steps"] if s["domain"] == domain and s["action"]]


# --- the provider and DNS


@pytest.mark.parametrize("how", ["a name server keeps the old zone", "the provider forgets what it accepted"])
def test_a_provider_change_failed_silently_and_signing_switched_anyway(
    machine: Rotating, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For weeks the new key is not everywhere: nothing switches, not even on demand. Then it goes on by itself."""
    with monkeypatch.context() as patch:
        if how.startswith("a name"):
            machine.sandbox.dns_faults.set("ns2", "stale")
        else:
            patch.setattr(Zone, "create", lambda zone, *what: replace(zone.edited[0], sub_domain=what[1]))
        for _ in range(20):
            machine.rotate("--now", ZONE, hours=DAY)
    assert (machine.signs(), machine.switched) == (["mail"], [])
    machine.sandbox.dns_faults.clear()
    machine.complete()
    assert machine.signs() != ["mail"]


def test_the_active_record_dangled_for_a_third_of_the_domains(begin: Begin) -> None:
    """A record that someone deleted is put back the next day and told; the other domains are not touched."""
    domains = tuple(f"d{number}.example" for number in range(3))
    with begin(*domains) as machine:
        machine.prepare()
        zone = machine.sandbox.zone("d1.example")
        [record] = [one for one in zone.edited if one.sub_domain == "mail._domainkey"]
        zone.remove(record.id)
        zone.refresh()
        document = machine.rotate(hours=DAY + 1)
        assert "publish done" in steps(document, "d1.example")
        assert all("publish" not in " ".join(steps(document, name)) for name in ("d0.example", "d2.example"))
        assert "mail" in machine.records("d1.example")


def test_the_api_said_success_with_a_page_and_made_no_record(machine: Rotating) -> None:
    """The answer of a call proves nothing: the key is not published before it was read back."""
    machine.sandbox.faults.add(Fault("html-200", method="POST", path="*/record", times=None))
    machine.prepare()
    machine.rotate("--now", ZONE)
    assert machine.signs() == ["mail"]
    assert list(machine.records()) == ["mail"]
    machine.sandbox.faults.clear()
    machine.later(2)
    machine.complete()
    assert machine.signs() != ["mail"]


def test_the_new_token_lacked_one_domain(begin: Begin) -> None:
    """That domain goes on with its proven key, exit 3 says which right is missing; the other one rotates."""
    with begin(ZONE, OTHER) as machine:
        token = machine.sandbox.credentials.issue([(r.method, r.path) for r in rules_for([ZONE])])
        machine.prepare(OVH_CONSUMER_KEY=token)
        document = machine.rotate("--now", ZONE, OTHER, code=3, OVH_CONSUMER_KEY=token)
        [failed] = [step for step in document["steps"] if step["outcome"] == "failed"]
        assert (failed["domain"], failed["action"]) == (OTHER, "publish")
        assert OTHER in failed["hint"]
        assert machine.signs(OTHER) == ["mail"]
        assert machine.signs() != ["mail"]


def test_the_least_privilege_token_got_403_in_the_wrong_zone(begin: Begin) -> None:
    """The documented rights for one zone do for a whole rotation, of a name below it too: no zone is guessed."""
    with begin(ZONE) as machine:
        machine("genkey", f"mail.{ZONE}", "-s", "mail", "--algorithm", "ed25519", "-q")
        token = machine.sandbox.credentials.issue([(r.method, r.path) for r in rules_for([ZONE])])
        machine.prepare(OVH_CONSUMER_KEY=token)
        machine.rotate("--now", ZONE, OVH_CONSUMER_KEY=token, code=0)
        machine("publish", f"mail.{ZONE}", "--timeout", "60", OVH_CONSUMER_KEY=token)
        machine.for_days(50, OVH_CONSUMER_KEY=token)
        assert "mail" not in machine.records()
        assert "mail._domainkey.mail" in {one.sub_domain for one in machine.sandbox.zone(ZONE).edited}


def test_a_record_could_be_created_and_not_modified(machine: Rotating) -> None:
    """Without the right to PUT the old record stays, exit 3 names the right, and mail is signed with the new key."""
    machine.complete()
    rules = [(r.method, r.path) for r in rules_for([ZONE]) if r.method != "PUT"]
    token = machine.sandbox.credentials.issue(rules)
    before = machine.records()
    taken = machine.for_days(20, code=3, OVH_CONSUMER_KEY=token)
    failed = next(step for step in taken if step["outcome"] == "failed")
    assert failed["action"] == "revoke"
    assert "PUT " in failed["hint"]
    assert before == machine.records()
    machine.rotate(hours=1)
    assert machine.records()["mail"].endswith("p=")


def test_one_old_record_that_was_split_otherwise_failed_the_whole_batch(begin: Begin) -> None:
    """Records are compared as what they say, not as strings; another text at the name stops its own domain only."""
    with begin(ZONE, OTHER, "third.example") as machine:
        machine.complete(ZONE, OTHER, "third.example")
        zone = machine.sandbox.zone(ZONE)
        [record] = [one for one in zone.edited if one.sub_domain == "mail._domainkey"]
        head, _, tail = record.target.partition("p=")
        zone.remove(record.id)
        zone.add("TXT", "mail._domainkey", f'"{head}" "p={tail[:9]}" "{tail[9:]}"')
        strange = machine.sandbox.zone("third.example")
        [record] = [one for one in strange.edited if one.sub_domain == "mail._domainkey"]
        strange.change(replace(record, target="v=DKIM1; p=someoneelses"))
        strange.refresh()
        document = {"steps": machine.for_days(15, code=1)}
        assert "revoke done" in steps(document)
        assert "revoke done" in steps(document, OTHER)
        assert "revoke failed" in steps(document, "third.example")
        assert machine.records("third.example")["mail"] == "v=DKIM1; p=someoneelses"


# --- keys and tables


def test_a_subset_of_accounts_signed_with_wrong_keys(begin: Begin) -> None:
    """The first domain whose message is not signed right stops the run: it goes back, and no other one is tried."""
    domains = tuple(f"d{number}.example" for number in range(5))
    with begin(*domains) as machine:
        machine.prepare()
        machine.unsigned.add(machine.new("d0.example"))
        stopped = machine.rotate("--now", *domains, code=1)
        assert machine.switched == [["d0.example"]]
        assert stopped["next"].startswith("d0.example: switch"), "and not only tomorrow"
        others = {wait["domain"] for wait in stopped["waits"] if "a switch failed" in wait["proof"]}
        assert others == set(domains), "what does not happen is reported for each"
        assert [machine.signs(name) for name in domains] == [["mail"]] * 5
        machine.unsigned.clear()
        machine.rotate(hours=2)
        assert all(machine.signs(name) != ["mail"] for name in domains)


def test_editing_the_selector_signed_at_once(machine: Rotating) -> None:
    """The new name is that of the next key, which signs after its proof; the tables still name the old one whole."""
    machine.configure('[keys]\nselector = "edited"\n')
    machine("render-config", "--install")
    assert machine.signs() == ["mail"]
    machine.prepare()
    assert machine.signs() == ["mail"]
    machine.rotate("--now", ZONE)
    assert machine.signs() == ["edited"]
    assert {"mail", "edited"} <= set(machine.records()), "no overlap"


def test_regenerating_replaced_the_key_at_once(machine: Rotating) -> None:
    """The old record stays for the mail under way, and so does the private key."""
    machine.complete()
    for _ in range(13):
        machine.rotate(hours=DAY)
    assert not machine.records()["mail"].endswith("p=")
    assert "mail" in machine.selectors()


def test_delete_came_first_and_publish_later(machine: Rotating) -> None:
    """The key that signs is not deleted, by no command; a record that is gone all the same is no success."""
    for words in ((ZONE, "mail"), (ZONE,)):
        assert "signs for" in machine("delete", *words, code=1).err
    zone = machine.sandbox.zone(ZONE)
    zone.remove(next(one.id for one in zone.edited if one.sub_domain == "mail._domainkey"))
    zone.refresh()
    assert machine("verify-dns", ZONE, code=1).err == ""


def test_selector_public_and_private_key_were_written_in_three_steps(machine: Rotating) -> None:
    """A private key that does not belong to the published record is seen as such: it never signs."""
    machine.prepare()
    new = machine.new()
    machine("genkey", OTHER, "-s", "mail", "--algorithm", "ed25519", "-q")
    keys = machine.dkimctl.root / "etc/opendkim/keys"
    (keys / ZONE / f"{new}.private").write_bytes((keys / OTHER / "mail.private").read_bytes())
    machine.rotate("--now", ZONE)
    assert machine.signs() == ["mail"]


def test_a_third_roll_of_one_day_collided(machine: Rotating) -> None:
    """Each has a selector of its own, and each key its own text."""
    for _ in range(3):
        machine.complete()
    records = machine.records()
    assert len(machine.switched) == 3
    assert len(records) == len(set(records.values())) == 5


def test_the_selector_changed_and_the_key_table_did_not(machine: Rotating) -> None:
    """The key table alone names the selector and the file, and changes with them: no other table can differ from it."""
    machine.complete()
    [now] = machine.signs()
    signing = (machine.dkimctl.root / "etc/opendkim/SigningTable").read_text()
    assert not any(f"{selector}._domainkey" in signing for selector in ("mail", now))
    table = (machine.dkimctl.root / "etc/opendkim/KeyTable").read_text()
    assert f"{ZONE}:{now}:/etc/opendkim/keys/{ZONE}/{now}.private" in table


def test_the_new_key_silently_was_the_old_one(machine: Rotating) -> None:
    """The text of the new record is another one, and asking for a key that is there says so, exit 1."""
    machine.complete()
    texts = machine.records()
    assert texts["mail"] != texts[machine.signs()[0]]
    assert "already" in machine("genkey", ZONE, "-s", "mail", code=1).err


def test_keys_were_regenerated_by_themselves_again_and_again(machine: Rotating) -> None:
    """Runs that have nothing to do change no key, no selector, no table and no record, for a month."""
    machine.prepare()
    keys = machine.dkimctl.root / "etc/opendkim/keys" / ZONE
    tables = machine.dkimctl.root / "etc/opendkim"

    def state() -> tuple[object, ...]:
        files = [*keys.glob("*.private"), tables / "KeyTable", tables / "SigningTable"]
        return [(file.name, file.read_bytes(), file.stat().st_mtime_ns) for file in sorted(files)], machine.records()

    before = state()
    for _ in range(30):
        machine.rotate(hours=DAY, code=0)
        machine("genkey", ZONE, "-s", "mail", "--if-missing", "-q")
    assert state() == before


def test_the_engine_signed_with_another_key_than_the_store_shows(machine: Rotating) -> None:
    """A key is active when a message proved it: after a failed proof tables and status show the one that signs."""
    machine.prepare()
    new = machine.new()
    machine.unsigned.add(new)
    machine.rotate("--now", ZONE, code=1)
    shown = {key["selector"]: key["phase"] for key in machine("status", "--json").json["status"]["keys"]}
    assert (machine.signs(), shown["mail"], shown[new]) == (["mail"], "active", "verified")


def test_a_manual_key_was_active_at_once_and_pending_keys_piled_up(machine: Rotating) -> None:
    """One key waits for the person who adds its record, however often it runs; exit 3 names the record."""
    machine.configure(f'[domains."{ZONE}"]\nprovider = "manual"\n')
    for _ in range(5):
        document = machine.rotate("--now", ZONE, hours=DAY, code=3)
    new = machine.new()
    assert machine.signs() == ["mail"]
    assert any(new in wait["proof"] for wait in document["waits"])


def test_an_upgrade_added_entries_with_the_default_selector(machine: Rotating) -> None:
    """A key of the default name that nobody proved is not in the tables, however often they are written."""
    machine("genkey", ZONE, "--algorithm", "ed25519", "-q")
    for _ in range(2):
        machine("render-config", "--install")
    assert machine.signs() == ["mail"]


def test_a_second_selector_of_a_domain_restarted_the_daemon_for_ever(machine: Rotating) -> None:
    """With a standby beside the key that signs there is nothing to change, and nothing is switched."""
    machine.prepare()
    machine("render-config", "--check")
    for _ in range(5):
        machine.rotate(hours=DAY, code=0)
    assert machine.switched == []


def test_a_selector_was_used_again_and_old_mail_turned_invalid(machine: Rotating) -> None:
    """The name of a key that is gone from everywhere stays taken for ever."""
    machine.complete()
    machine.for_days(105)
    assert "mail" not in machine.selectors()
    assert "belonged to a key that was removed" in machine("genkey", ZONE, "-s", "mail", code=1).err


def test_one_private_key_served_many_domains(begin: Begin) -> None:
    """Every domain and every rotation has a key of its own."""
    with begin(ZONE, OTHER) as machine:
        machine.complete(ZONE, OTHER)
        texts = [*machine.records().values(), *machine.records(OTHER).values()]
        assert len(texts) == len(set(texts)) == 6


def test_the_service_type_of_a_record_was_taken_for_the_selector(begin: Begin) -> None:
    """`s=email` is the record's, and no name."""
    with begin() as machine:
        machine("genkey", OTHER, "-s", "mail", "--restrict", "--algorithm", "ed25519", "-q")
        [record] = machine("record", OTHER, "--json").json["records"]
        assert "s=email" in record["text"]
        assert record["owner"] == f"mail._domainkey.{OTHER}"


# --- runs


@pytest.mark.parametrize("why", ["automation", "hold", "a name server"])
def test_rotation_was_off_for_a_year_and_nobody_was_told(machine: Rotating, why: str) -> None:
    """A key a month past its time is reported at every run, exit 3, whatever keeps it: the timer's unit then fails."""
    if why == "automation":
        machine.configure('[lifecycle]\nautomation = "off"\n')
    elif why == "hold":
        machine("hold", ZONE)
    else:
        machine.sandbox.dns_faults.set("ns2", "stale")
    machine.rotate()
    document = machine.rotate(hours=100 * DAY)
    assert not any("overdue" in wait["proof"] for wait in document["waits"])
    document = machine.rotate(hours=140 * DAY, code=3)
    assert any("overdue" in wait["proof"] for wait in document["waits"]), document


def test_the_documented_rotation_never_ran(machine: Rotating) -> None:
    """The daily timer alone, and nobody: within a year two keys take over, and the first is gone from everywhere."""
    for _ in range(365):
        machine.rotate(hours=DAY, code=0)
    assert len(machine.switched) == 1 or len(machine.switched) == 2
    assert "mail" not in machine.records()
    assert "mail" not in machine.selectors()


def test_two_owed_effects_made_the_state_unreadable(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs end between an effect and its note, for one domain and then the other: the next completes both."""
    with begin(ZONE, OTHER) as machine:
        for name in (ZONE, OTHER):
            with monkeypatch.context() as patch:
                patch.setattr(Effects, "_note_written", _interrupted)
                machine("rotate", name, code=130)
        machine.complete(ZONE, OTHER)
        assert machine.signs() != ["mail"]
        assert machine.signs(OTHER) != ["mail"]
        assert len(machine.records()) == len(machine.records(OTHER)) == 3


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_single_run_and_the_scan_disagreed(begin: Begin) -> None:
    """The calendar of one domain is that of all of them, for this domain."""
    with begin(ZONE, OTHER) as machine:
        machine.prepare()
        every = machine("rotate", "--dry-run", "--json").json["calendar"]
        one = machine("rotate", ZONE, "--dry-run", "--json").json["calendar"]
        assert one == [step for step in every if step["domain"] == ZONE]
        assert one
        assert HOUR == 3600, "the other half of the story"


def test_a_dead_lock_held_renewals_up_for_ever(machine: Rotating) -> None:
    """The lock of a run that was killed is nobody's: the next run goes on at once."""
    machine.rotate()
    place = machine.dkimctl.root / "var/lib/dkimctl"
    hold = f"""
import os, pathlib, signal
from dkimctl.files import locked
with locked(pathlib.Path({str(place)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", hold], env={"PYTHONPATH": str(REPOSITORY)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    slept = len(machine.clock.slept)
    machine.rotate(hours=DAY, code=0)
    assert len(machine.clock.slept) == slept, "it waited"


def test_it_was_stuck_and_nobody_could_see_on_what(machine: Rotating) -> None:
    """Each wait is told, not the last one only: the server that does not give the next key, and the person's part."""
    machine.sandbox.dns_faults.set("ns2", "stale")
    document = machine.rotate()
    [wait] = [step for step in document["steps"] if step["outcome"] == "waits"]
    assert wait["action"] == "look"
    assert wait["proof"]


def test_a_checker_demanded_an_unpublished_standby_and_retired_selectors(machine: Rotating) -> None:
    """`verify-dns` asks for the key that signs, not for one that was only made, or one whose time is over."""
    machine.complete()
    machine.for_days(50)
    assert "mail" not in machine.records()
    machine("genkey", ZONE, "-s", "later", "--algorithm", "ed25519", "-q")
    machine("verify-dns", ZONE, code=0)
