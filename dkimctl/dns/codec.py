"""DNS messages as bytes: a query written, an answer read (RFC 1035 §4, RFC 6891).

Own code, because a general library spends 0.3 ms on a message where this spends 0.01. Whatever a hostile server sends
ends as a Message or as a MalformedMessage; compression pointers must lead backwards, so that no loop is possible.
"""

import ipaddress
import struct

from dkimctl.dns.extended_errors import read_errors
from dkimctl.dns.message import Data, Message, Rcode, Record, StartOfAuthority, Type
from dkimctl.dns.wire import MalformedMessage, read_name, read_strings, write_label, write_labels

PAYLOAD = 1232  # octets of UDP that fit unfragmented everywhere: DNS flag day 2020
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_INTERNET = 1
_OPT = 41
_WITHOUT_QUESTION = (Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED)
"""Errors that some servers answer without repeating the question; dnspython accepts the same."""


def question(name: str, kind: int) -> bytes:
    """The question section for a name without final dot. Raises MalformedMessage when it is no name for DNS."""
    label, _, rest = name.partition(".")
    wire = (write_label(label) if name else b"") + (write_labels(rest) if rest else b"")
    if len(wire) > 254:
        raise MalformedMessage(f"{len(name)} characters")
    return wire + _END[kind]


def why_not_a_name(name: str) -> str:
    """Return why a name is not possible in DNS; empty when it is."""
    try:
        question(name, Type.TXT)
    except MalformedMessage as error:
        return str(error)
    return ""


def below(label: str, asked: bytes, kind: int) -> bytes:
    """The question section for a name one or more labels below that of another question. Raises as `question`."""
    wire = write_labels(label) + asked[:-5]
    if len(wire) > 254:
        raise MalformedMessage(f"not a name for DNS: {label}.…")
    return wire + _END[kind]


_END = {kind.value: struct.pack("!BHH", 0, kind, _INTERNET) for kind in Type}


def query(
    identity: int, asked: bytes, *, recursive: bool = False, edns: bool = True, checking_disabled: bool = False
) -> bytes:
    """A whole query for a question section. With `recursive` the AD bit asks for the resolver's view of DNSSEC."""
    flags = (0x0120 if recursive else 0) | (0x0010 if checking_disabled else 0)
    head = _HEADER.pack(identity, flags, 1, 0, 0, 1 if edns else 0)
    return head + asked + (_OPT_RECORD if edns else b"")


_POINTER_TO_QUESTION = b"\xc0\x0c"
_OPT_RECORD = b"\0" + _RECORD.pack(_OPT, PAYLOAD, 0, 0)


def answers_to(data: bytes, asked: bytes) -> bool:
    """Return whether the bytes are a response with exactly this question; the id is the caller's to compare."""
    if len(data) < 12 or not data[2] & 0x80:
        return False
    if data[4:6] == b"\0\0" and (data[3] & 15) in _WITHOUT_QUESTION:
        return True
    end = 12 + len(asked)
    return data[4:6] == b"\0\1" and (data[12:end] == asked or data[12:end].lower() == asked.lower())


def read_message(
    data: bytes, asked_name: str, asked: bytes, *, over_tcp: bool = False, edns: bool = True, seconds: float = 0.0
) -> Message:
    """The message in these bytes, which `answers_to` the question `asked`. Raises MalformedMessage."""
    try:
        return _read(data, asked_name, asked, over_tcp, edns, seconds)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedMessage("not a DNS message") from error


def _read(data: bytes, asked_name: str, asked: bytes, over_tcp: bool, edns: bool, seconds: float) -> Message:
    _, flags, questions, answer_count, authority_count, additional_count = _HEADER.unpack_from(data)
    offset = 12 + len(asked) if questions else 12
    truncated = bool(flags & 0x0200)
    rcode = flags & 15
    errors: list[tuple[int, str]] = []
    answers: list[Record] = []
    authority: list[Record] = []
    glue: list[Record] = []
    try:
        offset = _section(data, offset, answer_count, answers, asked_name)
        offset = _section(data, offset, authority_count, authority, asked_name)
        rcode |= _additional(data, offset, additional_count, errors, glue) << 4
    except (struct.error, IndexError, ValueError):
        if not truncated:  # a cut answer is asked for again over TCP anyway
            raise
    return Message(
        rcode=rcode,
        authoritative=bool(flags & 0x0400),
        truncated=truncated,
        recursion=bool(flags & 0x0080),
        authentic=bool(flags & 0x0020),
        answers=tuple(answers),
        authority=tuple(authority),
        glue=tuple(glue),
        errors=tuple(errors),
        over_tcp=over_tcp,
        edns=edns,
        seconds=seconds,
    )


def _section(data: bytes, offset: int, count: int, found: list[Record], asked_name: str) -> int:
    for _ in range(count):
        if data[offset : offset + 2] == _POINTER_TO_QUESTION:
            name, offset = asked_name, offset + 2
        else:
            name, offset = read_name(data, offset)
        kind, rrclass, ttl, offset, end = _fields(data, offset)
        if rrclass == _INTERNET:
            found.append(Record(name, kind, ttl, _data(data, offset, end, kind)))
        offset = end
    return offset


def _additional(data: bytes, offset: int, count: int, errors: list[tuple[int, str]], glue: list[Record]) -> int:
    """Return the upper bits of the rcode in the OPT record (RFC 6891 §6.1.3); collect extended errors and addresses."""
    upper = 0
    for _ in range(count):
        name, offset = read_name(data, offset)
        kind, rrclass, ttl, offset, end = _fields(data, offset)
        if kind == _OPT and not name:
            upper = ttl >> 24
            errors += read_errors(data[offset:end])
        elif kind in (Type.A, Type.AAAA) and rrclass == _INTERNET:
            glue.append(Record(name, kind, ttl, _data(data, offset, end, kind)))
        offset = end
    return upper


def _fields(data: bytes, offset: int) -> tuple[int, int, int, int, int]:
    """Return type, class and TTL of the record after its name, and where its data begin and end."""
    kind, rrclass, ttl, length = _RECORD.unpack_from(data, offset)
    offset += 10
    end = offset + length
    if end > len(data):
        raise MalformedMessage("a record longer than the message")
    return kind, rrclass, ttl, offset, end


def _data(data: bytes, offset: int, end: int, kind: int) -> Data:
    if kind == Type.TXT:
        return read_strings(data, offset, end)
    if kind in (Type.NS, Type.CNAME, Type.DNAME):
        return read_name(data, offset)[0]
    if kind == Type.A:
        return str(ipaddress.IPv4Address(data[offset:end]))
    if kind == Type.AAAA:
        return str(ipaddress.IPv6Address(data[offset:end]))
    if kind == Type.SOA:
        primary, offset = read_name(data, offset)
        _, offset = read_name(data, offset)
        serial, _, _, _, minimum = struct.unpack_from("!IIIII", data, offset)
        return StartOfAuthority(primary, serial, minimum)
    return data[offset:end]
