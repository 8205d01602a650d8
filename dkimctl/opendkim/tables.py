"""KeyTable and SigningTable: their rows as the daemon reads them, and the lines that give those rows.

The rules are those of opendkim's `opendkim-db.c`. A `file:` data set compares whole keys; a `refile:` one takes each
key as a pattern with `*`, and drops a line that begins with a blank. Both read lines of at most 1,023 bytes (a longer
one is split there), end a line at `#`, and take the first row that fits.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

LONGEST_LINE = 1023
"""In bytes, with the line feed: `fgets` with BUFRSZ 1024."""
SAMPLE = "dkimctl-sample"
"""A label or a user that does not exist: an example of what a `*` matches."""
_BLANKS = b" \t\n\v\f\r"


class Row(NamedTuple):
    """One row: `value` is empty when the line has only a key. A tuple, because a million of them are made at a time."""

    key: str
    value: str
    line: int
    """From 1."""


class KeyEntry(NamedTuple):
    """What the KeyTable says about one key."""

    name: str
    """What the SigningTable calls it; case counts."""
    domain: str
    """The signing domain, `d=`; `%` stands for the domain of the From address."""
    selector: str
    """`s=`."""
    path: str
    """The private key's file, or the key itself."""


def rows(lines: Iterable[bytes], *, patterns: bool, first: int = 1) -> Iterator[Row]:
    """Yield the rows of a table's lines; `patterns` for a `refile:` data set, `first`: the number of the first line."""
    for number, piece in pieces(lines, first):
        halves = split_row(piece, patterns=patterns)
        if len(halves) == 2:
            # text_of, written out: a call costs as much as what it does
            key, value = halves[0].decode("utf-8", "surrogateescape"), halves[1].decode("utf-8", "surrogateescape")
            yield Row(key, value, number)
        elif halves:
            yield Row(text_of(halves[0]), "", number)


def text_of(octets: bytes) -> str:
    """Return a field as text in any encoding: what cannot be decoded is written again as it was."""
    return octets.decode("utf-8", "surrogateescape")


def pieces(lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield each line as the daemon splits it, with the number of the line in the file."""
    for number, line in enumerate(lines, first):
        if len(line) <= LONGEST_LINE:
            yield number, line
        else:
            for start in range(0, len(line), LONGEST_LINE):
                yield number, line[start : start + LONGEST_LINE]


def split_row(piece: bytes, *, patterns: bool) -> list[bytes]:
    """Key and value, or only the key; nothing where the daemon ignores the line."""
    text = piece.partition(b"#")[0]
    if patterns and text[:1] in _BLANKS:
        return []
    return text.strip().split(None, 1)  # of bytes, both take the same six blanks as the daemon


def key_entry(row: Row) -> KeyEntry | None:
    """Return the key that a KeyTable row names, or None when it lacks one of its three parts."""
    domain, _, rest = row.value.partition(":")
    selector, _, path = rest.partition(":")
    return KeyEntry(row.key, domain, selector, path) if domain and selector and path else None


def key_line(name: str, domain: str, selector: str, path: str) -> str:
    """Return the KeyTable line of a key; plain arguments, because 1,000,000 of them are written at a time."""
    return f"{name} {domain}:{selector}:{path}\n"


def signing_lines(domain: str, name: str, *, subdomains: bool, patterns: bool) -> str:
    """Return the SigningTable lines that have the key `name` sign for `domain`, and for everything below it."""
    if patterns:
        return f"*@{domain} {name}\n*@*.{domain} {name}\n" if subdomains else f"*@{domain} {name}\n"
    return f"{domain} {name}\n.{domain} {name}\n" if subdomains else f"{domain} {name}\n"


def pattern_regex(pattern: str) -> str:
    """Return the regular expression that the daemon makes of a `refile:` key (`dkimf_mkregexp`), without case."""
    return "".join({"*": ".*", "+": r"\+", ".": r"\."}.get(c, c) for c in pattern)


@dataclass
class Patterns:
    """The keys of a `refile:` table as the daemon tries them: in order, without case, each against the whole address.

    Of the usual keys, `*@example.com`, `*@*.example.com` and names without `*`, those that can fit are looked up: there
    may be 20,000. A key that is no regular expression keeps the daemon from starting; here it fits nothing.
    """

    table: tuple[Row, ...]

    @cached_property
    def _usual(self) -> dict[str, list[int]]:
        """Positions by key, in lower case."""
        found: dict[str, list[int]] = {}
        for position, row in enumerate(self.table):
            if _USUAL.fullmatch(row.key):
                found.setdefault(row.key.lower(), []).append(position)
        return found

    @cached_property
    def _others(self) -> list[tuple[re.Pattern[str], int]]:
        found = []
        for position, row in enumerate(self.table):
            if not _USUAL.fullmatch(row.key):
                with suppress(re.error):
                    found.append((re.compile(pattern_regex(row.key), re.IGNORECASE), position))
        return found

    def all(self, text: str) -> list[Row]:
        """Return every row that matches, in order."""
        fit = [position for key in _usual_keys(text) for position in self._usual.get(key, ())]
        fit += [position for pattern, position in self._others if pattern.fullmatch(text)]
        return [self.table[position] for position in sorted(fit)]

    def first(self, text: str) -> Row | None:
        """Return the first row that matches, or None."""
        return next(iter(self.all(text)), None)


_USUAL = re.compile(r"\*@(?:\*\.)?[\w.-]+|[\w.+@-]+", re.ASCII)


def _usual_keys(text: str) -> Iterator[str]:
    """Yield every usual key, in lower case, that matches a text."""
    text = text.lower()
    yield text
    _, at, domain = text.rpartition("@")
    if at:
        yield f"*@{domain}"
        for position, character in enumerate(domain):
            if character == ".":
                yield f"*@*.{domain[position + 1 :]}"


def data_set(value: str) -> tuple[str, str]:
    """Kind and argument of a data set's name such as `refile:/etc/opendkim/KeyTable` (`dkimf_db_open`)."""
    kind, colon, rest = value.partition(":")
    if colon and "," not in kind:
        return kind.lower(), rest
    if value.endswith(".db"):
        return "db", value
    return ("file" if value.startswith("/") else "csl"), value
