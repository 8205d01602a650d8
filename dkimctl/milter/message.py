"""The message that is sent to see whether a domain's mail is signed, and how a message looks as bytes."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

SENDER = "dkimctl-probe"
RECIPIENT = "probe@dkimctl.invalid"  # RFC 6761 §6.4: never anybody's address


@dataclass(frozen=True, slots=True)
class Message:
    """A message in parts. Header values are without the blank after the colon; folded lines end in `\\n`."""

    sender: str
    """The envelope sender and the address in `From:`, which decides whose key signs."""
    headers: tuple[tuple[str, str], ...]
    body: str
    """ASCII; lines end in `\\n`."""

    def with_header(self, name: str, value: str) -> "Message":
        """The same with one more header field in front, where a signature goes (RFC 6376 §5.6)."""
        return Message(self.sender, ((name, value), *self.headers), self.body)

    def with_body(self, body: str) -> "Message":
        """The same with another body."""
        return Message(self.sender, self.headers, body)

    @property
    def raw(self) -> bytes:
        """The message as it travels: CRLF line ends (RFC 5322 §2.1)."""
        head = "".join(f"{name}: {value}\n" for name, value in self.headers)
        return crlf(f"{head}\n{self.body}")


def crlf(text: str) -> bytes:
    """`text` with the line ends of the network."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("ascii", "surrogateescape")


def probe_message(domain: str, now: datetime, *, user: str = SENDER) -> Message:
    """A message from an address of `domain`, with the header fields that every mail has. It is never delivered."""
    sender = f"{user}@{domain}"
    headers = (
        ("From", sender),
        ("To", RECIPIENT),
        ("Subject", "Is this signed?"),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{now:%Y%m%d%H%M%S.%f}.{sender}>"),
    )
    return Message(sender, headers, "A message that dkimctl shows to the signing daemon; it is not delivered.\n")
