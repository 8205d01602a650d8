"""The records of a zone file: owner, TTL, type and data of each entry, with `$ORIGIN` and `$TTL` followed."""

import re
from dataclasses import dataclass

from dkimctl.providers.zonefile.scan import Entry, SyntaxProblem, Token, entries

_TTL = re.compile(r"\d+|(?:\d+[smhdw])+", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CLASSES = ("IN", "CH", "CS", "HS")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_DIRECTIVES = ("$ORIGIN", "$TTL")
_SIGNED = ("RRSIG", "NSEC", "NSEC3")


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and where it stands."""

    entry: Entry
    owner: str
    """Absolute, lower-case, without final dot."""
    ttl: int | None
    """Seconds; None when the entry gives none."""
    type: str
    header: int
    """Where TTL, class or type begins: what an edit replaces from here on."""
    data: tuple[Token, ...]
    target: str = ""
    """Where a CNAME leads: absolute, lower-case, without final dot."""

    @property
    def text(self) -> str:
        """The strings of a TXT record, joined."""
        return "".join(token.value for token in self.data)


@dataclass(frozen=True, slots=True)
class ZoneText:
    """A zone file, understood."""

    text: str
    zone: str
    """The apex: the owner of the SOA record."""
    records: tuple[Placed, ...]

    @property
    def soa(self) -> Placed:
        """The start of authority."""
        return next(record for record in self.records if record.type == "SOA")


def parse_zone(text: str, path: str, origin: str = "") -> ZoneText:
    """Understand a zone file. `origin`: what names are relative to until a `$ORIGIN`; empty when it is not known.

    Raises SyntaxProblem for what is not understood, and for a file that a signer made.
    """
    reader = _Reader(text, path, origin)
    records = tuple(record for entry in entries(text, path) if (record := reader.read(entry)))
    apexes = [record for record in records if record.type == "SOA"]
    if len(apexes) != 1:
        where = apexes[1].entry.start if apexes else len(text)
        raise SyntaxProblem(
            path, text, where, "a zone has exactly one SOA record" if apexes else "there is no SOA record"
        )
    soa = apexes[0]
    if len(soa.data) != 7 or not soa.data[2].value.isdigit():
        raise SyntaxProblem(path, text, soa.header, "a SOA record has two names and five numbers")
    return ZoneText(text, soa.owner, records)


class _Reader:
    """What is carried from entry to entry."""

    def __init__(self, text: str, path: str, origin: str) -> None:
        self._text = text
        self._path = path
        self._origin = origin
        self._owner = ""

    def read(self, entry: Entry) -> Placed | None:
        """The record of an entry; None for a directive."""
        first = entry.tokens[0]
        if first.value.startswith("$") and entry.has_owner:
            self._direct(entry)
            return None
        rest = list(entry.tokens)
        if entry.has_owner:
            self._owner = self._absolute(rest.pop(0))
        elif not self._owner:
            raise self._problem(first.start, "the first record names no owner")
        return self._record(entry, rest)

    def _direct(self, entry: Entry) -> None:
        name = entry.tokens[0].value.upper()
        if name not in _DIRECTIVES:
            raise self._problem(entry.start, f"{name} is not understood here, so records may stand where none is seen")
        if len(entry.tokens) != 2:
            raise self._problem(entry.start, f"{name} takes one value")
        if name == "$ORIGIN":
            self._origin = self._absolute(entry.tokens[1])

    def _absolute(self, token: Token) -> str:
        name = self._text[token.start : token.end].lower()
        name = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1]) & 0xFF), name).lower()
        if name.endswith(".") and not name.endswith("\\."):
            return name[:-1]
        if not self._origin:
            raise self._problem(
                token.start,
                "a relative name, and nothing says to which zone the file belongs",
                hint='begin the file with $ORIGIN, or name the zone: [domains."example.com"] zone = "example.com"',
            )
        return self._origin if name == "@" else f"{name}.{self._origin}"

    def _record(self, entry: Entry, rest: list[Token]) -> Placed:
        ttl: int | None = None
        header = rest[0].start if rest else entry.body_end
        while rest and not rest[0].is_quoted:
            word = rest[0].value.upper()
            if word in _CLASSES:
                rest.pop(0)
            elif ttl is None and _TTL.fullmatch(word):
                ttl = _seconds(rest.pop(0).value)
            else:
                break
        if not rest or rest[0].is_quoted or not _TYPE.fullmatch(rest[0].value):
            raise self._problem(rest[0].start if rest else entry.body_end, "a record type is wanted here")
        kind = rest.pop(0).value.upper()
        if kind in _SIGNED:
            raise self._problem(header, f"a signed zone ({kind}): edit the file it is made from")
        if not rest:
            raise self._problem(entry.body_end, f"a {kind} record without data")
        target = self._absolute(rest[0]) if kind == "CNAME" else ""
        return Placed(entry, self._owner, ttl, kind, header, tuple(rest), target)

    def _problem(self, position: int, why: str, *, hint: str = "") -> SyntaxProblem:
        return SyntaxProblem(self._path, self._text, position, why, hint=hint)


def _seconds(text: str) -> int:
    """`3600` and `1h30m` alike."""
    if text.isdigit():
        return int(text)
    return sum(int(n) * _UNITS[unit.lower()] for n, unit in re.findall(r"(\d+)([smhdw])", text, re.IGNORECASE))
