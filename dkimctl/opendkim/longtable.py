"""A table of any length: its rows are parsed at each pass, because a million of them would fill the memory."""

import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, cached_property
from io import BytesIO
from itertools import accumulate, count, repeat

from dkimctl.opendkim.blocks import Block, Blocks
from dkimctl.opendkim.tables import LONGEST_LINE, Row, pieces, rows, split_row, text_of

_BLANK = bytes.maketrans(b"\t", b" ")
_IN_WORDS = bytes(set(range(0x21, 0x7F)) - {ord("#")})


class Rows(Collection[Row]):
    """The rows of a table's content, in order; `patterns` for a `refile:` data set."""

    def __init__(self, content: bytes, *, patterns: bool) -> None:
        self._content = content
        self._blocks = Blocks(content)
        self._patterns = patterns

    def __iter__(self) -> Iterator[Row]:
        for block in self._blocks.judged_by(_has_two_words):
            if block.is_plain:
                yield from _plain_rows(block)
            else:
                yield from rows(BytesIO(block.octets), patterns=self._patterns, first=block.first)

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
        return tuple(self._blocks.long_lines)

    @property
    def indented(self) -> tuple[int, ...]:
        """Lines that a `refile:` drops because a blank comes first."""
        found = enumerate(BytesIO(self._content), 1) if self._patterns else ()
        return tuple(n for n, line in found if line[:1] in (b" ", b"\t") and line.partition(b"#")[0].strip())

    def odd(self, plain: re.Pattern[bytes]) -> Iterator[Row]:
        """Yield the rows on lines that are not `plain` as a whole: the few among a million that need checking.

        The pattern ends with the line feed.
        """
        fits = plain.fullmatch
        for block in self._blocks.judged_by(_lines_of(plain).fullmatch):
            for number, line in enumerate(BytesIO(b"" if block.is_plain else block.octets), block.first):
                if not fits(line) or len(line) > LONGEST_LINE:
                    yield from rows([line], patterns=self._patterns, first=number)

    def repeated(self, *, ignore_case: bool) -> Iterator[tuple[Row, Row]]:
        """Yield each row whose key an earlier row has, after that earlier row."""
        spelled: Callable[[bytes], bytes] = bytes.lower if ignore_case else bytes  # of ASCII only, as the daemon does
        seen: set[int] = set()
        twice: set[int] = set()
        for mark in map(hash, map(spelled, self._keys()) if ignore_case else self._keys()):
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
        return Names(self._content, self._blocks, patterns=self._patterns)

    def _keys(self) -> Iterator[bytes]:
        for block in self._blocks.judged_by(_has_two_words):
            if block.is_plain:
                yield from block.octets.split()[::2]
                continue
            for _, piece in pieces(BytesIO(block.octets)):
                yield from split_row(piece, patterns=self._patterns)[:1]


def _has_two_words(lines: bytes) -> bool:
    """Return True when every line is two words in ASCII with one blank between them, and no comment.

    Those are a key and a value to `split` as to `split_row`. Six times faster than a regular expression.
    """
    between = lines.translate(_BLANK, _IN_WORDS)
    return between == b" \n" * (len(between) // 2) and len(lines.split()) == len(between)


@cache
def _lines_of(plain: re.Pattern[bytes]) -> re.Pattern[bytes]:
    return re.compile(rb"(?:%b)*+" % plain.pattern)


def _plain_rows(block: Block) -> Iterable[Row]:
    words = block.octets.decode("ascii").split()
    # without `Row`'s own __new__, which is Python and takes longer than all the rest
    return map(tuple.__new__, repeat(Row), zip(words[::2], words[1::2], count(block.first)))


class Names:
    """The rows of a table by their exact key: the first of a key counts, and case does.

    Of each it remembers the hash of the key, where the row is, and whether it was asked for: 120 octets.
    """

    def __init__(self, content: bytes, blocks: Blocks, *, patterns: bool) -> None:
        self._content = content
        self._patterns = patterns
        self._starts = array("Q", [0])
        self._numbers = array("Q")
        self._pieces: dict[int, int] = {}
        self._row_count = 0
        for block in blocks.judged_by(_has_two_words):
            self._add_plain(block) if block.is_plain else self._add(block)
        self._asked = bytearray(len(self._numbers))
        self._expected = 0
        self._is_unique = len(self._pieces) == self._row_count

    def _add_plain(self, block: Block) -> None:
        for position, mark in enumerate(map(hash, block.octets.split()[::2]), len(self._numbers)):
            self._pieces.setdefault(mark, position)
        lines = block.octets.splitlines(keepends=True)
        self._row_count += len(lines)
        self._numbers.extend(range(block.first, block.first + len(lines)))
        self._starts.extend(accumulate(map(len, lines), initial=self._starts.pop()))

    def _add(self, block: Block) -> None:
        for number, piece in pieces(BytesIO(block.octets), block.first):
            halves = split_row(piece, patterns=self._patterns)
            if halves:
                self._row_count += 1
                self._pieces.setdefault(hash(halves[0]), len(self._numbers))
            self._starts.append(self._starts[-1] + len(piece))
            self._numbers.append(number)

    def get(self, name: str) -> Row | None:
        """Return the row that counts, or None."""
        position = self._pieces.get(hash(_octets(name)))
        if position is None:
            return None
        self._asked[position] = 1
        return self._row(position)

    def has(self, name: str, beginning: str) -> bool:
        """Return True when a row counts as with `get` and its value begins so.

        Quickest for one row after the other: two tables are often written in the same order.
        """
        at = self._expected
        if not (self._is_unique and len(name.split()) == 1 and self._begins(at, f"{name} {beginning}")):
            position = self._pieces.get(hash(_octets(name)))
            if position is None or not self._row(position).value.startswith(beginning):
                return False
            at = position
        self._asked[at] = 1
        self._expected = at + 1
        return True

    def _begins(self, position: int, text: str) -> bool:
        return self._content.startswith(_octets(text), self._starts[position])

    def never_asked(self) -> Iterator[Row]:
        """Return the rows that count and that `get` has not returned, in order."""
        return (self._row(position) for position in self._pieces.values() if not self._asked[position])

    def _row(self, position: int) -> Row:
        piece = self._content[self._starts[position] : self._starts[position + 1]]
        halves = split_row(piece, patterns=self._patterns)
        return Row(text_of(halves[0]), text_of(halves[1]) if len(halves) > 1 else "", self._numbers[position])


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
