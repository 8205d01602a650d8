"""Answers in the form nearly all servers give them, recognised in the raw bytes without decoding the message.

Each function either understands every octet that matters or returns None; then the engine asks again and decodes the
answer completely. A test compares the results with those of `read_message`.
"""

from dkimctl.dns.codec import read_message
from dkimctl.dns.message import Rcode
from dkimctl.dns.resolve import Security
from dkimctl.dns.wire import MalformedMessage
from dkimctl.verify.conclusion.servers import LONGEST_TTL, SHORTEST_TTL

_ONE_QUESTION_ONE_ANSWER = b"\0\1\0\1"
_ONE_QUESTION_NO_ANSWER = b"\0\1\0\0"
_TXT_AT_THE_NAME = b"\xc0\x0c\0\x10\0\1"
_SOA = b"\0\6\0\1"
_OPT = b"\0\0\x29"


def single_text(data: bytes, asked: bytes) -> bytes | None:
    """Return the joined strings of the one TXT record in an authoritative answer to `asked`, else None."""
    if data[2] & 0xFE != 0x84 or data[3] & 15 or data[4:8] != _ONE_QUESTION_ONE_ANSWER:
        return None  # not a response, not authoritative, truncated, an error, or more than one record
    at = 12 + len(asked)
    end = at + 12 + int.from_bytes(data[at + 10 : at + 12], "big")
    ttl = int.from_bytes(data[at + 6 : at + 10], "big")
    if data[at : at + 6] != _TXT_AT_THE_NAME or end > len(data) or not SHORTEST_TTL <= ttl <= LONGEST_TTL:
        return None
    at += 12
    parts = []
    while at < end:
        following = at + 1 + data[at]
        parts.append(data[at + 1 : following])
        at = following
    if at != end:
        return None
    # servers that add their NS records and addresses: the whole message must decode
    is_whole = (data[8:10] == b"\0\0" and _ends_well(data, end)) or _decodes(data, asked)
    return b"".join(parts) if is_whole else None


def ttl_of(data: bytes, asked: bytes) -> int:
    """Return the seconds to live of an answer in which `single_text` found a record."""
    at = 18 + len(asked)
    return int.from_bytes(data[at : at + 4], "big")


def zone_security(data: bytes, asked: bytes, zone: int) -> Security | None:
    """Return what a resolver says about DNSSEC when it confirms that the zone is the last `zone` octets of the name.

    The answer to a question for the SOA, at a name that is no apex (RFC 2308 §2.1); None for anything else.
    """
    if data[2] & 0xFA != 0x80 or data[3] & 15 not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    at = 12 + len(asked)
    end = at + 12 + int.from_bytes(data[at + 10 : at + 12], "big")
    apex = 0xC000 | at - 4 - zone  # a pointer into the question
    if data[4:8] != _ONE_QUESTION_NO_ANSWER or data[8:10] != b"\0\1" or end > len(data):
        return None
    if data[at : at + 2] != apex.to_bytes(2, "big") or data[at + 2 : at + 6] != _SOA:
        return None
    if not _ends_well(data, end):
        return None
    if not data[3] & 0x80:
        return Security.UNKNOWN
    return Security.SECURE if data[3] & 0x20 else Security.INSECURE


def is_authenticated(data: bytes) -> bool:
    """True when a resolver answers without an error, whole, and says that what it answers is secured by DNSSEC."""
    return data[2] & 0xFA == 0x80 and data[3] & 0x2F == 0x20


def _ends_well(data: bytes, end: int) -> bool:
    """True when what follows the last record is nothing, or an OPT record without error bits (RFC 6891 §6.1.3)."""
    if data[10:12] == b"\0\0":
        return True
    if data[10:12] != b"\0\1" or data[end : end + 3] != _OPT or len(data) < end + 11 or data[end + 5]:
        return False
    return end + 11 + int.from_bytes(data[end + 9 : end + 11], "big") <= len(data)


def _decodes(data: bytes, asked: bytes) -> bool:
    try:
        return read_message(data, "", asked).rcode == Rcode.NOERROR
    except MalformedMessage:
        return False
