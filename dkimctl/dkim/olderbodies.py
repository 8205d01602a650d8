"""Earlier forms of a body: the known changes by mail systems, undone."""

import binascii
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress

_PARTS = 10  # parts of a multipart searched for the original text
_LONG = 900  # octets of a line that was broken: from here on
# (?m)^ and possessive counts: every line is scanned once, whatever its length
_BROKEN_LINE = re.compile(rb"(?m)(?:^|(?<=\n ))([^\n]{%d,}+)\n " % _LONG)


def older_bodies(rows: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a description of each change, with the body before it; all lines end with LF."""
    ahead = b"\n" + rows
    yield "8-bit text was re-encoded as quoted-printable", _lines(quopri.decodestring(rows))
    with suppress(binascii.Error, ValueError):
        yield "text was re-encoded as base64", _lines(binascii.a2b_base64(rows.replace(b"\n", b""), strict_mode=True))
    with suppress(UnicodeError):
        yield "its text was converted from ISO-8859-1 to UTF-8", rows.decode("utf-8").encode("latin-1")
    yield "a line longer than 998 octets was broken (RFC 5321 §4.5.3.1.6)", _BROKEN_LINE.sub(rb"\1", rows)
    yield "dots at the beginning of lines were doubled", ahead.replace(b"\n..", b"\n.")[1:]
    yield "dots at the beginning of lines were lost", ahead.replace(b"\n.", b"\n..")[1:]
    yield "“From ” at the beginning of lines became “>From ”", ahead.replace(b"\n>From ", b"\nFrom ")[1:]
    yield "tabs were replaced by blanks", rows.replace(b"        ", b"\t")
    yield "its first empty line was lost", ahead
    for part in _parts(rows):
        yield "it was made a part of a multipart, as lists do to add a footer", part


def _lines(rows: bytes) -> bytes:
    rows = rows.replace(b"\r\n", b"\n")
    return rows if rows.endswith(b"\n") or not rows else rows + b"\n"


def _parts(rows: bytes) -> Iterator[bytes]:
    """Yield the content of the first parts of a multipart."""
    opening = re.search(rb"(?m)^--[^\n]{1,70}$", rows)
    if not opening:
        return
    for part in rows[opening.end() :].split(b"\n" + opening[0], _PARTS)[:_PARTS]:
        header, gap, text = part.partition(b"\n\n")
        if gap:
            yield text + b"\n"
        elif header:
            return
