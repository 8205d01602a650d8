"""A message as bytes: its header fields and where its body begins. The body is never copied."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dkimctl.errors import CheckFailed
from dkimctl.names import printable

_NAME = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")  # RFC 5322 §3.6.8, with obs-optional's blanks before the colon
_MOST = 4 << 20  # octets of header: more is no mail that any server takes
_MOST_FIELDS = 10_000
_HINT = "give the whole message as it was received, header and body"


@dataclass(frozen=True, slots=True)
class Field:
    """One header field, as it is in the message."""

    name: str
    raw: bytes
    """The whole field with CRLF at the end of each of its lines."""
    line: int
    """Of the file, counted from 1."""

    @property
    def value(self) -> bytes:
        """What follows the colon, folded as it is."""
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
    """Where in `content` the body begins."""
    is_whole: bool = True
    """False when the end of the message was not read."""

    def named(self, name: str) -> Iterator[Field]:
        """Return the fields of this name, from the top."""
        return (f for f in self.fields if f.name.lower() == name.lower())

    @property
    def body_size(self) -> int:
        """Octets of the body as it is in the file."""
        return len(self.content) - self.start


def lines(content: bytes, start: int = 0) -> Iterator[bytes]:
    """Yield each line without its end, LF or CRLF; the last one may have none."""
    while start < len(content):
        end = content.find(b"\n", start)
        if end < 0:
            yield content[start:]
            return
        yield content[start : end - 1 if end > start and content[end - 1] == 0x0D else end]
        start = end + 1


def parse_mail(content: bytes, *, is_whole: bool = True) -> Mail:
    """Return the message in these bytes. Raises CheckFailed when they hold none."""
    found: list[tuple[str, list[bytes], int]] = []
    start = 0
    for number, line in enumerate(lines(content), 1):
        start = content.find(b"\n", start) + 1 or len(content)
        if not line:
            break
        if start > _MOST:
            raise CheckFailed(f"not a mail message: no end of the header in {_MOST >> 20} MiB", hint=_HINT)
        if line[:1] in b" \t" and found:
            found[-1][1].append(line)
            continue
        match = _NAME.match(line)
        if match:
            if len(found) == _MOST_FIELDS:
                raise CheckFailed(f"not a mail message: more than {_MOST_FIELDS} header fields", hint=_HINT)
            found.append((match[1].decode("ascii"), [line], number))
        elif not (number == 1 and line.startswith((b"From ", b">From "))):  # as an mbox begins
            shown = printable(line.decode("latin-1"), 40)
            raise CheckFailed(f"not a mail message: line {number} is no header field: {shown}", hint=_HINT)
    fields = tuple(Field(name, b"\r\n".join(parts) + b"\r\n", number) for name, parts, number in found)
    return Mail(fields, content, start, is_whole)
