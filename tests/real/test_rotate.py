"""A whole rotation with real daemons: opendkim and Postfix, the sandbox's API and name server, days in seconds.

The clock of dkimctl alone is moved, by libfaketime: no variable of ours does that.
"""

import json
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.real.relay import RECIPIENT, Relay
from tests.real.test_message import signatures

pytestmark = needs("opendkim", "postfix", "postconf", "faketime", root=True, namespaces=True)
DOMAIN = "domain.tld"
DAY = 24


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with one zone."""
    with Sandbox(zones=[DOMAIN]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


def at(relay: Relay, hours: float, *arguments: str, code: int = 0) -> Any:
    """Run dkimctl so many hours from now; its JSON. With the clock moved it cannot sleep: libfaketime ends that."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{hours * 3600:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    relay.machine.run("mkdir", "-p", "-m", "1777", "/dev/shm")  # libfaketime shares its start between processes
    ended = relay.machine.dkimctl(*arguments, "--json", check=False, env=faked if hours else {})
    assert ended.returncode == code, f"{ended.returncode}\n{ended.stdout}{ended.stderr}{relay.machine.log}"
    return json.loads(ended.stdout)


def steps(document: Any) -> list[str]:
    """The steps of a run: `make`, `publish`, …"""
    return [step["action"] for step in document["rotation"]["steps"]]


def selector_of(relay: Relay, ovh: Sandbox) -> str:
    """The selector with which a mail is signed now; its signature verifies with what DNS serves."""
    (seen,) = signatures(relay.send(f"a@{DOMAIN}"), ovh.dns_address[1])
    assert seen.valid, seen.why
    return seen.selector


@pytest.fixture
def signing(relay: Relay, ovh: Sandbox) -> Relay:
    """The domain signs."""
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "20", check=False)
    relay.start_signing()
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "20")
    return relay


def phases(relay: Relay, hours: float = 0) -> dict[str, str]:
    """Selector → phase of every key that is on the disk."""
    return {key["selector"]: key["phase"] for key in at(relay, hours, "status")["status"]["keys"]}


def test_a_whole_rotation(signing: Relay, ovh: Sandbox) -> None:
    """From a key that signs, over a standby and a switch, to the old key's end; idle in between."""
    relay = signing
    old = selector_of(relay, ovh)

    first = at(relay, 0, "rotate")
    assert [s for s in steps(first) if s in ("make", "publish", "switch")] == ["make", "publish"]
    assert steps(at(relay, 0, "rotate")) == []
    at(relay, 1, "rotate")  # the second proof
    assert selector_of(relay, ovh) == old

    switched = at(relay, 3, "rotate", DOMAIN, "--now")
    assert "switch" in steps(switched)
    new = selector_of(relay, ovh)
    assert new != old
    assert phases(relay, 3)[new] == "active"

    at(relay, 4 + DAY, "rotate")
    assert phases(relay, 5 + DAY)[old] == "retiring"
    assert "revoke" not in steps(at(relay, 13 * DAY, "rotate"))
    assert "revoke" in steps(at(relay, 16 * DAY, "rotate"))
    assert selector_of(relay, ovh) == new
    gone = [*steps(at(relay, 47 * DAY, "rotate")), *steps(at(relay, 49 * DAY, "rotate"))]
    assert "remove" in gone
    assert steps(at(relay, 110 * DAY, "rotate")) == [], "nothing is taken away after months without a run"
    assert "purge" in steps(at(relay, 112 * DAY, "rotate"))
    assert relay.machine.run("sh", "-c", f"ls /etc/opendkim/keys/{DOMAIN}").stdout.count(".private") == 2
    assert selector_of(relay, ovh) == new


def test_a_session_that_is_open_across_the_switch_keeps_its_key(signing: Relay, ovh: Sandbox) -> None:
    """opendkim signs with the old key until the connection closes: so long the old key counts as in use."""
    relay, old = signing, selector_of(signing, ovh)
    prepare(relay)
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as client:
        client.sendmail(f"a@{DOMAIN}", [RECIPIENT], f"From: a@{DOMAIN}\nTo: {RECIPIENT}\n\nbefore\n")
        assert "switch" in steps(at(relay, 3, "rotate", DOMAIN, "--now"))
        assert selector_of(relay, ovh) != old
        at(relay, 4, "rotate")
        assert facts(relay, old)["signing"].get("pinned"), "Postfix still has its connection to the daemon"
        assert "left" not in facts(relay, old)["signing"]
        client.sendmail(f"a@{DOMAIN}", [RECIPIENT], f"From: a@{DOMAIN}\nTo: {RECIPIENT}\n\nafter\n")
    at(relay, 5, "rotate")
    assert facts(relay, old)["signing"].get("left")


def prepare(relay: Relay) -> None:
    """The next key is made, published, and seen twice at every name server; they may need a moment."""
    for hours in (0, 0.1, 1):
        at(relay, hours, "rotate")


def facts(relay: Relay, selector: str) -> Any:
    """What the metadata of a key say was seen of it."""
    return json.loads(relay.machine.read(f"/etc/opendkim/keys/{DOMAIN}/{selector}.json"))["facts"]


def test_a_key_made_by_hand_is_rotated_to(signing: Relay, ovh: Sandbox) -> None:
    """`genkey -s` and `publish` begin a rotation; no command but rotate switches to that key."""
    relay, old = signing, selector_of(signing, ovh)
    relay.machine.dkimctl("genkey", DOMAIN, "-s", "byhand")
    relay.machine.dkimctl("publish", DOMAIN, "-s", "byhand", "--provider", "ovh", "--timeout", "20")
    relay.machine.dkimctl("render-config", "--install")
    assert selector_of(relay, ovh) == old
    prepare(relay)
    assert "switch" in steps(at(relay, 3, "rotate", DOMAIN, "--now"))
    assert selector_of(relay, ovh) == "byhand"


def test_a_leaked_key_is_revoked_at_once(signing: Relay, ovh: Sandbox) -> None:
    """Without a standby: a new key is made, seen in DNS, and signs; then the leaked one says p=. Again it is idle."""
    relay, old = signing, selector_of(signing, ovh)
    found = at(relay, 0, "revoke", DOMAIN, "--leaked", "key", "--timeout", "60")
    assert [(one["selector"], one["revoked"]) for one in found["revocation"]["exposed"]] == [(old, True)]
    assert selector_of(relay, ovh) != old
    assert phases(relay)[old] == "revoked"
    again = at(relay, 0, "revoke", DOMAIN, old, "--leaked", "key", "--timeout", "60")
    assert "revoke" not in [step["action"] for step in again["revocation"]["rotated"]["steps"]]


def test_a_leaked_key_can_be_emptied_before_another_signs(signing: Relay, ovh: Sandbox) -> None:
    """`--now`: the record says p= first; no proof is asked of the old key meanwhile, and the new one then signs."""
    relay, old = signing, selector_of(signing, ovh)
    found = at(relay, 0, "revoke", DOMAIN, "--leaked", "key", "--now", "--timeout", "60")
    assert [(one["selector"], one["revoked"]) for one in found["revocation"]["exposed"]] == [(old, True)]
    assert selector_of(relay, ovh) != old
    assert phases(relay)[old] == "revoked"


def test_only_an_unused_key_is_deleted(signing: Relay, ovh: Sandbox) -> None:
    """The key that signs is refused; one made by mistake goes out of DNS and off the disk; its name stays taken."""
    relay, old = signing, selector_of(signing, ovh)
    at(relay, 0, "delete", DOMAIN, old, code=1)
    relay.machine.dkimctl("genkey", DOMAIN, "-s", "mistake")
    relay.machine.dkimctl("publish", DOMAIN, "-s", "mistake", "--provider", "ovh", "--timeout", "20")
    found = at(relay, 0, "delete", DOMAIN, "mistake")
    assert [step["action"] for step in found["steps"]] == ["remove", "purge"]
    assert phases(relay) == {old: "active"}
    assert relay.machine.dkimctl("genkey", DOMAIN, "-s", "mistake", check=False).returncode == 1
    assert selector_of(relay, ovh) == old


def test_a_held_domain_is_left_alone(signing: Relay) -> None:
    """After `hold` nothing is made; after `resume` it goes on."""
    assert at(signing, 0, "hold", DOMAIN)["hold"]["changed"]
    assert not at(signing, 0, "hold", DOMAIN)["hold"]["changed"]
    assert "make" not in steps(at(signing, 0, "rotate"))
    at(signing, 0, "resume", DOMAIN)
    assert "make" in steps(at(signing, 0, "rotate"))
