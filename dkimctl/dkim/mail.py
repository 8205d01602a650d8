"""A message as bytes: its header fields and where its body begins. The body is never copied."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dkimctl.errors import CheckFailed
from dkimctl.names import printable

_NAME = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")  # RFC 5322 §3.6.8, with obs-optional's blanks before the colon
_FOLDED = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")  # a field with its further lines
_MOST = 4 << 20  # octets of header: no server accepts mail with more
_MOST_FIELDS = 10_000
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


@dataclass(frozen=True, slots=True)
class Mail:
    """A message."""

    fields: tuple[Field, ...]
    content: bytes = field(repr=False)
    start: int
    """Offset of the body in `content`."""
    is_whole: bool = True
    """False when the end of the message was not read."""

    def named(self, name: str) -> Iterator[Field]:
        """Return the fields of this name, from the top."""
        return (f for f in self.fields if f.name.lower() == name.lower())

    @property
    def body_size(self) -> int:
        """Octets of the body as it is in the file."""
        return len(self.content) - self.start


def parse_mail(content: bytes, *, is_whole: bool = True) -> Mail:
    """Return the message in these bytes. Raises CheckFailed when they are not one."""
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
            raise CheckFailed(f"not a mail message: line {number} is no header field: {shown}", hint=_HINT)
        number, position = number + one[0].count(b"\n"), one.end()
    return Mail(tuple(fields), content, start, is_whole)


def _header_end(content: bytes) -> tuple[int, int]:
    """Return where the header ends, and where the body begins: after the first empty line, with LF or CRLF."""
    for empty in (b"\n", b"\r\n"):
        if content.startswith(empty):
            return 0, len(empty)
    found = [(at + 1, at + len(gap)) for gap in (b"\n\n", b"\n\r\n") if (at := content.find(gap)) >= 0]
    return min(found, default=(len(content), len(content)))
