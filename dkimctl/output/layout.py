"""The vocabulary in which every result for people is written, before anybody knows how wide it will be shown.

A result is a sequence of blocks. `plain` prints them into pipes and files, at 80 columns; `screen` lays them out on a
terminal, at its width and in colours.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from dkimctl.findings import Severity


class Tone(StrEnum):
    """The kind of a piece of text; on a terminal it decides the colour. No meaning depends on the colour only."""

    NONE = "none"
    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    ERROR = "error"
    HEADING = "heading"
    FAINT = "faint"
    HINT = "hint"
    ADDED = "added"
    REMOVED = "removed"
    PLACE = "place"


class Prose(NamedTuple):
    """A paragraph, wrapped between words. Commands in it stay whole."""

    text: str
    label: str = ""
    """What the first line starts with: blanks, or a word in a column of its own."""
    indent: int = 0
    """Columns by which the other lines are indented. A longer label gets its own line where both do not fit one."""
    tone: Tone = Tone.NONE
    """Of the label."""
    text_tone: Tone = Tone.NONE
    breaks_words: bool = False
    """True for text from elsewhere, such as a record: a word longer than a line is broken."""
    one_line_in_pipes: bool = False
    """True for messages and advice: wrapped on a terminal only, so that programs find them on one line."""


class Line(NamedTuple):
    """One line that stays as it is, however long: a command or a record to be copied, or a line of a file."""

    text: str
    tone: Tone = Tone.NONE


class Table(NamedTuple):
    """Rows under a head, in columns as wide as their longest cells."""

    head: Sequence[str]
    rows: Collection[Sequence[str]]
    tones: Mapping[str, Tone] = MappingProxyType({})
    """The tone of cells with these texts."""


class Made(Collection[Sequence[str]]):
    """Rows that are made each time they are read: there may be more of them than memory is for.

    `count`: how many there are; `make`: makes them.
    """

    def __init__(self, count: int, make: Callable[[], Iterable[Sequence[str]]]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Sequence[str]]:
        return iter(self._make())

    def __contains__(self, row: object) -> bool:
        return any(one == row for one in self)


Block = Prose | Line | Table
GAP = Line("")


def severity_tone(severity: Severity) -> Tone:
    """Return the tone of a severity, which has the same name."""
    return Tone(severity.value)


def heading(text: str, tone: Tone = Tone.HEADING, *, margin: int = 0) -> Prose:
    """Return the line above what belongs together."""
    return Prose(text, " " * margin, margin + 2, text_tone=tone, one_line_in_pipes=True)


def message(text: str) -> Prose:
    """Return a line that is wrapped on a terminal only."""
    return Prose(text, indent=2, one_line_in_pipes=True)


def paragraph(text: str, indent: int = 0, *, breaks_words: bool = False) -> Prose:
    """Return prose, all lines of which are indented alike."""
    return Prose(text, " " * indent, indent, breaks_words=breaks_words)


def labelled(
    label: str, text: str, indent: int, *, tone: Tone = Tone.FAINT, breaks_words: bool = False, margin: int = 0
) -> Prose:
    """Return prose after a word in a column that ends at `indent`."""
    return Prose(text, f"{'':{margin}}{label:{indent - margin}}", indent, tone, breaks_words=breaks_words)


def lines(text: str) -> list[Line]:
    """Return text that is laid out already, line by line."""
    return [Line(line) for line in text.splitlines()]


def separated(groups: Iterable[Sequence[Block]]) -> list[Block]:
    """Return the blocks of all groups, with an empty line between two groups."""
    blocks: list[Block] = []
    for group in groups:
        blocks += [GAP, *group] if blocks else group
    return blocks
