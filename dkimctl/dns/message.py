"""A DNS answer as values, decoded by `codec` or by dnspython (`library_messages`)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from dkimctl.dns.extended_errors import Errors, gives_a_reason


class Type(IntEnum):
    """The record types that are asked for."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    TXT = 16
    AAAA = 28
    DNAME = 39


class Rcode(IntEnum):
    """Response codes with a name (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    NOTAUTH = 9
    BADVERS = 16


WITHOUT_EDNS = (Rcode.FORMERR, Rcode.NOTIMP, Rcode.BADVERS)
"""What a server answers that does not understand EDNS (RFC 6891 §7): it is asked again without."""
_RCODE_NAMES = {code.value: code.name for code in Rcode}


@dataclass(frozen=True, slots=True)
class StartOfAuthority:
    """The fields of a SOA record that matter here."""

    primary: str
    serial: int
    negative_ttl: int
    """The MINIMUM field, in seconds (RFC 2308 §4)."""


Data = str | tuple[bytes, ...] | StartOfAuthority | bytes


class Record(NamedTuple):
    """One resource record. `data`: TXT: its strings; A, AAAA, NS, CNAME, DNAME: text; SOA: its fields; else bytes."""

    name: str
    type: int
    ttl: int
    """Seconds."""
    data: Data


class Message(NamedTuple):
    """An answer. `over_tcp`, `edns` and `seconds` are about how it was got."""

    rcode: int
    authoritative: bool
    truncated: bool
    recursion: bool
    authentic: bool
    """The AD bit: a validating resolver vouches for it (RFC 4035 §3.2.3)."""
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]
    glue: tuple[Record, ...] = ()
    """The addresses in the additional section."""
    errors: Errors = ()
    """What the server adds about a failure (RFC 8914)."""
    over_tcp: bool = False
    edns: bool = True
    """False when the server understood the question only without EDNS."""
    seconds: float = 0.0
    bogus: str = ""
    """What a validating resolver said before it was told not to check; empty when it did not mind."""

    @property
    def has_a_reason(self) -> bool:
        """Return whether a failure comes with an extended error that has nothing to do with how much was asked."""
        return gives_a_reason(self.errors)

    @property
    def rcode_name(self) -> str:
        """`NXDOMAIN`, or the number where it has no name."""
        return _RCODE_NAMES.get(self.rcode, f"RCODE {self.rcode}")
