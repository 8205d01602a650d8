"""`dkimctl status`: every key with its phase, and what is next; the credential's end, there and in `doctor`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dkimctl.cli.app import App
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Phase
from dkimctl.providers.ovh.grants import rules_for
from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside, Run
from tests.ovh_people import Person
from tests.publishing import ZONE, sandbox


def genkey(dkimctl: DkimctlInside, domain: str, selector: str = "mail", *phases: Phase) -> None:
    """A key that has come through these phases, the first of them on 24 November."""
    assert dkimctl("genkey", domain, "-s", selector, "--algorithm", "ed25519", "-q").code == 0
    store = KeyDirectory(dkimctl.root / "etc/opendkim/keys")
    for day, phase in enumerate(phases, 24):
        [key] = [key for key in store.keys(domain) if key.selector == selector]
        store.advance(key, phase, datetime(2026, 11, day, tzinfo=UTC))


def configure(dkimctl: DkimctlInside, text: str) -> None:
    """The configuration file."""
    path = dkimctl.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_line_for_each_key(dkimctl_inside: DkimctlInside) -> None:
    """Domain, selector, kind, phase, age, next step; the domains in order, the keys by age."""
    genkey(dkimctl_inside, "two.example", "a", Phase.PUBLISHED, Phase.VERIFIED)
    genkey(dkimctl_inside, "one.example")
    run = dkimctl_inside("status")
    assert run.code == 0
    assert [line.split() for line in run.out.splitlines()[1:]] == [
        ["one.example", "mail", "ed25519", "generated", "0", "d", "-"],
        ["two.example", "a", "ed25519", "verified", "0", "d", "-"],
    ]
    assert run.out.splitlines()[0].split() == ["DOMAIN", "SELECTOR", "KEY", "PHASE", "AGE", "NEXT", "STEP"]
    assert max(map(len, run.out.splitlines())) <= 80


def test_what_is_next_is_said_for_keys_that_do_not_sign_yet(dkimctl_inside: DkimctlInside) -> None:
    """A command to type for each kind of them; none for a key that signs, and none for one on standby."""
    genkey(dkimctl_inside, "new.example")
    genkey(dkimctl_inside, "seen.example", "mail", Phase.PUBLISHED, Phase.VERIFIED)
    genkey(dkimctl_inside, "signs.example", "mail", Phase.PUBLISHED, Phase.VERIFIED, Phase.ACTIVE)
    genkey(dkimctl_inside, "signs.example", "spare", Phase.PUBLISHED, Phase.VERIFIED)
    configure(dkimctl_inside, '[domains."bare.example"]\nprovider = "manual"\n')
    run = dkimctl_inside("status")
    assert run.err.splitlines() == [
        "dkimctl: 1 domain has no key: dkimctl genkey bare.example",
        "dkimctl: 1 key not published yet: dkimctl publish new.example",
        "dkimctl: 1 key not signing yet: sudo dkimctl setup seen.example",
    ]
    assert "bare.example" in run.out
    assert dkimctl_inside("status", "signs.example").err == ""


def test_a_proven_key_that_the_tables_name_is_active(dkimctl_inside: DkimctlInside) -> None:
    """After `render-config --install` it signs, whatever was noted of it."""
    genkey(dkimctl_inside, "one.example", "mail", Phase.PUBLISHED, Phase.VERIFIED)
    table = dkimctl_inside.root / "etc/opendkim/KeyTable"
    table.parent.mkdir(parents=True, exist_ok=True)
    key = "/etc/opendkim/keys/one.example/mail.private"
    table.write_text(f"mail._domainkey.one.example one.example:mail:{key}\n")
    run = dkimctl_inside("status")
    assert (run.code, run.out.splitlines()[1].split()[3], run.err) == (0, "active", "")


def test_the_command_that_is_next_names_the_keys_own_provider(dkimctl_inside: DkimctlInside) -> None:
    """Where no configuration does, so that it runs as it is printed."""
    genkey(dkimctl_inside, "one.example")
    path = dkimctl_inside.root / "etc/opendkim/keys/one.example/mail.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "provider": "manual"}))
    [key] = dkimctl_inside("status", "--json").json["status"]["keys"]
    assert key["next"] == "dkimctl publish one.example --provider manual"
    configure(dkimctl_inside, 'provider = "ovh"\n')
    [key] = dkimctl_inside("status", "--json").json["status"]["keys"]
    assert key["next"] == "dkimctl publish one.example"


def test_the_document(dkimctl_inside: DkimctlInside) -> None:
    """Schema 1, the same facts, the next command of each key."""
    genkey(dkimctl_inside, "one.example", "mail", Phase.PUBLISHED)
    [key] = dkimctl_inside("status", "--json").json["status"]["keys"]
    assert (key["phase"], key["since"], key["bits"]) == ("published", "2026-11-24T00:00:00Z", 256)
    assert (key["age"], key["next"]) == (0, "dkimctl publish one.example")
    document = dkimctl_inside("status", "--json").json
    assert (document["schema"], document["status"]["keyless"], document["status"]["findings"]) == (1, [], [])


def test_a_moment_that_is_none_has_no_age(dkimctl_inside: DkimctlInside) -> None:
    """A key that was taken over has no date; one that someone wrote by hand may be no date at all."""
    for number, created in enumerate(("", "yesterday", "2026-11-01T00:00:00")):
        genkey(dkimctl_inside, f"d{number}.example")
        path = dkimctl_inside.root / f"etc/opendkim/keys/d{number}.example/mail.json"
        document = {**json.loads(path.read_text()), "created": created}
        path.write_text(json.dumps(document))
    assert [key["age"] for key in dkimctl_inside("status", "--json").json["status"]["keys"]] == [None] * 3


def test_only_the_domains_that_are_named(dkimctl_inside: DkimctlInside) -> None:
    """A name without keys that no configuration knows is a typing mistake: exit 2."""
    genkey(dkimctl_inside, "one.example")
    genkey(dkimctl_inside, "two.example")
    out = dkimctl_inside("status", "two.example").out
    assert "two.example" in out and "one.example" not in out
    run = dkimctl_inside("status", "tow.example")
    assert (run.code, run.out) == (2, "")
    assert "tow.example has no key" in run.err


def test_metadata_that_cannot_be_read_stops_no_other_line(dkimctl_inside: DkimctlInside) -> None:
    """A finding that names the file, and exit 3: the status of that key is unknown."""
    genkey(dkimctl_inside, "one.example")
    genkey(dkimctl_inside, "two.example")
    (dkimctl_inside.root / "etc/opendkim/keys/one.example/mail.json").write_text("{")
    run = dkimctl_inside("status")
    assert run.code == 3
    assert "two.example" in run.out
    # without blanks: a long path is broken where the line ends
    assert "one.example/mail.json is not the metadata of a key".replace(" ", "") in "".join(run.out.split())


def test_no_name_server_is_asked(dkimctl_inside: DkimctlInside) -> None:
    """Also where keys wait for DNS: verify-dns does that."""
    genkey(dkimctl_inside, "one.example", "mail", Phase.PUBLISHED)
    assert dkimctl_inside("status", env={"DKIMCTL_NAMESERVERS": "127.0.0.1:1"}).code == 0


# --- the credential, here and in doctor


@contextmanager
def credential(dkimctl: DkimctlInside, days: float) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox with a consumer key that lives so long, stored where `ovh login` does."""
    with sandbox() as running:
        rules = [(rule.method, rule.path) for rule in rules_for([ZONE])]
        key = running.credentials.issue(rules, expiration=datetime.now(UTC) + timedelta(days=days))
        own = running.credentials
        path = dkimctl.root / "etc/dkimctl/ovh.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"[default]\nendpoint={running.api_url}\n[{running.api_url}]\napplication_key={own.application_key}\n"
            f"application_secret={own.application_secret}\nconsumer_key={key}\n"
        )
        path.chmod(0o600)
        yield running, path


def codes(run: Run) -> set[str]:
    """The codes about the credential in a document of `status` or `doctor`."""
    document = run.json
    found = document["status"]["findings"] if "status" in document else document["findings"]
    return {one["code"] for one in found if one["code"].startswith("DKIM95")}


COMMANDS = [("status",), ("doctor", "--dns")]


@pytest.mark.parametrize("command", COMMANDS, ids=["status", "doctor"])
@pytest.mark.parametrize(("days", "found"), [(13.9, {"DKIM951"}), (14.1, set()), (-1, {"DKIM950"})])
def test_a_credential_that_ends_soon_is_told(
    dkimctl_inside: DkimctlInside, command: tuple[str, ...], days: float, found: set[str]
) -> None:
    """A warning 14 days before; an error once it has ended. One call, and that for the time; no zone is asked for."""
    configure(dkimctl_inside, 'provider = "ovh"\n')
    genkey(dkimctl_inside, ZONE)
    with credential(dkimctl_inside, days) as (running, _):
        environment = {name: running.environment()[name] for name in ("DKIMCTL_NAMESERVERS", "DKIMCTL_DNS_PORT")}
        run = dkimctl_inside(*command, "--json", env=environment)
        assert codes(run) == found
        assert [call.path for call in running.calls] == ["/auth/time", "/auth/currentCredential"]
        if command == ("status",):
            assert run.code == (1 if found == {"DKIM950"} else 0)


@pytest.mark.parametrize("command", COMMANDS, ids=["status", "doctor"])
def test_an_api_that_cannot_be_asked_is_not_checked(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Nobody answers: severity unknown, exit 3."""
    monkeypatch.setattr(App, "clock", Person())  # who does not wait between the attempts
    configure(dkimctl_inside, 'provider = "ovh"\n')
    genkey(dkimctl_inside, ZONE)
    with credential(dkimctl_inside, 5):
        pass
    run = dkimctl_inside(*command, "--json", env={"DKIMCTL_NAMESERVERS": "127.0.0.1:1"})
    assert (run.code, codes(run)) == (3, {"DKIM956"})


def test_a_credential_that_others_can_read_is_not_used(dkimctl_inside: DkimctlInside) -> None:
    """publish would refuse it: a finding with the chmod, and exit 3, as how long it lasts is not known."""
    configure(dkimctl_inside, 'provider = "ovh"\n')
    genkey(dkimctl_inside, ZONE)
    with credential(dkimctl_inside, 5) as (_, path):
        path.chmod(0o644)
        run = dkimctl_inside("status", "--json")
        assert (run.code, codes(run)) == (3, {"DKIM958"})
        assert run.json["status"]["findings"][0]["fix"] == f"chmod 600 {path}"


def test_nothing_is_asked_where_nothing_is_published_at_ovh(dkimctl_inside: DkimctlInside) -> None:
    """A file for other tools, or a domain at another provider: no call. A key that was published at OVH is enough."""
    genkey(dkimctl_inside, ZONE)
    with credential(dkimctl_inside, 5) as (running, _):
        assert dkimctl_inside("status").code == 0
        assert running.calls == []
        configure(dkimctl_inside, 'provider = "manual"\n')
        assert dkimctl_inside("publish", ZONE, "--provider", "ovh", "--no-wait").code == 0
        running.clear_calls()
        assert codes(dkimctl_inside("status", "--json")) == {"DKIM951"}


def test_without_a_credential_there_is_nothing_to_say(dkimctl_inside: DkimctlInside) -> None:
    """The first publication says what is missing."""
    configure(dkimctl_inside, 'provider = "ovh"\n')
    genkey(dkimctl_inside, ZONE)
    run = dkimctl_inside("status", "--json")
    assert (run.code, codes(run)) == (0, set())
