"""Blocks on a terminal, laid out by `rich` at its width and in colours. Imported only where there is a terminal."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from dkimctl.output.commands import COMMENT, Piece, pieces
from dkimctl.output.escapes import OF_RESULTS
from dkimctl.output.layout import Block, Line, Prose, Table, Tone

_STYLES = {
    Tone.NONE: "",
    Tone.OK: "green",
    Tone.INFO: "blue",
    Tone.WARNING: "bold yellow",
    Tone.UNKNOWN: "bold magenta",
    Tone.ERROR: "bold red",
    Tone.HEADING: "bold",
    Tone.FAINT: "dim",
    Tone.HINT: "cyan",
    Tone.ADDED: "green",
    Tone.REMOVED: "red",
    Tone.PLACE: "cyan",
}
_TOGETHER = 200  # blocks printed at a time
_NARROWEST = 20  # columns of prose; with fewer the label gets a line of its own
_SMALL_INDENT = 4
_GAP = 2  # columns between two columns of a table
_NARROWEST_CELL = 24  # columns of the last cell of a row; with fewer each cell gets a line of its own
_SIMPLE = str.maketrans({"…": "...", "→": "->", "×": "x", "—": "-"})  # where UTF-8 is missing

live: list[Console] = []
"""The console of the progress bar that is being shown, if any: everything else has to appear above the bar."""


def console_of(stream: TextIO) -> Console:
    """Return the console to print on for stdout or stderr, which is a terminal."""
    if live:
        return live[-1]
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Console(file=stream, color_system=colours, markup=False, highlight=False, emoji=False, soft_wrap=True)


def show(blocks: Iterable[Block], stream: TextIO) -> None:
    """Print the blocks; what would steer the terminal is escaped."""
    console = console_of(stream)
    page = _Page(console)
    several = iter(blocks)
    while some := list(islice(several, _TOGETHER)):
        console.print(*(shown for block in some for shown in page.rendered(block)), sep="\n")


class _Page:
    """Fits blocks to one terminal's width and character set."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = console.width
        self._encoding = console.encoding

    def rendered(self, block: Block) -> Iterator[RenderableType]:
        """Return what rich prints for a block: a text for each line, or a table."""
        match block:
            case Line(text, tone):
                yield self._text(text, tone)
            case Prose():
                yield from self._prose(block)
            case Table():
                yield from self._table(block)

    def _text(self, text: str, tone: Tone = Tone.NONE) -> Text:
        shown = text.translate(OF_RESULTS)
        if self._encoding.lower().replace("-", "") != "utf8":
            shown = shown.translate(_SIMPLE).encode(self._encoding, "backslashreplace").decode(self._encoding)
        return Text(shown, _STYLES[tone])

    def _prose(self, block: Prose) -> Iterator[Text]:
        label, text = self._text(block.label, block.tone), self._text(block.text, block.text_tone)
        if label.cell_len + text.cell_len <= self._width:
            yield Text.assemble(label, text)
            return
        indent = block.indent if self._width - block.indent >= _NARROWEST else min(block.indent, _SMALL_INDENT)
        if label.cell_len > indent:
            yield _stripped(label)
            label = Text(" " * indent)
        for line in self._wrapped(text, self._width - indent, breaks_words=block.breaks_words):
            room = self._width - line.cell_len
            if room < indent and label.plain.strip():
                yield _stripped(label)
            # a long command begins further left, so that it fits one line where that can be
            yield Text.assemble(label if room >= indent else " " * max(room, 0), line)
            label = Text(" " * indent)

    def _wrapped(self, text: Text, width: int, *, breaks_words: bool) -> Iterator[Text]:
        """Return the lines of a text; a command, and a word that is longer than a line, has a line of its own."""
        after_command = False
        for piece in _wholes(text.plain, None if breaks_words else width):
            # the end of the line separates as well as the `;` that the sentence has after a command
            line = Text(piece.text.strip().lstrip(";, " if after_command else ""), text.style)
            after_command = piece.is_whole
            if piece.is_whole:
                yield from self._command(line, width)
            elif line.plain:
                yield from map(_stripped, line.wrap(self._console, width))

    def _command(self, line: Text, width: int) -> Iterator[Text]:
        """Return a command on one line. The comment at its end goes below it where both do not fit."""
        command, mark, comment = line.plain.partition(COMMENT)
        if not mark or line.cell_len <= width:
            yield line
            return
        yield Text(command, line.style)
        hash_mark = COMMENT.lstrip()
        for part in self._wrapped(Text(comment, line.style), width - len(hash_mark), breaks_words=False):
            yield Text.assemble((hash_mark, line.style), part)  # on each line, so that all of them can be pasted

    def _table(self, table: Table) -> Iterator[RenderableType]:
        cells = [[self._text(cell, table.tones.get(cell, Tone.NONE)) for cell in row] for row in table.rows]
        head = [Text(name, _STYLES[Tone.HEADING]) for name in table.head]
        *widths, last = [max(cell.cell_len for cell in column) for column in zip(head, *cells, strict=True)]
        room = self._width - sum(widths) - _GAP * len(widths)
        if room < min(last, _NARROWEST_CELL):
            yield from self._stacked(table, cells)
            return
        for row in (head, *cells):
            yield from self._row(row, widths, room)

    def _row(self, row: list[Text], widths: list[int], room: int) -> Iterator[Text]:
        """Return the lines of a row. `room`: the columns that are left for its last cell, which is wrapped."""
        *others, last = row
        for cell, width in zip(others, widths, strict=True):
            cell.pad_right(width - cell.cell_len + _GAP)
        left = Text.assemble(*others)
        for line in self._wrapped(last, room, breaks_words=False):
            yield Text.assemble(left, line)
            left = Text(" " * left.cell_len)

    def _stacked(self, table: Table, cells: list[list[Text]]) -> Iterator[Text]:
        """Return a table that is too wide row by row, with a line for each cell."""
        column = max(map(len, table.head)) + _GAP
        for first, *others in cells:
            first.stylize(_STYLES[Tone.HEADING])
            yield first
            for head, cell in zip(table.head[1:], others, strict=True):
                yield Text.assemble(Text(f"  {head:{column}}", _STYLES[Tone.FAINT]), cell)


def _stripped(line: Text) -> Text:
    line.rstrip()
    return line


def _wholes(text: str, width: int | None) -> Iterator[Piece]:
    """Return the text in pieces: prose, and between it what stays whole: commands, and words longer than `width`."""
    for piece in pieces(text):
        if piece.is_whole or width is None:
            yield piece
            continue
        prose: list[str] = []
        for word in piece.text.split():
            if len(word) <= width:
                prose.append(word)
                continue
            yield Piece(" ".join(prose), is_whole=False)
            yield Piece(word, is_whole=True)
            prose = []
        yield Piece(" ".join(prose), is_whole=False)
