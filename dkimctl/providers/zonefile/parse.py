"""Parse a zone file: owner, TTL, type and data of each entry, following `$ORIGIN` and `$INCLUDE`."""

import re
from collections.abc import Callable

from dkimctl.names import printable
from dkimctl.providers.zonefile.rules import is_allowed_beside_cname, wrong_escape, wrong_name, wrong_string
from dkimctl.providers.zonefile.scan import Entry, SyntaxProblem, Token, entries
from dkimctl.providers.zonefile.zonetext import Placed, ZoneText

_TTL = re.compile(r"\d+|(?:\d+[smhdw])+", re.IGNORECASE)
_SERIAL = re.compile(r"[0-9]{1,10}")
_MOST_INCLUDES = 1000
_DEEPEST = 20
_MOST_REPEATED = 1 << 20  # characters of files that are included again
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CLASSES = ("IN", "CLASS1")
_OTHER_CLASSES = ("CH", "CS", "HS")
_GENERATED = ("A", "AAAA", "MX", "PTR")  # types of $GENERATE that cannot concern a key
_GENERIC = ("TYPE5", "TYPE16")  # CNAME and TXT: RFC 3597
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_DIRECTIVES = {"$ORIGIN": 1, "$TTL": 1, "$INCLUDE": 2}  # how many values each may have
_SIGNED = ("RRSIG", "NSEC", "NSEC3")

Read = Callable[[str], "tuple[str, str] | None"]
"""Maps a file name in `$INCLUDE` to the file's path and text; None when there is no such file."""


def parse_zone(text: str, path: str, origin: str = "", read: Read = lambda _: None) -> ZoneText:
    """Parse a zone file. `origin`: the domain of relative names before a `$ORIGIN`; empty when unknown.

    `read` reads the included files. Raises SyntaxProblem for invalid or unknown syntax, for a file that is missing or
    includes itself, and for a signed zone.
    """
    zone = _ZoneParts(read)
    _Reader(zone, path, text, origin).read_all()
    apexes = [record for record in zone.records if record.type == "SOA"]
    if len(apexes) != 1:
        where = (apexes[1].path, apexes[1].entry.start) if apexes else (path, len(text))
        why = "a zone has exactly one SOA record" if apexes else "there is no SOA record"
        raise SyntaxProblem(where[0], zone.texts[where[0]], where[1], why)
    soa = apexes[0]
    if len(soa.data) != 7 or not _SERIAL.fullmatch(soa.data[2].value) or int(soa.data[2].value) >= 2**32:
        raise SyntaxProblem(soa.path, zone.texts[soa.path], soa.header, "a SOA record has two names and five numbers")
    _refuse_beside_cname(zone)
    return ZoneText(path, zone.texts, frozenset(zone.shared), soa.owner, tuple(zone.records))


def _refuse_beside_cname(zone: "_ZoneParts") -> None:
    """Refuse a CNAME with other records at its name: a name server refuses the whole file (RFC 1034 §3.6.2)."""
    targets = {record.owner: record.target for record in zone.records if record.type == "CNAME"}
    for record in zone.records if targets else ():
        cname = targets.get(record.owner)
        if cname is None or is_allowed_beside_cname(record.type, record.target, cname):
            continue
        why = f"{printable(record.owner)} has a CNAME, and nothing else may be there: a name server refuses this file"
        raise SyntaxProblem(record.path, zone.texts[record.path], record.header, why)


class _ZoneParts:
    """The records and texts collected from all files of a zone, and the limits on includes."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.records: list[Placed] = []
        self.texts: dict[str, str] = {}
        self.shared: set[str] = set()
        self._includes = self._repeated = 0

    def count(self, path: str, text: str) -> None:
        """Count one more inclusion of a file."""
        self._includes += 1
        self._repeated += len(text) if path in self.texts else 0

    @property
    def is_too_large(self) -> bool:
        """Return whether the limits on includes are exceeded: nested includes multiply."""
        return self._includes > _MOST_INCLUDES or self._repeated > _MOST_REPEATED


class _Reader:
    """Reads one file of a zone; its state is the origin and the last owner."""

    def __init__(
        self,
        zone: _ZoneParts,
        path: str,
        text: str,
        origin: str,
        *,
        owner: str = "",
        named_by: int = -1,
        above: tuple[str, ...] = (),
    ) -> None:
        self._zone = zone
        self._path = path
        self._text = text
        self._origin = origin
        self._owner = owner
        self._named_by = named_by
        self._chain = (*above, path)
        if path in zone.texts:
            zone.shared.add(path)
        zone.texts[path] = text

    def read_all(self) -> None:
        """Add the records of the file, and of the files that it includes, to the zone, in order."""
        for entry in entries(self._text, self._path):
            if entry.tokens[0].value.startswith("$") and entry.has_owner:
                self._direct(entry)
            else:
                self._zone.records.append(self._placed(entry))

    def _placed(self, entry: Entry) -> Placed:
        rest = list(entry.tokens)
        if entry.has_owner:
            self._owner = self._absolute(rest.pop(0))
            self._named_by = len(self._zone.records)
        elif not self._owner:
            raise self._problem(entry.tokens[0].start, "the first record names no owner")
        return self._record(entry, rest)

    def _direct(self, entry: Entry) -> None:
        name, *values = entry.tokens
        if name.value.upper() == "$GENERATE" and any(value.value.upper() in _GENERATED for value in values[2:5]):
            return
        most = _DIRECTIVES.get(name.value.upper())
        if most is None:
            why = f"{name.value.upper()} is not supported, so there may be records that dkimctl does not see"
            raise self._problem(entry.start, why)
        if not 1 <= len(values) <= most:
            wanted = "one value" if most == 1 else "a file and perhaps an origin"
            raise self._problem(entry.start, f"{name.value.upper()} takes {wanted}")
        if name.value.upper() == "$ORIGIN":
            self._origin = self._absolute(values[0]) or "."
        elif name.value.upper() == "$TTL":
            if not _TTL.fullmatch(values[0].value):
                raise self._problem(values[0].start, f"{printable(values[0].value)} is no TTL")
        elif name.value.upper() == "$INCLUDE":
            self._include(values[0], self._absolute(values[1]) if values[1:] else self._origin)

    def _include(self, file: Token, origin: str) -> None:
        """Read an included file; afterwards origin and owner are as before (RFC 1035 §5.1, and as in BIND)."""
        name = file.value.encode("latin-1").decode("utf-8", "surrogateescape")
        found = self._zone.read(name) if name.isprintable() else None
        if found is None:
            raise self._problem(
                file.start,
                f"there is no file {printable(name)}",
                hint="relative names are looked up in the zone file's directory; if the name server uses another one, "
                'set it: [providers.zonefile] directory = "/var/cache/bind"',
            )
        path, text = found
        self._zone.count(path, text)
        if len(self._chain) > _DEEPEST or self._zone.is_too_large:
            raise self._problem(file.start, "too many or too deeply nested includes in this zone")
        if path in self._chain:
            circle = " includes ".join((*self._chain[self._chain.index(path) :], path))
            raise self._problem(file.start, f"a circle of files: {circle}")
        below = _Reader(self._zone, path, text, origin, owner=self._owner, named_by=self._named_by, above=self._chain)
        below.read_all()

    def _absolute(self, token: Token) -> str:
        self._refuse(wrong_escape(self._text[token.start : token.end]), token)
        name = self._text[token.start : token.end].lower()
        name = name[1:-1] if token.is_quoted else name
        name = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1]) & 0xFF), name).lower()
        if name.endswith(".") and not name.endswith("\\."):
            return self._checked(name[:-1], token)
        if not self._origin:
            raise self._problem(
                token.start,
                "a relative name, but the zone of the file is unknown",
                hint='start the file with $ORIGIN, or name the zone: [domains."example.com"] zone = "example.com"',
            )
        below = self._origin.removeprefix(".")
        return below if name == "@" else self._checked(f"{name}.{below}" if below else name, token)

    def _checked(self, name: str, token: Token) -> str:
        """Return the name. Raises SyntaxProblem for one that DNS cannot carry."""
        self._refuse(wrong_name(name), token)
        return name

    def _refuse(self, why: str, token: Token) -> None:
        if why:
            raise self._problem(token.start, why)

    def _record(self, entry: Entry, rest: list[Token]) -> Placed:
        ttl: int | None = None
        has_class = False
        header = rest[0].start if rest else entry.body_end
        while rest and not rest[0].is_quoted:
            word = rest[0].value.upper()
            if word in _CLASSES and not has_class:
                has_class = True
                rest.pop(0)
            elif word in _OTHER_CLASSES:
                raise self._problem(rest[0].start, f"the class {word}: not an Internet (IN) zone")
            elif ttl is None and _TTL.fullmatch(word):
                ttl = self._seconds(rest.pop(0))
            else:
                break
        if not rest or rest[0].is_quoted or not _TYPE.fullmatch(rest[0].value) or rest[0].value.upper() in _CLASSES:
            raise self._problem(rest[0].start if rest else entry.body_end, "a record type is expected here")
        kind = rest.pop(0).value.upper()
        if kind in _SIGNED:
            raise self._problem(header, f"a signed zone ({kind}): edit the unsigned file from which it is made")
        if not rest:
            raise self._problem(entry.body_end, f"a {kind} record without data")
        if kind in _GENERIC or (kind in ("TXT", "CNAME") and self._text.startswith("\\#", rest[0].start)):
            raise self._problem(rest[0].start, f"generic data ({kind} \\#) is not supported: write it as text")
        if kind == "CNAME" and len(rest) > 1:
            raise self._problem(rest[1].start, "a CNAME has one target")
        for token in rest:
            self._check_data(token, is_text=kind in ("TXT", "SPF"))
        target = self._absolute(rest[0]) if kind == "CNAME" else ""
        return Placed(self._path, entry, self._owner, ttl, kind, header, tuple(rest), self._named_by, target)

    def _check_data(self, token: Token, *, is_text: bool) -> None:
        """Refuse data for which a name server would refuse the whole file."""
        self._refuse(wrong_escape(self._text[token.start : token.end]), token)
        if is_text:
            self._refuse(wrong_string(token.value), token)

    def _seconds(self, token: Token) -> int:
        """Return a TTL in seconds, from `3600` or `1h30m` (RFC 2181 §8: 31 bits)."""
        found = re.findall(r"(\d+)([smhdw]?)", token.value, re.IGNORECASE)
        seconds = sum(int(number) * _UNITS[unit.lower() or "s"] for number, unit in found if len(number) <= 10)
        if any(len(number) > 10 for number, _ in found) or seconds >= 2**31:
            raise self._problem(token.start, "a TTL that is too large")
        return seconds

    def _problem(self, position: int, why: str, *, hint: str = "") -> SyntaxProblem:
        return SyntaxProblem(self._path, self._text, position, why, hint=hint)
