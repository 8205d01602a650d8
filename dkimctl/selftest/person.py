"""A real message to a real person or to a service that tests mail, through a relay: the article's script, with TLS."""

import os
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from ipaddress import ip_address
from pathlib import Path

from dkimctl.errors import CheckFailed, ConfigError, Refused, Unavailable, UsageError, reason
from dkimctl.names import domain_name, is_host, port_number, printable
from dkimctl.providers.secretfile import secret_text

PASSWORD = "DKIMCTL_SMTP_PASSWORD"  # noqa: S105  the name of the variable
_TIMEOUT = 30.0  # seconds; a relay may take its time before it greets


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP server that takes the message."""

    host: str = "127.0.0.1"
    port: int = 25
    starttls: bool = False
    user: str = ""
    """Of SMTP AUTH; empty without."""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Return True when no other machine is in between."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a relay took over."""

    sender: str
    recipient: str
    relay: str
    message_id: str
    encrypted: bool
    answer: str
    """What the relay said at the end, such as `2.0.0 Ok: queued as 4XyZ`."""


def relay_from(text: str) -> tuple[str, int]:
    """HOST[:PORT], an IPv6 address in brackets. Raises UsageError."""
    host, _, port = text.rpartition(":") if not text.endswith("]") and text.count(":") != 0 else (text, "", "25")
    if text.count(":") > 1 and not text.startswith("["):
        host, port = text, "25"
    host = host.strip("[]")
    if not is_host(host) or not port_number(port):
        raise UsageError(f"not a relay: {printable(text)}", hint="such as mail.example.com, 127.0.0.1:587 or [::1]:25")
    return host, port_number(port)


def recipient_from(text: str) -> str:
    """An address to send to. Raises UsageError."""
    local, at, domain = text.rpartition("@")
    if not at or not local or not local.isprintable() or any(c in local for c in ' <>"\\,;'):
        raise UsageError(f"not an address: {printable(text)}", hint="such as someone@example.org")
    return f"{local}@{domain_name(domain)}"


def password_from(environment: Mapping[str, str] = os.environ) -> str:
    """The password of SMTP AUTH, from the environment or from a file that only its owner can read.

    Raises ConfigError when there is none or when others can read the file.
    """
    hint = f"put it in a file of mode 0600 and name that in {PASSWORD}_FILE"
    if environment.get(f"{PASSWORD}_FILE"):
        return secret_text(Path(environment[f"{PASSWORD}_FILE"]), hint=hint).strip("\r\n")
    if not environment.get(PASSWORD):
        raise ConfigError("there is no password for --auth", hint=hint)
    return environment[PASSWORD]


def send(relay: Relay, sender: str, recipient: str, now: datetime) -> Sent:
    """Send a short message. Raises Unavailable when the relay cannot be reached, CheckFailed when it refuses."""
    if relay.user and not relay.starttls and not relay.is_local:
        raise Refused("the password would go over the network unencrypted", hint="add --starttls")
    message = _message(sender, recipient, now)
    with _errors(relay), smtplib.SMTP(relay.host, relay.port, timeout=_TIMEOUT) as client:
        client.ehlo()
        if relay.starttls:
            client.starttls(context=_context(relay))
            client.ehlo()
        if relay.user:
            client.login(relay.user, relay.password)
        answer = _hand_over(client, sender, recipient, message.as_bytes().replace(b"\n", b"\r\n"))
    return Sent(sender, recipient, str(relay), str(message["Message-ID"]), relay.starttls, answer)


def _message(sender: str, recipient: str, now: datetime) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = "Relay validation"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid("dkimctl", sender.rpartition("@")[2])
    message.set_content("Only a few words, sent by dkimctl selftest to see whether this relay signs.\n")
    return message


def _hand_over(client: smtplib.SMTP, sender: str, recipient: str, raw: bytes) -> str:
    """The three steps of a transaction, each answer checked."""
    _accepted(client.mail(sender))
    _accepted(client.rcpt(recipient))
    return _accepted(client.data(raw))


def _accepted(answer: tuple[int, bytes]) -> str:
    code, said = answer
    if code >= 300:
        raise smtplib.SMTPResponseException(code, said)
    return said.decode("utf-8", "replace")


def _context(relay: Relay) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if relay.is_local:  # no certificate names a loopback address, and no other machine is in between
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _errors(relay: Relay) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPNotSupportedError as error:
        raise CheckFailed(
            f"{relay} does not offer it: {reason(error)}", hint="leave --starttls or --auth out"
        ) from error
    except smtplib.SMTPAuthenticationError as error:
        raise CheckFailed(f"{relay} refuses the user or the password ({error.smtp_code})", hint=_AUTH) from None
    except smtplib.SMTPResponseException as error:
        said = printable(_text(error.smtp_error), 200)
        temporary = 400 <= error.smtp_code < 500
        failure = Unavailable if temporary else CheckFailed
        hint = "run it again later" if temporary else "see the relay's log"
        raise failure(f"{relay} refuses the message: {error.smtp_code} {said}", hint=hint) from error
    except ssl.SSLError as error:
        raise Unavailable(
            f"no TLS with {relay}: {reason(error)}", hint="name the relay as its certificate does"
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        message = f"{relay} does not answer as an SMTP server: {reason(error)}"
        raise Unavailable(message, hint="check --relay") from error


_AUTH = f"check --auth and {PASSWORD}_FILE"


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
