"""Blocks as plain text, 80 columns wide: what pipes, files and dumb terminals get."""

import textwrap
from collections.abc import Iterable, Sequence

from dkimctl.output.layout import Block, Line, Prose, Table

WIDTH = 80


def plain_text(blocks: Iterable[Block]) -> str:
    """The blocks one below the other, ending with a line feed unless there are none."""
    return "".join(map(_block, blocks))


def _block(block: Block) -> str:
    match block:
        case Line(text):
            return text + "\n"
        case Prose():
            return _prose(block)
        case Table(head, rows):
            return _table([head, *rows])


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


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in padded)
