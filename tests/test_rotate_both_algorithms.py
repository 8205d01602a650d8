"""A domain that signs with an RSA and an Ed25519 key: each is replaced by itself, and a wish is for both."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import DkimctlInside
from tests.publishing import ZONE
from tests.rotating import Rotating, rotating


@contextmanager
def unprepared(dkimctl: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    """A machine with rspamd that signs for one domain with `mail` (Ed25519) and `rsa`; no run has looked at it."""
    with rotating(dkimctl, monkeypatch, settings='[signing]\nsigner = "rspamd"\n') as made:
        made("genkey", ZONE, "-s", "rsa", "-q")
        made("publish", "--timeout", "60")
        made("render-config", "--install")
        yield made


@pytest.fixture
def machine(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    """The same, with the next keys on standby."""
    with unprepared(dkimctl_inside, monkeypatch) as made:
        made.prepare()
        yield made


def signing(machine: Rotating) -> dict[str, str]:
    """Algorithm → selector of the keys that sign."""
    keys = machine("status", "--json").json["status"]["keys"]
    return {key["algorithm"]: key["selector"] for key in keys if key["phase"] == "active"}


def switches(machine: Rotating, *words: str, hours: float = 0) -> list[str]:
    """The selectors that began to sign in a run."""
    return [s["selector"] for s in machine.rotate(*words, hours=hours)["steps"] if s["action"] == "switch"]


def test_a_wish_is_for_both_keys(machine: Rotating) -> None:
    """And it is over when both are replaced: the next run switches nothing."""
    before = signing(machine)
    assert before == {"ed25519": "mail", "rsa": "rsa"}
    assert len(switches(machine, "--now", ZONE)) == 2
    after = signing(machine)
    assert after.keys() == before.keys()
    assert not {*after.values()} & {*before.values()}
    for hours in (0.1, 2, 24):
        assert switches(machine, hours=hours) == []


def test_a_wish_before_the_first_run_is_for_both_keys(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first proof of keys that signed before any run is no replacement."""
    with unprepared(dkimctl_inside, monkeypatch) as machine:
        assert switches(machine, "--now", ZONE) == []
        found = [switches(machine, hours=hours) for hours in (0.1, 2, 2)]
        assert [len(some) for some in found] == [0, 2, 0]


def test_one_key_that_cannot_sign_keeps_the_wish_for_itself(machine: Rotating) -> None:
    """The other one is replaced once, and once only; the key that failed stays the next, and ends the wish."""
    ready = [key for key in machine.selectors() if key not in signing(machine).values()]
    [rsa] = [key for key in ready if machine.notes(key)["algorithm"] == "rsa"]
    machine.unsigned.add(rsa)
    done = switches(machine, "--now", ZONE, hours=0.1)
    assert rsa in done and len(done) == 2  # one is tried, and goes back
    first = signing(machine)
    assert (first["rsa"], first["ed25519"] == "mail") == ("rsa", False)
    machine.unsigned.clear()
    assert [len(switches(machine, hours=hours)) for hours in (1, 2, 24)] == [1, 0, 0]
    assert signing(machine) == {"rsa": rsa, "ed25519": first["ed25519"]}


def test_a_leak_replaces_the_leaked_key_alone(machine: Rotating) -> None:
    """The other algorithm's key is in nobody's hands, and stays."""
    path = machine.dkimctl.root / f"etc/opendkim/keys/{ZONE}/rsa.json"
    known = machine.notes("rsa")
    path.write_text(json.dumps({**known, "facts": {**known["facts"], "leak": "key"}}))  # as `revoke` notes it first
    machine.rotate("--now", ZONE)
    found = signing(machine)
    assert (found["ed25519"], found["rsa"] == "rsa") == ("mail", False)
    machine.rotate(hours=24)
    assert signing(machine) == found
