"""Keys of a relay with real daemons: opendkim and Postfix, the sandbox's API and name server, days in seconds."""

from collections.abc import Iterator

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.real.months import at, steps
from tests.real.relay import RECIPIENT, Relay
from tests.real.test_message import signatures

pytestmark = needs("opendkim", "postfix", "postconf", "faketime", root=True, namespaces=True)
DOMAIN = "domain.tld"


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with one zone."""
    with Sandbox(zones=[DOMAIN]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


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
    return {key["selector"]: key["phase"] for key in at(relay.machine, hours, "status")["status"]["keys"]}


def prepare(relay: Relay) -> None:
    """The next key is made, published, and seen twice at every name server; they may need a moment."""
    for hours in (0, 0.1, 1):
        at(relay.machine, hours, "rotate")


def test_a_key_made_by_hand_is_rotated_to(signing: Relay, ovh: Sandbox) -> None:
    """`genkey -s` and `publish` begin a rotation; no command but rotate switches to that key."""
    relay, old = signing, selector_of(signing, ovh)
    relay.machine.dkimctl("genkey", DOMAIN, "-s", "byhand")
    relay.machine.dkimctl("publish", DOMAIN, "-s", "byhand", "--provider", "ovh", "--timeout", "20")
    relay.machine.dkimctl("render-config", "--install", "--allow-unproven")
    assert selector_of(relay, ovh) == old
    prepare(relay)
    assert "switch" in steps(at(relay.machine, 3, "rotate", DOMAIN, "--now"))
    assert selector_of(relay, ovh) == "byhand"


def test_a_leaked_key_is_revoked_at_once(signing: Relay, ovh: Sandbox) -> None:
    """Without a standby: a new key is made, seen in DNS, and signs; then the leaked one says p=. Again it is idle.

    It ends with 3 where a connection of Postfix's is open: the daemon then waits for a restart by hand.
    """
    relay, old = signing, selector_of(signing, ovh)
    found = at(relay.machine, 0, "revoke", DOMAIN, "--leaked", "key", "--timeout", "60", code=None)
    assert max(step["exit_code"] for step in found["revocation"]["rotated"]["steps"]) in (0, 3)
    assert [(one["selector"], one["revoked"]) for one in found["revocation"]["exposed"]] == [(old, True)]
    assert selector_of(relay, ovh) != old
    assert phases(relay)[old] == "revoked"
    new = selector_of(relay, ovh)
    for named in ((), (old,)):  # typed again it means the same key, and not the one that took its place
        again = at(relay.machine, 0, "revoke", DOMAIN, *named, "--leaked", "key", "--timeout", "60", code=None)
        assert not {"revoke", "switch"} & {step["action"] for step in again["revocation"]["rotated"]["steps"]}
        assert [one["selector"] for one in again["revocation"]["exposed"]] == [old]
    assert selector_of(relay, ovh) == new


def test_a_leaked_key_can_be_emptied_before_another_signs(signing: Relay, ovh: Sandbox) -> None:
    """`--now`: the record says p= first; no proof is asked of the old key meanwhile, and the new one then signs.

    How many messages of the domain wait in the queue is said: they fail.
    """
    relay, old = signing, selector_of(signing, ovh)
    set_deferred(relay, "smtp")
    for sender in (f"a@{DOMAIN}", f"b@sub.{DOMAIN}", "c@example.net"):
        relay.machine.run("sendmail", "-f", sender, RECIPIENT, input=f"From: {sender}\n\nwaits\n")
    found = at(relay.machine, 0, "revoke", DOMAIN, "--leaked", "key", "--now", "--timeout", "60", code=None)
    [exposed] = found["revocation"]["exposed"]
    assert (exposed["selector"], exposed["revoked"]) == (old, True)
    assert exposed["queued"] == 2, "by the envelope: the domain and what is below it"
    set_deferred(relay, "")
    assert selector_of(relay, ovh) != old
    assert phases(relay)[old] == "revoked"


def set_deferred(relay: Relay, transports: str) -> None:
    """Have Postfix keep what goes by these transports in its queue."""
    relay.machine.run("postconf", "-e", f"defer_transports = {transports}")
    relay.machine.run("postfix", "reload")


def test_a_held_domain_is_not_touched(signing: Relay) -> None:
    """After `hold` nothing is made; after `resume` it goes on."""
    assert at(signing.machine, 0, "hold", DOMAIN)["hold"]["changed"]
    assert not at(signing.machine, 0, "hold", DOMAIN)["hold"]["changed"]
    assert "make" not in steps(at(signing.machine, 0, "rotate"))
    at(signing.machine, 0, "resume", DOMAIN)
    assert "make" in steps(at(signing.machine, 0, "rotate"))


def test_the_standby_signs_once_the_private_key_is_gone(signing: Relay, ovh: Sandbox) -> None:
    """Mail waits until the next run, which switches by itself. The file may come back from a backup later."""
    relay, old = signing, selector_of(signing, ovh)
    prepare(relay)
    path = f"/etc/opendkim/keys/{DOMAIN}/{old}.private"
    relay.machine.run("cp", "-p", path, "/root/backup")
    relay.machine.run("rm", path)
    found = at(relay.machine, 3, "rotate", code=None)
    [failed] = [step for step in found["rotation"]["steps"] if step["outcome"] == "failed"]
    assert (failed["selector"], failed["hint"].endswith(" signs instead")) == (old, True)
    assert "switch" in steps(found)
    new = selector_of(relay, ovh)
    assert new != old
    after = phases(relay, 3)
    assert after[old] == "retiring" and after[new] == "active"
    again = at(relay.machine, 4, "rotate")
    assert [step for step in again["rotation"]["steps"] if step["outcome"] == "failed"] == []
    relay.machine.run("cp", "-p", "/root/backup", path)
    at(relay.machine, 5, "rotate")
    assert (selector_of(relay, ovh), phases(relay, 5)[old]) == (new, "retiring")
