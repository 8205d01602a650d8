"""The next step that `dkimctl status` shows: as `rotate` plans it, with its date and what it waits for."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from dkimctl.cli.main import cli
from dkimctl.clock import timestamp
from dkimctl.lifecycle import status_of_domain
from dkimctl.lifecycle.plan import Do
from tests.conftest import DkimctlInside
from tests.test_lifecycle_status import configure, genkey

DOMAIN = "one.example"


def ago(days: float) -> str:
    """An instant before now."""
    return timestamp(datetime.now(UTC) - timedelta(days=days))


def note(dkimctl: DkimctlInside, selector: str, **changes: Any) -> None:
    """Change a key's metadata."""
    path = dkimctl.root / f"etc/opendkim/keys/{DOMAIN}/{selector}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "created": ago(60), "provider": "manual", **changes}))


RECORD = {"written": ago(60), "seen": ago(60), "confirmed": ago(59), "last_seen": ago(0.1), "ttl": 3600}
SIGNING = {"since": ago(50), "proven": ago(0.1)}


@pytest.fixture
def dkimctl(dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """A domain at rest: `a` signs, `b` is on standby."""
    for selector in "ab":
        genkey(dkimctl_inside, DOMAIN, selector)
    note(dkimctl_inside, "a", phase="active", facts={"record": RECORD, "signing": SIGNING})
    note(dkimctl_inside, "b", phase="verified", facts={"record": RECORD})
    table = dkimctl_inside.root / "etc/opendkim/KeyTable"
    table.write_text(f"a._domainkey.{DOMAIN} {DOMAIN}:a:/etc/opendkim/keys/{DOMAIN}/a.private\n")
    configure(dkimctl_inside, 'provider = "zonefile:/nowhere"\n')
    return dkimctl_inside


def step(dkimctl: DkimctlInside) -> dict[str, Any]:
    """The one next step in the document of `status`."""
    [found] = dkimctl("status", "--json").json["status"]["steps"]
    return dict(found)


def planned(dkimctl: DkimctlInside) -> list[dict[str, Any]]:
    """The calendar of `rotate --dry-run`."""
    return list(dkimctl("rotate", "--dry-run", "--json").json["calendar"])


def test_a_domain_at_rest_shows_its_switch(dkimctl: DkimctlInside) -> None:
    """With the date of the calendar, in the row of the key that signs; nothing is said below the table."""
    [switch] = [one for one in planned(dkimctl) if one["do"] == Do.SWITCH]
    found = step(dkimctl)
    assert (found["step"], found["selector"], found["at"]) == ("switch", "a", switch["at"])
    assert (found["is_due"], found["needs_person"], found["waits_for"]) == (False, False, "")
    rows = dkimctl("status").out.splitlines()
    assert len(rows) == 3
    assert rows[1].endswith(f"60 d  {switch['at'][:10]} switch")
    assert rows[2].endswith(" -")


@pytest.mark.parametrize("days", [10, 100, 161, 205])
def test_the_shortcut_says_what_the_plan_says(
    dkimctl: DkimctlInside, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A domain at rest is not planned, as there may be 100,000 of them: whatever its age, the plan agrees."""
    note(dkimctl, "a", phase="active", created=ago(days), facts={"record": RECORD, "signing": {"since": ago(days)}})
    short = step(dkimctl)
    monkeypatch.setattr(status_of_domain, "rest_of", lambda *_: None)
    assert step(dkimctl) == short
    assert short["is_due"] is (days > 180)


def test_a_domain_at_rest_is_not_planned(dkimctl: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed of `status` over many domains rests on it."""
    monkeypatch.setattr(status_of_domain, "preview", lambda *_: pytest.fail("planned"))
    assert step(dkimctl)["step"] == "switch"


def test_what_waits_for_caches_says_until_when(dkimctl: DkimctlInside) -> None:
    """The next key was proven just now: on what the switch waits, and until when."""
    record = {**RECORD, "seen": ago(0.02), "confirmed": ago(0.01)}
    note(dkimctl, "a", phase="active", created=ago(205), facts={"record": RECORD, "signing": {"since": ago(204)}})
    note(dkimctl, "b", phase="verified", facts={"record": record})
    found = step(dkimctl)
    assert (found["step"], found["selector"], found["needs_person"]) == ("switch", "b", False)
    assert found["waits_for"] == "caches that may remember that b does not exist"
    run = dkimctl("status")
    at = found["at"][:16].replace("T", " ")
    wanted = f"{DOMAIN} b: switch waits: caches that may remember that b does not exist, until {at} UTC"
    assert run.out.splitlines()[-1] == wanted


def test_what_waits_for_a_person_comes_before_the_table(dkimctl: DkimctlInside) -> None:
    """A record that is to be published by hand: the row says so, and what to do is above it."""
    configure(dkimctl, 'provider = "manual"\n')
    note(dkimctl, "b", phase="generated", facts={})
    assert (step(dkimctl)["needs_person"], step(dkimctl)["step"]) == (True, "publish")
    out = dkimctl("status", DOMAIN).out
    assert out.startswith(f"{DOMAIN} b: publish waits: the record of b is to be published by hand\n")
    assert "by hand: publish" in out
    assert f'dkimctl_domain_needs_person{{domain="{DOMAIN}"}} 1' in dkimctl("status", "--format", "prometheus").out


def test_a_held_domain_shows_no_date(dkimctl: DkimctlInside) -> None:
    """Nothing happens by itself: the command that changes that, and no person is asked for."""
    assert dkimctl("hold", DOMAIN).code == 0
    found = step(dkimctl)
    assert (found["step"], found["at"], found["needs_person"]) == (None, None, False)
    assert found["waits_for"] == f"dkimctl resume {DOMAIN}"
    assert dkimctl("status").out.splitlines()[-1] == f"{DOMAIN}: held: dkimctl resume {DOMAIN}"
    assert [one["step"] for one in planned(dkimctl) if one["do"] == Do.SWITCH] == []


def test_a_retired_key_shows_the_end_of_its_record(dkimctl: DkimctlInside) -> None:
    """Mail signed with it may be under way for 14 days."""
    genkey(dkimctl, DOMAIN, "o")
    facts = {"record": RECORD, "signing": {"left": ago(4)}}
    note(dkimctl, "o", phase="retiring", created=ago(240), facts=facts)  # a newer key than `a` would be the next one
    found = step(dkimctl)
    assert (found["step"], found["selector"]) == ("revoke", "o")
    assert found["waits_for"] == "mail signed with the key o that is under way"
    assert found["at"][:10] == (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%d")


def test_damaged_facts_are_a_problem(dkimctl: DkimctlInside) -> None:
    """`rotate` stops for this domain: `status` says so first, with exit code 3, and lists its keys."""
    note(dkimctl, "a", phase="active", facts={"record": {**RECORD, "missing": "yesterday"}, "signing": SIGNING})
    run = dkimctl("status")
    assert run.code == 3
    assert run.out.index("the facts in the key's metadata are damaged") < run.out.index("DOMAIN")
    assert "active" in run.out


def test_proofs_are_in_every_format(dkimctl: DkimctlInside) -> None:
    """When the record was last seen and a signature last verified; of an older key when it came into that phase."""
    key, spare = dkimctl("status", "--json").json["status"]["keys"]
    assert (key["served"], key["proven"]) == (RECORD["last_seen"], SIGNING["proven"])
    assert (spare["served"], spare["proven"]) == (RECORD["last_seen"], None)
    out = dkimctl("status", "--format", "prometheus").out
    at = int(datetime.fromisoformat(SIGNING["proven"]).timestamp())
    labels = f'domain="{DOMAIN}",selector="a"'
    assert f"dkimctl_key_proven_timestamp_seconds{{{labels}}} {at}\n" in out
    switch = int(datetime.fromisoformat(step(dkimctl)["at"]).timestamp())
    assert f'dkimctl_domain_next_step_timestamp_seconds{{{labels},step="switch"}} {switch}\n' in out
    assert f'dkimctl_domain_needs_person{{domain="{DOMAIN}"}} 0\n' in out


def test_the_calendar_names_every_step(dkimctl: DkimctlInside) -> None:
    """What waits and what is to come has the kind of its step, as what is due has."""
    assert {one["do"] for one in planned(dkimctl)} <= set(Do)


# --- the commands that are printed


def commands(text: str) -> list[list[str]]:
    """The commands of ours at the ends of the lines of a text."""
    found = re.findall(r"(?:sudo )?dkimctl ((?!error|hint|warning)[a-z-]+(?: .*)?)$", text, re.MULTILINE)
    return [shlex.split(one) for one in found]


@pytest.mark.parametrize("form", ["text", "nagios", "json"])
@pytest.mark.parametrize("count", [1, 4])
def test_every_command_runs_as_it_is_printed(dkimctl_inside: DkimctlInside, form: str, count: int) -> None:
    """With --root and --config as they were given, the key's own provider, and names that exist: also for many."""
    root, config = str(dkimctl_inside.root), str(dkimctl_inside.root / "etc/my conf.toml")
    for number in range(count):
        genkey(dkimctl_inside, f"d{number}.example")
        path = dkimctl_inside.root / f"etc/opendkim/keys/d{number}.example/mail.json"
        noted = {"provider": "manual", "phase": "verified" if number % 2 else "generated"}
        path.write_text(json.dumps({**json.loads(path.read_text()), **noted}))
    bare = "".join(f'[domains."bare{number}.example"]\nprovider = "manual"\n' for number in range(count))
    (dkimctl_inside.root / "etc/my conf.toml").write_text(bare)
    shown = ("--format", form, *(["-v"] if form == "nagios" else []))
    run = dkimctl_inside("status", *shown, "--root", root, "--config", config)
    text = run.out + run.err
    if form == "nagios":
        text = text.partition("\n")[2]  # the first problem is in the status line, with more after it
    if form == "json":
        found = run.json["status"]
        text = "\n".join(one["next"] for one in (*found["keys"], *found["keyless"]))
    printed = commands(text)
    assert {words[0] for words in printed} == ({"genkey", "publish"} if count == 1 else {"genkey", "publish", "setup"})
    for words in printed:
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        context = command.make_context(words[0], words[1:])
        assert (context.params["root"], context.params["config_file"]) == (root, config)
        if words[0] == "publish":
            assert dkimctl_inside(*words, "--dry-run").code == 0
        if words[0] != "genkey":
            assert context.params["provider"] == "manual"
        for domain in context.params["domains"]:
            assert re.fullmatch(r"(d|bare)\d\.example", domain)


def test_of_a_key_that_signs_unproven_the_first_look_is_next(dkimctl: DkimctlInside) -> None:
    """`rotate` looks for its record before anything else; that another key is to be made is not what matters."""
    note(dkimctl, "a", phase="generated", facts={})
    (dkimctl.root / f"etc/opendkim/keys/{DOMAIN}/b.private").unlink()
    (dkimctl.root / f"etc/opendkim/keys/{DOMAIN}/b.json").unlink()
    found = step(dkimctl)
    assert (found["step"], found["selector"], found["is_due"]) == ("look", "a", True)
    note(dkimctl, "a", phase="generated", facts={"record": {"missing": ago(0.1)}})
    assert step(dkimctl)["step"] == "publish"
