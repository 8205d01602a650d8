"""Mail that does not stop while keys are rotated, and a receiver who verifies each message twice.

The receiver is independent of dkimctl: dkimpy, with the keys that a caching resolver gives, which never lives in the
past: its clock is moved together with dkimctl's, so that what it holds in its cache ages by the same months.
"""

import re
import smtplib
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import dkim
import dns.exception
import dns.resolver

from tests.dns_servers import Unbound
from tests.real.months import DAY, libfaketime
from tests.real.relay import RECIPIENT, Relay

WINDOW = 14 * DAY
"""Hours after which a message that was accepted is delivered or returned, relays on its way included."""
PER_SECOND = 10
_MARK = re.compile(rb"mark-[0-9a-f-]{36}")
_SELECTOR = re.compile(r"\bs=([^;\s]+)")


class Receiver:
    """Verifies messages at a moment of the moved clock."""

    def __init__(self, directory: Path, port: int, zones: dict[str, int]) -> None:
        self._now = directory / "now"
        self._set(0)
        moved = {
            "LD_PRELOAD": libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self._now),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        words = ("env", *(f"{name}={value}" for name, value in moved.items()))
        self.unbound = Unbound(directory, port, zones, before=words)
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = ["127.0.0.1"]
        self._resolver.port = port
        self._zone = next(iter(zones))

    def move_to(self, hours: float) -> None:
        """Have the resolver's cache age until then."""
        self._set(hours)
        self.has(self._zone)  # it looks at its clock when it wakes: the next question finds the new time

    def _set(self, hours: float) -> None:
        staged = self._now.with_suffix(".new")
        staged.write_text(f"{hours * 3600:+.0f}s\n")
        staged.rename(self._now)

    def has(self, name: str) -> bool:
        """Whether the resolver finds a text there."""
        return bool(self._text(name))

    def _text(self, name: str) -> bytes:
        try:
            answer = self._resolver.resolve(name, "TXT", search=False, lifetime=30)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return b""
        return b"".join(answer[0].strings)

    def refuses(self, raw: bytes) -> str:
        """Why this message does not count as signed; empty when every signature of it verifies."""
        message = dkim.DKIM(raw)
        count = sum(name.lower() == b"dkim-signature" for name, _ in message.headers)
        if not count:
            return "unsigned"
        for number in range(count):
            try:
                if not dkim.DKIM(raw).verify(number, dnsfunc=self._find):
                    return "a signature does not verify"
            except (dkim.DKIMException, dns.exception.DNSException) as error:
                return f"{type(error).__name__}: {error}"
        return ""

    def _find(self, name: bytes | str, timeout: float = 30) -> bytes | None:
        return self._text(name.decode() if isinstance(name, bytes) else name) or None


@dataclass
class Mail:
    """A message that was given to the relay."""

    sent: float
    """In hours, as late as it may have been signed."""
    raw: bytes = b""
    """As it arrived."""
    is_over: bool = False
    """True after it was verified at the end of its window."""

    @property
    def selectors(self) -> set[str]:
        """The selectors of its signatures."""
        fields = (value.decode() for name, value in dkim.DKIM(self.raw).headers if name.lower() == b"dkim-signature")
        return {found[1] for value in fields if (found := _SELECTOR.search(value))}


@dataclass
class MailFlow:
    """Use as a context manager: mail flows until its end. `now`, in hours, is moved by `move_to`.

    Every tenth message goes through one SMTP session, which stays open from `hold` to `let_go`.
    """

    relay: Relay
    receiver: Receiver
    senders: tuple[str, ...]
    now: float = 0
    mails: dict[str, Mail] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What went wrong with single messages: refused, unsigned, not verified, lost."""
    deferred: list[bool] = field(default_factory=list)
    """For each message that was to be tried again later, and was, whether it went through the session that stays."""
    _held: smtplib.SMTP | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._sender = threading.Thread(target=self._send_all, daemon=True)
        self._taker = threading.Thread(target=self._receive_all, daemon=True)
        self._sender.start()
        self._taker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._sender.join(120)
        self._taker.join(240)
        self.let_go()

    # --- the sender

    def _send_all(self) -> None:
        begun, number = time.monotonic(), 0
        while not self._end.wait(max(0, begun + number / PER_SECOND - time.monotonic())):
            self._send(self.senders[number % len(self.senders)], is_tenth=number % 10 == 0)
            number += 1

    def _send(self, sender: str, *, is_tenth: bool) -> None:
        mark = f"mark-{uuid4()}"
        text = f"From: {sender}\nTo: {RECIPIENT}\nSubject: {mark}\nMessage-ID: <{mark}@relay>\n\nOnly a few words ...\n"
        mail = self.mails[mark] = Mail(self.now)
        try:
            self._give(sender, text, is_tenth=is_tenth)
            mail.sent = self.now
        except (OSError, smtplib.SMTPException) as error:
            self.problems.append(f"{mark} was refused at {self.now} h: {error}")

    def _give(self, sender: str, text: str, *, is_tenth: bool) -> None:
        """Give a message to the relay; what is deferred is tried again in a session of its own, as clients do."""
        with self._lock:
            held = self._held if is_tenth else None
            if held is not None and self._is_taken(held, sender, text):
                return
        while True:
            with smtplib.SMTP("127.0.0.1", self.relay.port, timeout=60) as client:
                if self._is_taken(client, sender, text):
                    return
            time.sleep(1)

    def _is_taken(self, client: smtplib.SMTP, sender: str, text: str) -> bool:
        try:
            client.sendmail(sender, [RECIPIENT], text)
        except smtplib.SMTPServerDisconnected:  # the session that stays, as with milter_default_action = shutdown
            if client is not self._held:
                raise
        except smtplib.SMTPResponseException as error:
            if not 400 <= error.smtp_code < 500:
                raise
        else:
            return True
        self.deferred.append(client is self._held)
        return False

    def hold(self) -> None:
        """Open the session that stays."""
        with self._lock:
            self._held = smtplib.SMTP("127.0.0.1", self.relay.port, timeout=60)

    def let_go(self) -> None:
        """Close it."""
        with self._lock:
            if self._held is not None:
                with suppress(smtplib.SMTPServerDisconnected):
                    self._held.quit()
            self._held = None

    # --- the receiver

    def _receive_all(self) -> None:
        seen = 0
        while self._sender.is_alive():
            time.sleep(0.1)
            seen = self._receive(seen)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and seen < len(self.mails):
            time.sleep(0.1)
            seen = self._receive(seen)

    def _receive(self, seen: int) -> int:
        """Verify what arrived after the first `seen` messages; return how many have arrived."""
        arrived = self.relay.sink.wait_for("mark-", 0)
        for raw in arrived[seen:]:
            found = _MARK.search(raw)
            mark = found[0].decode() if found else ""
            if why := self.receiver.refuses(raw):
                self.problems.append(f"{mark} on arrival at {self.now} h: {why}")
            self.mails[mark].raw = raw
        return len(arrived)

    def move_to(self, hours: float) -> None:
        """Move the clock, and verify each message whose window ends until then, with what DNS says before any change.

        Only dkimctl changes DNS, and it runs only between two moves: so that is what DNS says when the window ends.
        """
        self.receiver.move_to(hours)
        self.now = hours
        for mark, mail in list(self.mails.items()):
            if mail.raw and not mail.is_over and mail.sent + WINDOW <= hours:
                mail.is_over = True
                if why := self.receiver.refuses(mail.raw):
                    self.problems.append(f"{mark}, sent at {mail.sent} h, at the end of its window: {why}")

    def verdict(self) -> str:
        """After the mail has stopped, what went wrong: every window ends now."""
        self.move_to(self.now + WINDOW)
        lost = [f"{mark}, sent at {mail.sent} h, is lost" for mark, mail in self.mails.items() if not mail.raw]
        return "\n".join([*self.problems, *lost])
