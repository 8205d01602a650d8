"""Blocks as plain text, 80 columns wide: what pipes, files and dumb terminals get."""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain

from dkimctl.output.layout import Block, Line, Prose, Table

WIDTH = 80


def plain_lines(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield the blocks in parts: a paragraph, a line, or the row of a table, each with its line feed."""
    for block in blocks:
        match block:
            case Line(text):
                yield text + "\n"
            case Prose():
                yield _prose(block)
            case Table():
                yield from _table(block)


def _prose(block: Prose) -> str:
    if block.one_line_in_pipes:
        return f"{block.label}{block.text}\n"
    if len(block.label) <= block.indent:
        return _filled(block, block.text, block.label)
    if len(block.label) + len(block.text) <= WIDTH:
        return f"{block.label}{block.text}\n"
    return f"{block.label.rstrip()}\n{_filled(block, block.text, ' ' * block.indent)}"


def _filled(block: Prose, text: str, first: str) -> str:
    filled = textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * block.indent,
        break_on_hyphens=False,
        break_long_words=block.breaks_words,
    )
    return filled + "\n"


def _table(table: Table) -> Iterator[str]:
    """Yield the head and the rows, which are looked at twice: there may be a million of them."""
    widths = list(map(len, table.head))
    for row in table.rows:
        widths = [max(width, len(cell)) for width, cell in zip(widths, row, strict=True)]
    for row in chain((table.head,), table.rows):
        line = "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)])
        yield f"{line.rstrip()}\n"
