"""Changes of a body in transit: likely changes are undone one by one until the hash matches.

A hash shows that something differs, but not what. The programs that change mail are few and make few changes: lists
add a footer, gateways re-encode. Each is tried.
"""

import binascii
import hashlib
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from dkimctl.dkim.canonical import BodyForm, BodyHash, CanonicalBody, canonical_pieces, unix_pieces
from dkimctl.dkim.effort import Effort, body_effort
from dkimctl.dkim.mail import Mail
from dkimctl.names import counted, printable

_FOOTER = 20_000  # lines that may have been added at the end
_BANNER = 40  # lines that may have been inserted at the beginning
_HASH_ONLY = 4  # hashing without canonicalization costs a quarter
_PARTS = 10  # parts of a multipart searched for the original text
_LONG = 900  # octets of a line that was broken: from here on
# (?m)^ and possessive counts: every line is scanned once, whatever its length
_BROKEN_LINE = re.compile(rb"(?m)(?:^|(?<=\n ))([^\n]{%d,}+)\n " % _LONG)


@dataclass(slots=True)
class BodySearch:
    """The search in one message, shared by its signatures: each older body is hashed once and compared with all."""

    mail: Mail
    effort: Effort = field(default_factory=body_effort)
    _known: dict[BodyForm, dict[bytes, str]] = field(default_factory=dict)

    def difference(self, form: BodyForm, wanted: bytes, now: BodyHash) -> str:
        """Return why the body's hash is not `wanted` (`bh=`), in one line; `now` is the current hash."""
        found = self._found(form, wanted, now)
        if not found:
            found = "its hash is not bh="
            if self.effort.is_exhausted:
                found += "; not every known change was tried, the message is too large for that"
            return f"the body was changed after it was signed ({found})"
        return f"the body was changed after it was signed: {found}"

    def _found(self, form: BodyForm, wanted: bytes, now: BodyHash) -> str:
        if form.limit is not None and now.total < form.limit:
            return f"it is shorter than l= says, {counted(now.total, 'octet')} and not {form.limit}"
        if wanted in (hashlib.new(form.hash_name, empty).digest() for empty in (b"", b"\r\n")):
            return "it was empty then"
        if now.total <= 2:
            return "it is empty now, its text was lost"
        if form not in self._known:
            known = self._known[form] = {}
            for digest, words in self._digests(form):
                known.setdefault(digest, words)
        return self._known[form].get(wanted, "")

    def _digests(self, form: BodyForm) -> Iterator[tuple[bytes, str]]:
        """Yield the hash of every body that this one may have been, with a description of the change."""
        if self.mail.rest:
            self.effort.is_exhausted = True
        if self.mail.rest or not self.effort.take(self.mail.body_size):
            return
        rows = b"".join(unix_pieces(self.mail.body_parts()))
        other = BodyForm(not form.relaxed, form.hash_name, form.limit)
        words = f"it matches {'simple' if form.relaxed else 'relaxed'} canonicalization, which is not the one in c="
        yield _digest(canonical_pieces([rows], relaxed=other.relaxed), other), words
        if form.limit is None:
            yield from shorter_bodies(rows, form)
            yield from self._without_banner(rows, form)
        for words, old in older_bodies(rows):
            if not self.effort.take(len(rows)):
                return
            yield _digest(canonical_pieces([old], relaxed=form.relaxed), form), words

    def _without_banner(self, rows: bytes, form: BodyForm) -> Iterator[tuple[bytes, str]]:
        body = b"".join(canonical_pieces([rows], relaxed=form.relaxed))
        start, first_line = 0, _shown(body.partition(b"\r\n")[0])
        for number in range(1, _BANNER):
            start = body.find(b"\r\n", start) + 2
            if start < 2 or start >= len(body) or not self.effort.take((len(body) - start) // _HASH_ONLY):
                return
            words = f"{_count(number)} put in front of it, with {first_line}"
            yield hashlib.new(form.hash_name, memoryview(body)[start:]).digest(), words


def shorter_bodies(rows: bytes, form: BodyForm) -> Iterator[tuple[bytes, str]]:
    """Yield the hash of the body up to each of its last lines, from the shortest, in one pass."""
    cuts = _last_lines(rows)
    body, hasher = CanonicalBody(form.relaxed), hashlib.new(form.hash_name)
    for part in body.feed(rows[: cuts[0]]):
        hasher.update(part)
    for number, (start, end) in enumerate(pairwise(cuts)):
        line = rows[start:end]
        if line.strip() or (line != b"\n" and not form.relaxed):
            ended = hasher.copy()
            ended.update(body.finish())
            yield ended.digest(), f"{_count(len(cuts) - 1 - number)} added at its end, with {_shown(line)}"
        for part in body.feed(line):
            hasher.update(part)


def _last_lines(rows: bytes) -> list[int]:
    """Return the start of each of the last lines, and the end of the last one."""
    cuts = [len(rows)]
    while cuts[-1] > 0 and len(cuts) <= _FOOTER:
        cuts.append(rows.rfind(b"\n", 0, cuts[-1] - 1) + 1)
    return cuts[::-1]


def _digest(pieces: Iterator[bytes], form: BodyForm) -> bytes:
    hasher, left = hashlib.new(form.hash_name), form.limit
    for piece in pieces:
        hasher.update(piece if left is None else piece[:left])
        left = None if left is None else max(left - len(piece), 0)
    return hasher.digest()


def _count(number: int) -> str:
    return f"{counted(number, 'line')} {'was' if number == 1 else 'were'}"


def _shown(row: bytes) -> str:
    return f"“{printable(row[:400].decode('utf-8', 'replace').strip(), 40)}”"


def older_bodies(rows: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a description of each change, with the body before it; all lines end with LF."""
    ahead = b"\n" + rows
    if b"=" in rows:
        yield "8-bit text was re-encoded as quoted-printable", _lines(quopri.decodestring(rows))
    yield "a carriage return was added at the ends of lines", rows.replace(b"\r\n", b"\n")
    with suppress(binascii.Error, ValueError):
        yield "text was re-encoded as base64", _lines(binascii.a2b_base64(rows.replace(b"\n", b""), strict_mode=True))
    with suppress(UnicodeError):
        yield "its text was converted from ISO-8859-1 to UTF-8", rows.decode("utf-8").encode("latin-1")
    yield "a line longer than 998 octets was broken (RFC 5321 §4.5.3.1.6)", _BROKEN_LINE.sub(rb"\1", rows)
    yield "dots at the beginning of lines were doubled", ahead.replace(b"\n..", b"\n.")[1:]
    yield "dots at the beginning of lines were lost", ahead.replace(b"\n.", b"\n..")[1:]
    yield "“From ” at the beginning of lines became “>From ”", ahead.replace(b"\n>From ", b"\nFrom ")[1:]
    yield "“>From ” at the beginning of lines became “From ”", ahead.replace(b"\nFrom ", b"\n>From ")[1:]
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
