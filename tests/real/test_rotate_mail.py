"""Rotations while ten mails a second go through a real Postfix and a real signer: none is lost, and all verify.

Each message is verified as it arrives, and again when no relay can have it any more, through a caching resolver that
was asked for the next selector before it existed. `DKIMCTL_TEST_FULL=1`: every day until the second key is revoked.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dkimctl.sandbox import Sandbox, Switches
from tests.conftest import needs
from tests.real.mailflow import MailFlow, Receiver
from tests.real.months import DAY, at, steps
from tests.real.relay import Relay

pytestmark = needs("postfix", "postconf", "faketime", "unbound", root=True, namespaces=True)
DOMAIN = "domain.tld"
FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
OPENED, CLOSED = 0.6, 5
"""When the session is opened and closed that outlasts the switch."""
SWITCH = (0, 0.05, 0.2, 0.6, 2, 3, 5)
LATER = [days * DAY for days in (1.3, 8, 14.1, 15, 22, 29, 30, 44, 58, 61, 62, 91, 93)]
"""To the queue, whose clock nobody moves, all mail is old: a rotation waits for it, for twice the keep time at most."""
MOMENTS = sorted({*SWITCH, *LATER, *(range(DAY, 230 * DAY, DAY) if FULL else ())})
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
    """The domain signs, with opendkim."""
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60", check=False)
    relay.start_signing()
    relay.machine.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60")
    return relay


@needs("opendkim")
def test_no_mail_notices_a_rotation(opendkim: Relay, receiver: Receiver) -> None:
    """Signed by opendkim: from a key that signs, over its successor's proof and switch, to the old key's end."""
    judge(opendkim, receiver)


def judge(relay: Relay, receiver: Receiver) -> None:
    """Rotate under mail; the steps come in their order and time, and every mail verifies."""
    [old] = keys(relay)
    new = f"{old}b"
    assert not receiver.has(f"{new}._domainkey.{DOMAIN}"), "it now remembers that the next selector does not exist"
    with MailFlow(relay, receiver, (f"a@{DOMAIN}", f"b@sub.{DOMAIN}")) as flow:
        history = rotate(flow)
    problems = flow.verdict()
    assert not problems, f"of {len(flow.mails)} mails:\n{problems}\n{history}\n{relay.machine.log}"
    by_selector = {name: [m.sent for m in flow.mails.values() if m.selectors == {name}] for name in (old, new)}
    assert all(by_selector.values())
    assert sum(map(len, by_selector.values())) == len(flow.mails) or FULL
    assert {"switch", "revoke", "remove", "purge"} <= {step for _, step in history}, history
    when = {step: at for at, step in reversed(history)}
    assert when["publish"] + 1 <= when["switch"] < CLOSED, history
    assert max(by_selector[old]) + 14 * DAY <= when["revoke"], history
    assert when["revoke"] + 30 * DAY <= when["remove"] < when["purge"], history


def rotate(flow: MailFlow) -> History:
    """Run `rotate` at every moment; what was done when. A session stays open across the switch."""
    history: History = []
    for hours in MOMENTS:
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
