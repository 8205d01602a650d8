"""The block of a file that dkimctl writes, between two comments; everything outside it is left as it is."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dkimctl.errors import Refused, disk_errors
from dkimctl.files import Version, open_file

BEGIN = b"# BEGIN dkimctl"
END = b"# END dkimctl"
BEGIN_LINE = BEGIN + b": rewritten by dkimctl; your own lines go above or below\n"
END_LINE = END + b"\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that a person wrote, verbatim with its line feed, and its number from 1."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Foreign:
    """The lines of people in a file: above the managed block and below it."""

    above: tuple[Line, ...] = ()
    below: tuple[Line, ...] = ()
    version: Version | None = None
    """Of the file as it was read; None when there was none."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All of them, in the order of the file."""
        return self.above + self.below

    def around(self, block: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the file's content with `block` between the markers."""
        yield from (_ended(line.text) for line in self.above)
        yield BEGIN_LINE
        yield from block
        yield END_LINE
        yield from (line.text for line in self.below)


def _ended(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"


def read_foreign(path: Path) -> Foreign:
    """Return the lines of people in `path`; none when there is no such file. The managed lines are left out.

    Raises DiskError when it cannot be read, Refused when a block is not closed.
    """
    with disk_errors(f"read {path}"):
        try:
            with open_file(path) as stream:
                return replace(_split(stream, path), version=Version.of(os.fstat(stream.fileno())))
        except (FileNotFoundError, NotADirectoryError):
            return Foreign()


def _split(lines: Iterable[bytes], path: Path) -> Foreign:
    above: list[Line] = []
    below: list[Line] = []
    opened, target = 0, above
    for number, text in enumerate(lines, 1):
        if text.startswith(BEGIN):
            opened, target = number, below
        elif text.startswith(END):
            opened = 0
        elif not opened:
            target.append(Line(number, text))
    if opened:
        raise Refused(
            f"{path} line {opened}: a dkimctl block begins here and never ends, so whose lines follow is not clear",
            hint=f"put the line `{END.decode()}` after the last line of dkimctl",
        )
    return Foreign(tuple(above), tuple(below))
