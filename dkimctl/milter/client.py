"""A client of the milter protocol: shows one message to a daemon as Postfix would, and returns what it answers.

The protocol has no RFC; it is libmilter's `mfdef.h`, version 6, as Postfix's `milter8.c` speaks it. A packet is a
32-bit length in network order, one command byte, and data; strings end in NUL.
"""

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.errors import Unavailable
from dkimctl.milter.message import Message, crlf
from dkimctl.milter.wire import Wire, connect
from dkimctl.opendkim.sockets import MilterSocket

_VERSION = 6
_ACTIONS = 0x1FF  # every SMFIF_* modification; opendkim refuses to talk unless it may add and change headers
_PROTOCOL = 0x1FFFFF  # every SMFIP_* step that may be left out or go without a reply
_LEADING_SPACE = 0x100000  # SMFIP_HDR_LEADSPC: header values travel with the blank after the colon
_CHUNK = 65535  # MILTER_CHUNK_SIZE


@dataclass(frozen=True, slots=True)
class Client:
    """The SMTP client that hands the message in, as Postfix describes it to a milter."""

    address: str = "127.0.0.1"
    """IPv4 or IPv6."""
    name: str = "localhost"
    login: str = ""
    """The name of SMTP AUTH; empty without."""
    service: str = "dkimctl"
    """The name of the service that took the message: `{daemon_name}`, Postfix's `milter_macro_daemon_name`."""


class MilterVerdict(StrEnum):
    """The daemon's decision about the message, with its changes."""

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"
    REJECT = "reject"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Reply:
    """The daemon's answer."""

    verdict: MilterVerdict
    text: str = ""
    """The SMTP reply it asks for, such as `451 4.7.0 resource unavailable`; usually empty."""
    added: tuple[tuple[str, str], ...] = ()
    """The header fields it adds, values without the blank after the colon."""

    @property
    def signatures(self) -> tuple[str, ...]:
        """The values of the DKIM-Signature fields it adds."""
        return tuple(value for name, value in self.added if name.lower() == "dkim-signature")

    @property
    def signature(self) -> str | None:
        """The value of the first DKIM-Signature it adds, or None."""
        return next(iter(self.signatures), None)


@dataclass(frozen=True, slots=True)
class _Step:
    """One event of the protocol: the command, and the bits that say "leave it out" and "no reply comes"."""

    command: bytes
    skip: int
    silent: int


_CONNECT = _Step(b"C", 0x01, 0x1000)
_HELO = _Step(b"H", 0x02, 0x2000)
_MAIL = _Step(b"M", 0x04, 0x4000)
_RCPT = _Step(b"R", 0x08, 0x8000)
_DATA = _Step(b"T", 0x200, 0x10000)
_HEADER = _Step(b"L", 0x20, 0x80)
_END_OF_HEADERS = _Step(b"N", 0x40, 0x40000)
_BODY = _Step(b"B", 0x10, 0x80000)
_FINAL = {
    b"a": MilterVerdict.ACCEPT,
    b"t": MilterVerdict.TEMPFAIL,
    b"r": MilterVerdict.REJECT,
    b"d": MilterVerdict.DISCARD,
}


def offer(
    socket: MilterSocket, message: Message, *, client: Client | None = None, job: str, timeout: float = 10.0
) -> Reply:
    """Show `message` to the daemon that listens at `socket`; nothing is delivered.

    `job` is the queue id under which the daemon logs it; `timeout` is in seconds for the whole talk. Raises
    Unavailable when nobody answers there, or not in this protocol.
    """
    return hand_over(socket, message, client=client, job=job, timeout=timeout).reply()


def hand_over(
    socket: MilterSocket, message: Message, *, client: Client | None = None, job: str, timeout: float = 10.0
) -> "Offered":
    """As `offer`, but the daemon works on the message while the caller does something else.

    The steps go out together; their answers are read with the last one.
    """
    with ExitStack() as stack:
        wire = stack.enter_context(connect(socket, timeout))
        steps = _negotiate(wire)
        awaited = 0
        for step, data, macros in _events(message, client or Client(), job, bool(steps & _LEADING_SPACE)):
            if not steps & step.skip:
                _send(wire, step.command, data, macros)
                awaited += not steps & step.silent
        _send(wire, b"E", b"", {"i": job})
        wire.flush()
        return Offered(wire, awaited, stack.pop_all())


@dataclass(frozen=True, slots=True)
class Offered:
    """A message that a daemon has in hand."""

    wire: Wire
    awaited: int
    """How many answers come before that to the end of the message."""
    connection: ExitStack

    def reply(self) -> Reply:
        """Return the daemon's answer and close the connection. Raises Unavailable."""
        with self.connection:
            return _early(self.wire, self.awaited) or _end(self.wire)


def greet(socket: MilterSocket, timeout: float = 3.0) -> None:
    """See whether a milter answers at `socket`. Raises NothingListens, or Unavailable when it is no milter."""
    with connect(socket, timeout) as wire:
        _negotiate(wire)
        wire.send(b"Q", b"")
        wire.flush()


def _negotiate(wire: Wire) -> int:
    """Agree on version, actions and steps; returns the steps that the daemon wants left out or silent."""
    wire.send(b"O", struct.pack("!III", _VERSION, _ACTIONS, _PROTOCOL))
    command, data = wire.receive()
    if command != b"O" or len(data) < 12:
        raise Unavailable(f"{wire.socket} does not speak the milter protocol", hint="is this opendkim's Socket?")
    _, _, steps = struct.unpack("!III", data[:12])
    return int(steps)


def _events(message: Message, client: Client, job: str, spaced: bool) -> Iterator[tuple[_Step, bytes, dict[str, str]]]:
    """The whole talk up to the end of the body: step, data, macros."""
    yield _CONNECT, _address(client), {"j": client.name, "{daemon_name}": client.service, "v": "dkimctl"}
    yield _HELO, _text(client.name), {}
    login = {"{auth_type}": "PLAIN", "{auth_authen}": client.login} if client.login else {}
    yield _MAIL, _text(f"<{message.sender}>"), {"i": job, "{mail_addr}": message.sender, **login}
    yield _RCPT, _text(f"<{dict(message.headers).get('To', '')}>"), {}
    yield _DATA, b"", {}
    for name, value in message.headers:
        yield _HEADER, _text(name) + _text(f" {value}" if spaced else value), {}
    yield _END_OF_HEADERS, b"", {}
    body = crlf(message.body)
    for start in range(0, len(body), _CHUNK):
        yield _BODY, body[start : start + _CHUNK], {}


def _early(wire: Wire, awaited: int) -> Reply | None:
    """The answers to so many steps; a Reply when the daemon has decided already."""
    for _ in range(awaited):
        command, answer = _reply(wire)
        if command not in (b"c", b"s"):
            return _decided(wire, command, answer, ())
    return None


def _end(wire: Wire) -> Reply:
    """The end of the message: here the daemon adds its header fields."""
    added: list[tuple[str, str]] = []
    while True:
        command, data = _reply(wire)
        if command in (b"h", b"i"):
            added.append(_header(data[4:] if command == b"i" else data))
        elif command in (b"c", *_FINAL, b"y"):
            wire.send(b"Q", b"")
            wire.flush()
            return _decided(wire, command, data, tuple(added))


def _reply(wire: Wire) -> tuple[bytes, bytes]:
    """The next answer that is more than "still at work"."""
    while True:
        command, data = wire.receive()
        if command != b"p":
            return command, data


def _decided(wire: Wire, command: bytes, data: bytes, added: tuple[tuple[str, str], ...]) -> Reply:
    text = data.rstrip(b"\0").decode("utf-8", "replace")
    if command == b"y":
        return Reply(MilterVerdict.TEMPFAIL if text.startswith("4") else MilterVerdict.REJECT, text, added)
    if command == b"c":  # at the end of a message, some daemons say "go on" for "accept"
        return Reply(MilterVerdict.ACCEPT, "", added)
    if command not in _FINAL:
        raise Unavailable(f"{wire.socket} sent an invalid reply: {command!r}", hint="is this opendkim's Socket?")
    return Reply(_FINAL[command], text, added)


def _send(wire: Wire, command: bytes, data: bytes, macros: dict[str, str]) -> None:
    """A step, with its macros in front."""
    if macros:
        wire.send(b"D", command + b"".join(_text(name) + _text(value) for name, value in macros.items()))
    wire.send(command, data)


def _address(client: Client) -> bytes:
    if ":" in client.address:
        return _text(client.name) + b"6" + struct.pack("!H", 25) + _text(f"IPv6:{client.address}")
    return _text(client.name) + b"4" + struct.pack("!H", 25) + _text(client.address)


def _header(data: bytes) -> tuple[str, str]:
    name, _, value = data.partition(b"\0")
    return name.decode("ascii", "replace"), value.rstrip(b"\0").decode("utf-8", "surrogateescape").removeprefix(" ")


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\0"
