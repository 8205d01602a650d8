"""A Postfix relay on such a machine: mail goes in over SMTP or sendmail(1) and comes out at the sink."""

import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

from dkimctl.selftest.sink import Sink
from tests.real.machine import Machine

RECIPIENT = "someone@example.org"


@dataclass
class Relay:
    """The running relay: `port` is where it takes mail on 127.0.0.1, `machine` where it runs."""

    machine: Machine
    sink: Sink
    port: int

    def send(self, sender: str) -> bytes:
        """Send a mail with smtplib, as a mail client does; returns it as the recipient gets it."""
        message, mark = _mail(sender)
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            client.send_message(message)
        return self._arrived(mark)

    def sendmail(self, sender: str) -> bytes:
        """Send a mail with sendmail(1), as cron and web applications do; returns it as the recipient gets it."""
        message, mark = _mail(sender)
        self.machine.run("sendmail", "-t", "-f", sender, input=message.as_string(), user="nobody")
        return self._arrived(mark)

    def _arrived(self, mark: str) -> bytes:
        found = self.sink.wait_for(mark, 30)
        assert found, f"no message with {mark} arrived"
        return found[0]

    def start_signing(self) -> None:
        """Start the signing daemon as its systemd unit does, or again when it runs; returns when it listens."""
        self.stop_signing()
        self.machine.start_opendkim()

    def stop_signing(self) -> None:
        """End the daemon, if it runs, and the process that restarts it; at once, and not after five seconds."""
        self.machine.run("sh", "-c", _END_SIGNING)


_END_SIGNING = """
parent=$(cat /run/opendkim/opendkim.pid 2>/dev/null) || exit 0
all="$parent $(cat /proc/$parent/task/$parent/children)"
kill -9 $all
for one in $all; do while [ -e /proc/$one ]; do sleep 0.02; done; done  # its socket is in use until it has ended
rm -f /run/opendkim/opendkim.pid
"""


def _mail(sender: str) -> tuple[EmailMessage, str]:
    mark = f"mark-{uuid4()}"
    message = EmailMessage()
    message["Subject"] = "Relay validation"
    message["From"] = sender
    message["To"] = RECIPIENT
    message.set_content(f"Only a few words ...\n{mark}\n")
    return message, mark


@contextmanager
def running_relay(directory: Path, port: int) -> Iterator[Relay]:
    """A machine on which Debian's Postfix runs and relays everything to the sink; no signing daemon runs yet."""
    with Sink() as sink, Machine(directory) as machine:
        machine.run(
            "postconf",
            "-e",
            "myhostname = relay.domain.tld",
            "mydestination =",
            "alias_maps =",
            "alias_database =",
            "inet_interfaces = loopback-only",
            f"relayhost = [127.0.0.1]:{sink.port}",
            "smtp_tls_security_level = none",
        )
        machine.run("postconf", "-MX", "smtp/inet")
        machine.run("postconf", "-M", f"127.0.0.1:{port}/inet = 127.0.0.1:{port} inet n - y - - smtpd")
        # it fills the chroot; from Debian 13 on `postfix start` does this, and calling the script is an error
        machine.run("sh", "-c", "/usr/lib/postfix/configure-instance.sh - 2>/dev/null || :")
        machine.run("postfix", "start")
        _wait_for_smtp(port)
        yield Relay(machine, sink, port)


def _wait_for_smtp(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.noop()
            return
        time.sleep(0.05)
    raise AssertionError(f"Postfix does not answer on port {port}")
