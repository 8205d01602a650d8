"""Messages that show what breaks signatures on the way: each has what some program between here and there changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from dkimctl.milter.message import RECIPIENT, SENDER, Message

_LONG = 1200  # octets of a line; RFC 5321 §4.5.3.1.6 allows 998
_MANY = 120  # header fields
BELOW = "probe"
"""The label below a domain from which its sub-domains are probed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One message of the selftest."""

    name: str
    """A few words."""
    message: Message
    is_legal: bool = True
    """False for mail against RFC 5322: its signature may break through nobody's fault but the sender's."""


def cases(domain: str, now: datetime, *, subdomains: bool, thorough: bool) -> Iterator[Case]:
    """The messages for one domain; without `thorough` one from the domain and one from below it."""
    sender = f"{SENDER}@{domain}"
    yield Case("plain text", _message(sender, "plain", now))
    if subdomains:
        yield Case("sub-domain sender", _message(f"{SENDER}@{BELOW}.{domain}", "below", now))
    if not thorough:
        return
    yield Case("8-bit text", _eight_bit(sender, now))
    yield Case("empty body", _message(sender, "empty", now).with_body(""))
    yield Case(
        "blanks at line ends", _message(sender, "blanks", now).with_body("one \ntwo\t\n \n\tthree  four\n\n\n\n")
    )
    yield Case("dots and From", _message(sender, "dots", now).with_body(".\n..\nFrom here on\n.end\n"))
    yield Case("many header fields", _many_fields(sender, now))
    long = _message(sender, "long", now).with_body("a short line\n" + "x" * _LONG + "\nand another\n")
    yield Case("a line over 998", long, is_legal=False)


def _message(sender: str, mark: str, now: datetime, *more: tuple[str, str]) -> Message:
    headers = (
        ("From", sender),
        ("To", RECIPIENT),
        ("Subject", "Is this signed?"),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{now:%Y%m%d%H%M%S.%f}.{mark}.{sender}>"),
        *more,
    )
    return Message(sender, headers, "A message that dkimctl sends to see whether it is signed; it is not delivered.\n")


def _eight_bit(sender: str, now: datetime) -> Message:
    plain = _message(
        sender,
        "8bit",
        now,
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
    )
    return plain.with_body("Gr\u00fc\u00dfe, \u00e7a va?\n".encode().decode("ascii", "surrogateescape"))


def _many_fields(sender: str, now: datetime) -> Message:
    """Many, a long folded one, and one that occurs twice."""
    references = "\n ".join(f"<{n}.{'r' * 40}@dkimctl.invalid>" for n in range(12))
    more = [("References", references), ("Comments", "first"), ("Comments", "second")]
    more += [(f"X-Probe-{n}", f"value  {n}") for n in range(_MANY)]
    return _message(sender, "many", now, *more)
