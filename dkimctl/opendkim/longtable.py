"""A table of any length: its rows are parsed anew at each pass, because a million of them would fill the memory."""

import re
from array import array
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from io import BytesIO

from dkimctl.opendkim.tables import LONGEST_LINE, Row, pieces, rows, split_row, text_of


class Rows(Collection[Row]):
    """The rows of a table's content, in order; `patterns` for a `refile:` data set."""

    def __init__(self, content: bytes, *, patterns: bool) -> None:
        self._content = content
        self._patterns = patterns

    def __iter__(self) -> Iterator[Row]:
        return rows(BytesIO(self._content), patterns=self._patterns)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, row: object) -> bool:
        return any(mine == row for mine in self)

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self._keys())

    @property
    def long_lines(self) -> tuple[int, ...]:
        """Lines that the daemon splits, from 1."""
        return tuple(number for number, line in enumerate(BytesIO(self._content), 1) if len(line) > LONGEST_LINE)

    @property
    def indented(self) -> tuple[int, ...]:
        """Lines that a `refile:` drops because a blank comes first."""
        found = enumerate(BytesIO(self._content), 1) if self._patterns else ()
        return tuple(n for n, line in found if line[:1] in (b" ", b"\t") and line.partition(b"#")[0].strip())

    def odd(self, plain: re.Pattern[bytes]) -> Iterator[Row]:
        """Yield the rows on lines that are not `plain` as a whole: the few among a million that need checking."""
        fits = plain.fullmatch
        for number, line in enumerate(BytesIO(self._content), 1):
            if not fits(line) or len(line) > LONGEST_LINE:
                yield from (row._replace(line=number) for row in rows([line], patterns=self._patterns))

    def repeated(self, *, ignore_case: bool) -> Iterator[tuple[Row, Row]]:
        """Yield each row whose key an earlier row has, after that earlier row."""
        spelled: Callable[[bytes], bytes] = bytes.lower if ignore_case else bytes  # of ASCII alone, as the daemon does
        seen: set[int] = set()
        twice: set[int] = set()
        for key in self._keys():
            mark = hash(spelled(key))
            (twice if mark in seen else seen).add(mark)
        del seen
        first: dict[bytes, Row] = {}
        for row in self if twice else ():
            key = spelled(_octets(row.key))
            if hash(key) in twice:
                kept = first.setdefault(key, row)
                if kept is not row:
                    yield kept, row

    def names(self) -> "Names":
        """Its rows by name."""
        return Names(self._content, patterns=self._patterns)

    def _keys(self) -> Iterator[bytes]:
        for _, piece in pieces(BytesIO(self._content)):
            halves = split_row(piece, patterns=self._patterns)
            if halves:
                yield halves[0]


class Names:
    """The rows of a table by their exact key: the first of a key counts, and case does.

    Of each it remembers the hash of the key, where the row is, and whether it was asked for: 120 octets.
    """

    def __init__(self, content: bytes, *, patterns: bool) -> None:
        self._content = content
        self._patterns = patterns
        self._starts = array("Q", [0])
        self._numbers = array("Q")
        self._pieces: dict[int, int] = {}
        for position, (number, piece) in enumerate(pieces(BytesIO(content))):
            self._starts.append(self._starts[-1] + len(piece))
            self._numbers.append(number)
            halves = split_row(piece, patterns=patterns)
            if halves:
                self._pieces.setdefault(hash(halves[0]), position)
        self._asked = bytearray(len(self._numbers))

    def get(self, name: str) -> Row | None:
        """Return the row that counts, or None."""
        position = self._pieces.get(hash(_octets(name)))
        if position is None:
            return None
        self._asked[position] = 1
        return self._row(position)

    def never_asked(self) -> Iterator[Row]:
        """Return the rows that count and that `get` has not returned, in order."""
        return (self._row(position) for position in self._pieces.values() if not self._asked[position])

    def _row(self, position: int) -> Row:
        piece = self._content[self._starts[position] : self._starts[position + 1]]
        halves = split_row(piece, patterns=self._patterns)
        return Row(text_of(halves[0]), text_of(halves[1]) if len(halves) > 1 else "", self._numbers[position])


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
