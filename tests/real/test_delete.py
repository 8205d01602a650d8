"""`delete` with a real opendkim: a key made by mistake, and a whole domain, which another one does not notice."""

from collections.abc import Iterator
from typing import Any

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.real.months import DAY, at
from tests.real.relay import Relay
from tests.real.test_message import signatures

pytestmark = needs("opendkim", "postfix", "postconf", "faketime", root=True, namespaces=True)
DOMAIN, OTHER = "domain.tld", "second.tld"


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with two zones."""
    with Sandbox(zones=[DOMAIN, OTHER]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


@pytest.fixture
def signing(relay: Relay, ovh: Sandbox) -> Relay:
    """Both domains sign; the first has a standby."""
    relay.machine.dkimctl("setup", DOMAIN, OTHER, "--provider", "ovh", "--timeout", "60", check=False)
    relay.start_signing()
    relay.machine.dkimctl("setup", DOMAIN, OTHER, "--provider", "ovh", "--timeout", "60")
    at(relay.machine, 0, "rotate", DOMAIN)
    return relay


def selectors(relay: Relay, ovh: Sandbox, domain: str) -> list[str]:
    """With which keys a mail of this domain is signed; all verify."""
    seen = signatures(relay.send(f"a@{domain}"), ovh.dns_address[1])
    assert all(one.valid for one in seen)
    return [one.selector for one in seen]


def done(document: Any) -> list[tuple[str, str, str]]:
    """Action, selector and outcome of each step."""
    return [(step["action"], step["selector"], step["outcome"]) for step in document["steps"]]


def records(ovh: Sandbox, domain: str) -> list[str]:
    """The key records of a zone, as its names."""
    return sorted(name for r in ovh.zone(domain).served if "_domainkey" in (name := r.sub_domain))


def key_files(relay: Relay, domain: str) -> str:
    """The private keys on the disk."""
    return relay.machine.run("sh", "-c", f"cd /etc/opendkim/keys/{domain} && ls *.private || :").stdout


def test_a_whole_domain_goes_in_the_right_order(signing: Relay, ovh: Sandbox) -> None:
    """The key that signs needs a word; then the tables, what nothing needs, and the rest when its mail is through.

    Repeating it at any time is safe; the other domain, and later the last one, go the same way.
    """
    relay, run = signing, signing.machine
    [old] = selectors(relay, ovh, DOMAIN)
    assert at(run, 0, "delete", DOMAIN, code=1)["error"]["message"].startswith(f"{old} signs for {DOMAIN}")

    shown = done(at(run, 0, "delete", DOMAIN, "--stop-signing", "--dry-run"))
    standby = f"{old}b"
    rest = [("remove", standby, "planned"), ("purge", standby, "planned")]
    assert shown == [("stop", old, "planned"), ("remove", old, "waits"), *rest]
    assert selectors(relay, ovh, DOMAIN) == [old]

    found = done(at(run, 0, "delete", DOMAIN, "--stop-signing"))
    gone = [("remove", standby, "done"), ("purge", standby, "done")]
    assert found == [("stop", old, "done"), *gone, ("remove", old, "waits")]
    assert selectors(relay, ovh, DOMAIN) == []
    assert selectors(relay, ovh, OTHER)
    assert records(ovh, DOMAIN) == [f"{old}._domainkey"], "mail under way still verifies"
    assert done(at(run, 0, "delete", DOMAIN)) == [("remove", old, "waits")]
    assert DOMAIN not in run.dkimctl("render-config", "--install").stdout + run.read("/etc/opendkim/SigningTable")

    assert not at(run, 13 * DAY, "rotate", DOMAIN)["rotation"]["steps"]
    steps = at(run, 15 * DAY, "rotate", DOMAIN)["rotation"]["steps"]
    assert [step["action"] for step in steps] == ["remove", "purge"]
    assert (records(ovh, DOMAIN), key_files(relay, DOMAIN)) == ([], "")
    assert done(at(run, 15 * DAY, "delete", DOMAIN)) == []

    last = done(at(run, 15 * DAY, "delete", OTHER, "--stop-signing", "--under-way"))
    assert [action for action, _, _ in last] == ["stop", "remove", "purge"]
    assert selectors(relay, ovh, OTHER) == []
    assert (records(ovh, OTHER), key_files(relay, OTHER)) == ([], "")


def test_only_an_unused_key_is_deleted(signing: Relay, ovh: Sandbox) -> None:
    """The key that signs is refused; one made by mistake goes out of DNS and off the disk; its name stays taken."""
    relay = signing
    [old] = selectors(relay, ovh, DOMAIN)
    at(relay.machine, 0, "delete", DOMAIN, old, code=1)
    relay.machine.dkimctl("genkey", DOMAIN, "-s", "mistake")
    relay.machine.dkimctl("publish", DOMAIN, "-s", "mistake", "--provider", "ovh", "--timeout", "20")
    found = at(relay.machine, 0, "delete", DOMAIN, "mistake")
    assert [step["action"] for step in found["steps"]] == ["remove", "purge"]
    assert key_files(relay, DOMAIN).split() == [f"{old}.private", f"{old}b.private"]
    assert relay.machine.dkimctl("genkey", DOMAIN, "-s", "mistake", check=False).returncode == 1
    assert selectors(relay, ovh, DOMAIN) == [old]
