"""`dkimctl rotate`, `hold`, `delete` below --root: what needs no daemon, and what is typed wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside
from tests.publishing import ZONE, sandbox

PROVIDER = 'provider = "ovh"\n'


@pytest.fixture
def dkimctl(dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """One key of our making that was not published yet; the provider is OVH."""
    path = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True)
    path.write_text(PROVIDER)
    assert dkimctl_inside("genkey", ZONE, "-s", "mail", "--algorithm", "ed25519", "-q").code == 0
    return dkimctl_inside


def notes(dkimctl: DkimctlInside, selector: str = "mail") -> dict[str, object]:
    """The metadata of a key."""
    path = dkimctl.root / f"etc/opendkim/keys/{ZONE}/{selector}.json"
    return dict(json.loads(path.read_text()))


def test_nothing_is_done_for_a_domain_that_does_not_sign(dkimctl: DkimctlInside) -> None:
    """Its first key is setup's: rotate says that nothing signs, exit 3, and publishes what is there."""
    with sandbox() as running:
        run = dkimctl("rotate", "--json", env=running.environment())
        assert run.code == 3
        assert [wait["proof"] for wait in run.json["rotation"]["waits"]] == ["no key of this domain signs yet"]


def test_the_dry_run_changes_nothing(dkimctl: DkimctlInside) -> None:
    """A calendar; no metadata, no state directory."""
    before = notes(dkimctl)
    run = dkimctl("rotate", "--dry-run")
    assert run.code == 0
    assert "WHEN (UTC)" in run.out
    assert notes(dkimctl) == before
    assert not (dkimctl.root / "var/lib/dkimctl").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: json.dumps({**json.loads(text), "facts": {"record": {"written": "yesterday"}}}),
        lambda text: json.dumps({**json.loads(text), "schema": 99}),
        lambda text: json.dumps({**json.loads(text), "phase": "resting"}),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
    ],
    ids=["facts", "newer version", "phase", "cut off", "empty", "list"],
)
def test_damaged_metadata_stops_one_domain_and_no_other(dkimctl: DkimctlInside, damage: Callable[[str], str]) -> None:
    """The failed step names the domain, with a hint; the file stays as it is; the other domain is looked at."""
    assert dkimctl("genkey", "other.example", "-s", "mail", "--algorithm", "ed25519", "-q").code == 0
    path = dkimctl.root / "etc/opendkim/keys/other.example/mail.json"
    path.write_text(damaged := damage(path.read_text()))
    with sandbox() as running:
        run = dkimctl("rotate", "--json", env=running.environment())
    failed = [step for step in run.json["rotation"]["steps"] if step["outcome"] == "failed"]
    assert [(step["domain"], step["exit_code"]) for step in failed] == [("other.example", 1)]
    assert failed[0]["hint"]
    assert [wait["domain"] for wait in run.json["rotation"]["waits"]] == [ZONE]
    assert path.read_text() == damaged


def test_lone_damaged_metadata_stop_one_domain_and_no_other(dkimctl: DkimctlInside) -> None:
    """Without a private key beside them as well; a directory in which there is no key is passed over without a word."""
    keys = dkimctl.root / "etc/opendkim/keys"
    for name in ("damaged.example", "empty.example"):
        (keys / name).mkdir()
    (keys / "damaged.example/mail.json").write_text("{")
    with sandbox() as running:
        run = dkimctl("rotate", "--json", env=running.environment())
    failed = [step["domain"] for step in run.json["rotation"]["steps"] if step["outcome"] == "failed"]
    assert failed == ["damaged.example"]
    assert [wait["domain"] for wait in run.json["rotation"]["waits"]] == [ZONE]


@pytest.mark.parametrize("last", ["2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"])
def test_a_clock_that_jumped_changes_nothing(dkimctl: DkimctlInside, last: str) -> None:
    """Back, or ahead by years: it says so, exit 3, and the time of the last run stays what it was."""
    state = dkimctl.root / "var/lib/dkimctl/rotate.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"schema": 1, "last_run": last}))
    with sandbox() as running:
        run = dkimctl("rotate", env=running.environment())
        assert run.code == 3
        assert f"the last run was at {last}" in " ".join(run.err.split())
        assert key_records(running) == []
    assert json.loads(state.read_text())["last_run"] == last


@pytest.mark.parametrize(
    "words",
    [
        ("rotate", "--now"),
        ("rotate", "nobody.example"),
        ("hold", "nobody.example"),
        ("resume",),
        ("delete", ZONE, "other"),
        ("delete", "not a domain"),
        ("revoke", ZONE),
        ("revoke", ZONE, "mail", "--leaked", "key"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_typed_wrong(dkimctl: DkimctlInside, words: tuple[str, ...]) -> None:
    """An error with a hint, and nothing is changed."""
    before = notes(dkimctl)
    run = dkimctl(*words)
    assert run.code == 2, run.out + run.err
    assert "hint: " in run.err
    assert notes(dkimctl) == before


def test_an_unpublished_key_is_deleted_without_a_provider(dkimctl: DkimctlInside) -> None:
    """Nothing is in DNS, so nobody is asked; the selector stays taken."""
    run = dkimctl("delete", ZONE, "mail")
    assert (run.code, run.err) == (0, "")
    assert not (dkimctl.root / f"etc/opendkim/keys/{ZONE}/mail.private").exists()
    assert notes(dkimctl)["phase"] == "purged"
    again = dkimctl("genkey", ZONE, "-s", "mail")
    assert again.code == 1
    assert "belonged to a key that was removed" in again.err


def key_records(running: Sandbox) -> list[str]:
    """The names of the key records in the zone."""
    return [record.sub_domain for record in running.zone(ZONE).edited if record.field_type == "DKIM"]


def test_a_published_key_is_deleted_with_its_record_and_no_other(dkimctl: DkimctlInside) -> None:
    """The record goes first. Where another text is at the name, nothing is touched: exit 1, the key stays."""
    with sandbox() as running:
        env = running.environment()
        assert dkimctl("publish", ZONE, "--no-wait", env=env).code == 0
        assert key_records(running) == ["mail._domainkey"]
        run = dkimctl("delete", ZONE, "mail", env=env)
        assert run.code == 0, run.err
        assert key_records(running) == []
        assert dkimctl("genkey", ZONE, "-s", "second", "--algorithm", "ed25519", "-q").code == 0
        assert dkimctl("publish", ZONE, "--no-wait", env=env).code == 0
        [record] = [one for one in running.zone(ZONE).edited if one.field_type == "DKIM"]
        running.zone(ZONE).change(replace(record, target="v=DKIM1; p=somebodyelses"))
        run = dkimctl("delete", ZONE, "second", env=env)
        assert run.code == 1
        assert "was not made by this key" in " ".join(run.err.split())
        assert (dkimctl.root / f"etc/opendkim/keys/{ZONE}/second.private").exists()


def another_signs(dkimctl: DkimctlInside) -> None:
    """Make the first key one that has signed until another key took its place."""
    table = dkimctl.root / "etc/opendkim/KeyTable"
    table.write_text(f"new._domainkey.{ZONE} {ZONE}:new:/etc/opendkim/keys/{ZONE}/new.private\n")
    assert dkimctl("genkey", ZONE, "-s", "new", "--algorithm", "ed25519", "-q").code == 0
    for selector, signing in (
        ("mail", {"proven": "2026-11-01T00:00:00Z", "since": "2026-11-01T00:00:00Z"}),
        ("new", {"since": "2026-11-20T00:00:00Z", "proven": "2026-11-20T00:00:00Z"}),
    ):
        path = dkimctl.root / f"etc/opendkim/keys/{ZONE}/{selector}.json"
        path.write_text(json.dumps({**notes(dkimctl, selector), "phase": "active", "facts": {"signing": signing}}))


def test_looking_notes_nothing(dkimctl: DkimctlInside) -> None:
    """A key whose end is seen only now, because another one signs: --dry-run says so, and leaves it to `rotate`."""
    another_signs(dkimctl)
    before = notes(dkimctl)
    assert "its record is emptied" in dkimctl("rotate", "--dry-run").out
    assert notes(dkimctl) == before
    with sandbox() as running:
        dkimctl("rotate", env=running.environment())
    assert notes(dkimctl)["phase"] == "retiring"


def test_two_at_once_do_a_thing_once(dkimctl: DkimctlInside) -> None:
    """One does what is due; the other waits for it, and finds nothing due. Nothing temporary is left."""
    another_signs(dkimctl)
    with sandbox() as running:
        both = [
            subprocess.Popen(
                [sys.executable, "-m", "dkimctl", "rotate"],
                env=dkimctl.scratch.environment(running.environment()),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        said = [one.communicate(timeout=120) for one in both]
        assert sorted(one.returncode for one in both) == [0, 3], said
        published = key_records(running)
    made = {f"{path.stem}._domainkey" for path in (dkimctl.root / f"etc/opendkim/keys/{ZONE}").glob("*.private")}
    assert sorted(published) == sorted(made - {"mail._domainkey"})
    assert len(made) == 3  # the next key was made once
    phases = [entry["phase"] for entry in notes(dkimctl)["history"]]  # type: ignore[attr-defined]
    assert phases.count("retiring") == 1
    assert list(dkimctl.root.rglob(".dkimctl-*")) == []


@pytest.mark.parametrize("how", [(), ("--now",), ("--dry-run",)])
def test_a_named_domain_without_a_key_is_a_mistake(dkimctl: DkimctlInside, how: tuple[str, ...]) -> None:
    """Said as every command says it, before anything is noted of the domains named beside it."""
    run = dkimctl("rotate", *how, ZONE, "nokey.example")
    assert (run.code, run.out) == (2, "")
    assert "nokey.example has no key" in run.err
    assert "dkimctl genkey nokey.example" in run.err
    assert not (dkimctl.root / f"etc/opendkim/keys/{ZONE}/.lifecycle.json").exists()
    assert not (dkimctl.root / "etc/opendkim/keys/nokey.example").exists()
