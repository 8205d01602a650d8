"""A message as bytes: its header fields and where its body begins. The body is never copied.

Of a large message only the beginning is in memory; the rest is read once, piece by piece, while the body is hashed.
"""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from dkimctl.errors import CheckFailed
from dkimctl.names import printable

_NAME = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")  # RFC 5322 §3.6.8, with obs-optional's blanks before the colon
_FOLDED = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")  # a field with its further lines
_MOST = 4 << 20  # octets of header: no server accepts mail with more
_MOST_FIELDS = 10_000
_PIECE = 1 << 20  # octets of a body that are looked at together
_HINT = "give the whole message as it was received, header and body"


@dataclass(frozen=True, slots=True)
class Field:
    """A header field of the message, unchanged."""

    name: str
    raw: bytes
    """The whole field with CRLF at the end of each of its lines."""
    line: int
    """Line number in the file, from 1."""

    @property
    def value(self) -> bytes:
        """The text after the colon, still folded."""
        return self.raw.partition(b":")[2]

    @property
    def text(self) -> str:
        """The value unfolded, octets above 127 as Latin-1."""
        return " ".join(self.value.decode("latin-1").split())


@dataclass(slots=True)
class Rest:
    """What follows the octets that were kept: a stream that is read once, of which at most `most` octets count."""

    stream: IO[bytes] = field(repr=False)
    most: int
    size: int = 0
    """Octets that were read."""
    is_read: bool = False
    """True when that was all."""

    def pieces(self) -> Iterator[bytes]:
        """Yield it piece by piece. Raises OSError."""
        while piece := portion(self.stream, min(_PIECE, max(self.most - self.size, 0))):
            self.size += len(piece)
            yield piece
        self.is_read = not portion(self.stream, 1)


def portion(stream: IO[bytes], most: int) -> bytes:
    """Return the next octets, empty at the end. Raises OSError, also where more may come, but nothing is there yet."""
    octets: bytes | None = stream.read(most)
    if octets is None:  # not blocking, such as /proc/kmsg, which has no end
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return octets


@dataclass(frozen=True, slots=True)
class Mail:
    """A message."""

    fields: tuple[Field, ...]
    content: bytes = field(repr=False)
    start: int
    """Offset of the body in `content`."""
    rest: Rest | None = None
    """What follows `content`."""

    def named(self, name: str) -> Iterator[Field]:
        """Return the fields of this name, from the top."""
        return (f for f in self.fields if f.name.lower() == name.lower())

    @property
    def is_whole(self) -> bool:
        """False when the end of the message was not read."""
        return self.rest is None or self.rest.is_read

    @property
    def size(self) -> int:
        """Octets of the message, as far as they were read."""
        return len(self.content) + (self.rest.size if self.rest else 0)

    @property
    def body_size(self) -> int:
        """Octets of the body as it is in the file, as far as they are in memory."""
        return len(self.content) - self.start

    def body_parts(self) -> Iterator[bytes]:
        """Yield the body piece by piece; what is not in memory only the first time. Raises OSError."""
        for start in range(self.start, len(self.content), _PIECE):
            yield self.content[start : start + _PIECE]
        if self.rest:
            yield from self.rest.pieces()


def parse_mail(content: bytes, rest: Rest | None = None) -> Mail:
    """Return the message in these bytes and the rest. Raises CheckFailed when they are not one."""
    end, start = _header_end(content)
    if end > _MOST:
        raise CheckFailed(f"not a mail message: no end of the header in {_MOST >> 20} MiB", hint=_HINT)
    fields: list[Field] = []
    number, position = 1, 0
    while position < end:
        one = _FOLDED.match(content, position, end)
        assert one is not None
        name = _NAME.match(one[0])
        if name and len(fields) == _MOST_FIELDS:
            raise CheckFailed(f"not a mail message: more than {_MOST_FIELDS} header fields", hint=_HINT)
        if name:
            text = one[0].replace(b"\r\n", b"\n").removesuffix(b"\n")
            fields.append(Field(name[1].decode("ascii"), text.replace(b"\n", b"\r\n") + b"\r\n", number))
        elif not (number == 1 and one[0].startswith((b"From ", b">From "))):  # as an mbox begins
            shown = printable(one[0][:200].decode("latin-1").rstrip("\r\n"), 40)
            raise CheckFailed(f"not a mail message: line {number} is not a header field: {shown}", hint=_HINT)
        number, position = number + one[0].count(b"\n"), one.end()
    return Mail(tuple(fields), content, start, rest)


def _header_end(content: bytes) -> tuple[int, int]:
    """Return where the header ends, and where the body begins: after the first empty line, with LF or CRLF."""
    for empty in (b"\n", b"\r\n"):
        if content.startswith(empty):
            return 0, len(empty)
    found = [(at + 1, at + len(gap)) for gap in (b"\n\n", b"\n\r\n") if (at := content.find(gap)) >= 0]
    return min(found, default=(len(content), len(content)))
