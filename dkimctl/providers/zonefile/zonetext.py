"""A parsed zone file as a value: its records, and where in the files each is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from dkimctl.providers.zonefile.scan import Entry, Token


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and its position in the files."""

    path: str
    """The file that contains it."""
    entry: Entry
    owner: str
    """Absolute, lower-case, without final dot."""
    ttl: int | None
    """Seconds; None when the entry gives none."""
    type: str
    header: int
    """The offset of TTL, class or type: an edit replaces the text from here."""
    data: tuple[Token, ...]
    named_by: int
    """The index of the record whose entry writes out this record's owner: its own, or an earlier one."""
    target: str = ""
    """A CNAME's target: absolute, lower-case, without final dot."""

    @property
    def text(self) -> str:
        """Return the strings of a TXT record, joined."""
        return "".join(token.value for token in self.data)


@dataclass(frozen=True, slots=True)
class ZoneText:
    """A parsed zone file, with the files that it includes."""

    path: str
    """The path of the zone file itself."""
    texts: Mapping[str, str]
    """Path → text of each file."""
    shared: frozenset[str]
    """The files that are included more than once: a record in them belongs to several names."""
    zone: str
    """The apex: the owner of the SOA record."""
    records: tuple[Placed, ...]

    @property
    def soa(self) -> Placed:
        """Return the SOA record."""
        return next(record for record in self.records if record.type == "SOA")
