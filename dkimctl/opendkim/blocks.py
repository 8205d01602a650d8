"""A table's content in blocks of lines, so that ordinary lines are taken together and odd ones one by one.

Of a million rows nearly all are written alike. A block in which every line is so is split by a few calls for all its
lines, many times faster than line by line; any other block is read with care.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from io import BytesIO
from typing import NamedTuple

from dkimctl.opendkim.tables import LONGEST_LINE

_SIZE = 1 << 14  # octets at least: a single odd line has some hundred others read one by one
_PLAIN, _ODD = 1, 2

Judge = Callable[[bytes], object]
"""Something true where each of some lines is plain, and has its line feed."""


class Block(NamedTuple):
    """Some whole lines of the content."""

    first: int
    """The number of the first line, from 1."""
    octets: bytes
    is_plain: bool
    """True when each line is plain, and none is longer than the daemon reads at once."""


class Blocks:
    """The blocks of a content; where they begin and which of them are plain is found out once."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._known: dict[Judge, bytearray] = {}

    def judged_by(self, judge: Judge) -> Iterator[Block]:
        """Yield all blocks in order."""
        known = self._known.setdefault(judge, bytearray(len(self._places)))
        for number, (first, start, end, longest) in enumerate(self._places):
            octets = self._content[start:end]
            if not known[number]:
                known[number] = _PLAIN if longest <= LONGEST_LINE and judge(octets) else _ODD
            yield Block(first, octets, known[number] == _PLAIN)

    @property
    def long_lines(self) -> Iterator[int]:
        """The lines that the daemon splits, from 1."""
        for first, start, end, longest in self._places:
            if longest > LONGEST_LINE:
                lines = enumerate(BytesIO(self._content[start:end]), first)
                yield from (number for number, line in lines if len(line) > LONGEST_LINE)

    @cached_property
    def _places(self) -> list[tuple[int, int, int, int]]:
        """Of each block the first line, where in the content it begins and ends, and the length of its longest line."""
        found = []
        first, start = 1, 0
        while start < len(self._content):
            end = self._content.find(b"\n", start + _SIZE) + 1 or len(self._content)
            lines = self._content[start:end].split(b"\n")
            found.append((first, start, end, max(map(len, lines)) + 1))
            first += len(lines) - 1
            start = end
        return found
