"""A whole rotation with real daemons: opendkim and Postfix, the sandbox's API and name server, days in seconds.

The clock of dkimctl alone is moved, by libfaketime: no variable of ours does that.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.real.relay import Relay
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
    """Run dkimctl so many hours from now; its JSON."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{hours * 3600:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    relay.machine.run("mkdir", "-p", "-m", "1777", "/dev/shm")  # libfaketime shares its start between processes
    ended = relay.machine.dkimctl(*arguments, "--json", check=False, env=faked)
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


def test_a_whole_rotation(relay: Relay, ovh: Sandbox) -> None:
    """From a key that signs, over a standby and a switch, to the old key's end; idle in between."""
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "20", check=False)
    relay.start_signing()
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "20")
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
    keys = {key["selector"]: key["phase"] for key in at(relay, 3, "status")["status"]["keys"]}
    assert keys[new] == "active"

    at(relay, 4 + DAY, "rotate")
    keys = {key["selector"]: key["phase"] for key in at(relay, 5 + DAY, "status")["status"]["keys"]}
    assert keys[old] == "retiring"
    assert "revoke" not in steps(at(relay, 13 * DAY, "rotate"))
    assert "revoke" in steps(at(relay, 16 * DAY, "rotate"))
    assert selector_of(relay, ovh) == new
    gone = [*steps(at(relay, 47 * DAY, "rotate")), *steps(at(relay, 49 * DAY, "rotate"))]
    assert "remove" in gone
    assert steps(at(relay, 110 * DAY, "rotate")) == [], "nothing is taken away after months without a run"
    assert "purge" in steps(at(relay, 112 * DAY, "rotate"))
    assert relay.machine.run("sh", "-c", f"ls /etc/opendkim/keys/{DOMAIN}").stdout.count(".private") == 2
    assert selector_of(relay, ovh) == new
