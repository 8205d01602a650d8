"""Rotations while ten mails a second go through a real Postfix and a real signer: none is lost, and all verify.

Each message is verified as it arrives, and again when no relay can have it any more, through a caching resolver that
was asked for the next selector before it existed. rspamd and dkimpy-milter sign with RSA and Ed25519 at once.
`DKIMCTL_TEST_FULL=1`: every day until the second key is revoked.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dkimctl.opendkim.sockets import parse_socket
from dkimctl.sandbox import Sandbox, Switches
from tests.conftest import needs
from tests.real.machine import Machine
from tests.real.mailflow import Mail, MailFlow, Receiver
from tests.real.months import DAY, at, steps
from tests.real.relay import Relay
from tests.real.test_signers import DKIMPY_SYSTEMCTL, PREPARE_RSPAMD, RSPAMD_FILES, RSPAMD_SYSTEMCTL, wait_for

pytestmark = [needs("postfix", "postconf", "faketime", "unbound", root=True, namespaces=True), pytest.mark.long]
DOMAIN = "domain.tld"
RETIRED = "/etc/dkimctl/retired"
FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
OPENED, CLOSED = 0.6, 5
"""When the session is opened and closed that outlasts the switch."""
SWITCH = (0, 0.05, 0.2, 0.6, 2, 3, 5)
LATER = [days * DAY for days in (1.3, 8, 14.1, 15, 22, 29, 30, 44, 58, 61, 62, 91, 93)]
"""To the queue, whose clock nobody moves, all mail is old: a rotation waits for it, for twice the keep time at most."""
UNTIL_REVOKED = [hours for hours in LATER if hours <= 30 * DAY]
FULLY = range(DAY, 230 * DAY, DAY) if FULL else ()
LAG = 1.5
"""Seconds from a change at the API until the name servers know it: `rotate` looks earlier, and must come again."""
History = list[tuple[float, str]]


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with one zone; the name servers are later than the API."""
    with Sandbox(zones=[DOMAIN], switches=Switches(refresh_delay=LAG)) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


@pytest.fixture
def receiver(ovh: Sandbox, short_path: Path, free_port: Callable[[], int]) -> Iterator[Receiver]:
    """Who verifies."""
    directory = short_path / "receiver"
    directory.mkdir()
    receiver = Receiver(directory, free_port(), {DOMAIN: ovh.dns_address[1]})
    receiver.unbound.start()
    yield receiver
    receiver.unbound.stop()


@pytest.fixture
def opendkim(relay: Relay, ovh: Sandbox) -> Relay:
    """The domain signs, with opendkim; its retired keys are to be published."""
    relay.machine.run("mkdir", "/etc/dkimctl")
    relay.machine.write("/etc/dkimctl/dkimctl.toml", f'[lifecycle]\npublish_retired = "{RETIRED}"\n')
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60", check=False)
    relay.start_signing()
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60")
    return relay


@pytest.fixture
def rspamd(relay: Relay, ovh: Sandbox, free_port: Callable[[], int]) -> Relay:
    """The domain signs with two keys, with rspamd as Debian starts it."""
    machine, port = relay.machine, free_port()
    machine.run("mkdir", "-p", "/etc/dkimctl", "/run/systemd/system", "/run/bin")
    machine.programs = "/run/bin"
    machine.run("sh", "-c", PREPARE_RSPAMD)
    for name, text in RSPAMD_FILES.items():
        text = text.replace("DNS", str(ovh.dns_address[1])).replace("PORT", str(port))
        machine.write(f"/etc/rspamd/local.d/{name}", text)
    machine.write("/run/bin/systemctl", RSPAMD_SYSTEMCTL)
    machine.run("chmod", "755", "/run/bin/systemctl")
    machine.run("/run/bin/systemctl", "start")
    wait_for(parse_socket(f"inet:{port}@localhost"))
    text = f'[signing]\nsigner = "rspamd"\nsocket = "inet:{port}@localhost"\n'
    machine.write("/etc/dkimctl/dkimctl.toml", text)
    sign_twice(machine)
    return relay


@pytest.fixture
def dkimpy(relay: Relay, ovh: Sandbox) -> Relay:
    """The domain signs with two keys, with dkimpy-milter as Debian starts it."""
    machine = relay.machine
    machine.run("mkdir", "-p", "/etc/dkimctl", "/run/systemd/system", "/run/bin")
    machine.programs = "/run/bin"
    machine.write("/run/bin/systemctl", DKIMPY_SYSTEMCTL)
    machine.run("chmod", "755", "/run/bin/systemctl")
    machine.run("/run/bin/systemctl", "start")
    machine.write("/etc/dkimctl/dkimctl.toml", '[signing]\nsigner = "dkimpy-milter"\n')
    sign_twice(machine)
    return relay


def sign_twice(machine: Machine) -> None:
    """An RSA key and an Ed25519 key sign for the domain."""
    machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60")
    machine.dkimctl("genkey", DOMAIN, "-s", "ed", "--algorithm", "ed25519")
    machine.dkimctl("publish", DOMAIN, "--provider", "ovh", "--timeout", "60")
    machine.dkimctl("render-config", "--install")


@needs("opendkim")
def test_no_mail_notices_a_rotation(opendkim: Relay, receiver: Receiver) -> None:
    """Signed by opendkim: from a key that signs, over its successor's proof and switch, to the old key's end."""
    flow, history = judge(opendkim, receiver, LATER)
    assert not flow.deferred, "opendkim reloads, and nothing is to be tried again"
    when = first_times(history)
    assert when["revoke"] + 30 * DAY <= when["remove"] < when["purge"], history
    old = sent_first(flow).selectors
    assert set(opendkim.machine.run("ls", RETIRED).stdout.split()) == {f"{DOMAIN}.{s}.pem" for s in old}


@needs("rspamd")
def test_no_mail_notices_a_rotation_with_rspamd(rspamd: Relay, receiver: Receiver) -> None:
    """Signed by rspamd with RSA and Ed25519, to the old keys' revocation and the next switch.

    A reload of rspamd ends its connections: of a session that is open across the switch mail is deferred, and comes
    again in another one.
    """
    flow, _ = judge(rspamd, receiver, LATER if FULL else UNTIL_REVOKED)
    assert all(flow.deferred), "only in the session that stays"
    again = at(rspamd.machine, max(flow.now, 31 * DAY), "rotate", DOMAIN, "--now")
    assert "switch" in steps(again), "the copy of the revoked key, which is still there, bars no switch"


@needs("dkimpy-milter")
@pytest.mark.skipif(not FULL, reason="a third signer, as slow as the others: DKIMCTL_TEST_FULL=1")
def test_no_mail_notices_a_rotation_with_dkimpy_milter(dkimpy: Relay, receiver: Receiver) -> None:
    """Signed by dkimpy-milter with RSA and Ed25519, to the old keys' revocation; it is restarted at each switch."""
    judge(dkimpy, receiver, UNTIL_REVOKED)


def judge(relay: Relay, receiver: Receiver, later: list[float]) -> tuple[MailFlow, History]:
    """Rotate under mail; the steps come in their order and time, and every signature of every mail verifies."""
    old = {*keys(relay)}
    next_ones = {f"{min(old)}{letter}" for letter in "bcd"} - old
    for name in next_ones:
        assert not receiver.has(f"{name}._domainkey.{DOMAIN}"), "it now remembers that the selector does not exist"
    with MailFlow(relay, receiver, (f"a@{DOMAIN}", f"b@sub.{DOMAIN}")) as flow:
        history = rotate(flow, sorted({*SWITCH, *later, *(FULLY if later == LATER else ())}))
    problems = flow.verdict()
    assert not problems, f"of {len(flow.mails)} mails:\n{problems}\n{history}\n{relay.machine.log}"
    assert {len(mail.selectors) for mail in flow.mails.values()} == {len(old)}, "a signature of each kind"
    assert sent_first(flow).selectors == old
    seen = {frozenset(mail.selectors) for mail in flow.mails.values()}
    assert any(selectors <= next_ones for selectors in seen), (seen, history)
    assert FULL or all(selectors <= old | next_ones for selectors in seen), (seen, history)
    when = first_times(history)
    assert when["publish"] + 1 <= when["switch"] < CLOSED, history
    last = max(mail.sent for mail in flow.mails.values() if mail.selectors & old)
    assert last + 14 * DAY <= when["revoke"], history
    return flow, history


def sent_first(flow: MailFlow) -> Mail:
    """The first mail."""
    return next(iter(flow.mails.values()))


def first_times(history: History) -> dict[str, float]:
    """When each step was done first."""
    return {step: at for at, step in reversed(history)}


def rotate(flow: MailFlow, moments: list[float]) -> History:
    """Run `rotate` at every moment; what was done when. A session stays open across the switch."""
    history: History = []
    for hours in moments:
        if hours == OPENED:
            flow.hold()
        if hours == CLOSED:
            flow.let_go()
        flow.move_to(hours)
        by_hand = () if hours else (DOMAIN, "--now")
        done = steps(at(flow.relay.machine, hours, "rotate", *by_hand))
        history += [(hours, step) for step in done]
        if {"publish", "revoke", "remove"} & {*done}:
            time.sleep(LAG)
    return history


def keys(relay: Relay) -> dict[str, Any]:
    """Selector → what `status` says of each key."""
    return {key["selector"]: key for key in at(relay.machine, 0, "status")["status"]["keys"]}
