"""The canonical forms of header and body (RFC 6376 §3.4), computed in large pieces."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dkimctl.dkim.mail import Field, Mail

_PIECE = 1 << 20  # octets of a body that are canonicalized at once; a longer line makes a longer piece
_BLANKS = re.compile(rb"[ \t]+")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_B_TAG = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


# --- the body


@dataclass(slots=True)
class CanonicalBody:
    """Turns whole lines into their canonical form (§3.4.3, §3.4.4), piece by piece."""

    relaxed: bool
    _empty: int = 0
    """Empty lines that are hashed only when a line with text follows."""
    _any_text: bool = False

    def feed(self, rows: bytes) -> Iterator[bytes]:
        """Yield the canonical form of these lines; each ends with LF and has no CR before it."""
        if self.relaxed:
            rows = _single_blanks(rows.replace(b"\t", b" ")).replace(b" \n", b"\n")
        text = rows.rstrip(b"\n")
        if text:
            yield from repeated(b"\r\n", self._empty)
            yield text.replace(b"\n", b"\r\n") + b"\r\n"
            self._empty, self._any_text = -1, True
        self._empty += len(rows) - len(text)

    def finish(self) -> bytes:
        """Return the line end of an empty body."""
        return b"" if self._any_text or self.relaxed else b"\r\n"


def _single_blanks(rows: bytes) -> bytes:
    """Return `rows` with every run of blanks as one; each pass halves the runs, so that few are needed."""
    while b"  " in rows:
        rows = rows.replace(b"  ", b" ")
    return rows


def repeated(part: bytes, times: int) -> Iterator[bytes]:
    """Yield `part` repeated `times` times, in pieces of bounded size."""
    while times > 0:
        count = min(times, _PIECE)
        yield part * count
        times -= count


def unix_pieces(content: bytes, start: int = 0) -> Iterator[bytes]:
    """Yield the lines from `start` on in large pieces: LF for each CRLF, and one after the last line."""
    while start < len(content):
        end = content.find(b"\n", min(start + _PIECE, len(content)) - 1) + 1 or len(content)
        piece = content[start:end].replace(b"\r\n", b"\n")
        yield piece if piece.endswith(b"\n") else piece + b"\n"
        start = end


def canonical_pieces(pieces: Iterable[bytes], *, relaxed: bool) -> Iterator[bytes]:
    """Yield the canonical form of a body in the pieces of `unix_pieces`."""
    body = CanonicalBody(relaxed)
    for piece in pieces:
        yield from body.feed(piece)
    yield body.finish()


@dataclass(frozen=True, slots=True)
class BodyForm:
    """The way in which a signature hashes the body: `c=`, `a=` and `l=`."""

    relaxed: bool
    hash_name: str
    limit: int | None = None
    """`l=` in octets."""


@dataclass(frozen=True, slots=True)
class BodyHash:
    """The hash of a canonical body."""

    digest: bytes
    hashed: int
    """Octets that were hashed: all, or up to `l=`."""
    total: int
    """Octets of the canonical body."""
    head: bytes
    """Beginning of the canonical body."""


@dataclass(slots=True)
class _Hasher:
    form: BodyForm
    keep: int
    hasher: "hashlib._Hash" = field(init=False)
    hashed: int = 0
    head: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.hasher = hashlib.new(self.form.hash_name)

    def update(self, piece: bytes) -> None:
        limit = self.form.limit
        taken = piece if limit is None or limit - self.hashed >= len(piece) else piece[: max(limit - self.hashed, 0)]
        self.hasher.update(taken)
        self.hashed += len(taken)
        self.head += taken[: max(self.keep - len(self.head), 0)]


def body_hashes(mail: Mail, forms: Iterable[BodyForm], *, keep: int = 0) -> dict[BodyForm, BodyHash]:
    """Return the body's hash in each form, all made in one pass for each canonicalization.

    `keep`: octets of each canonical body to return in `head`.
    """
    found = {}
    wanted = set(forms)
    for relaxed in (False, True):
        hashers = [_Hasher(form, keep) for form in wanted if form.relaxed is relaxed]
        total = 0
        for piece in canonical_pieces(unix_pieces(mail.content, mail.start), relaxed=relaxed) if hashers else ():
            total += len(piece)
            for hasher in hashers:
                hasher.update(piece)
        for h in hashers:
            found[h.form] = BodyHash(h.hasher.digest(), h.hashed, total, bytes(h.head))
    return found


# --- the header


def canonical_field(raw: bytes, *, relaxed: bool) -> bytes:
    """Return one header field in canonical form, with CRLF (§3.4.1, §3.4.2)."""
    if not relaxed:
        return raw
    name, _, value = raw.partition(b":")
    value = _BLANKS.sub(b" ", _FOLD.sub(b"", value.removesuffix(b"\r\n"))).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


def selected(fields: Sequence[Field], names: Sequence[str]) -> list[Field | None]:
    """Return the field that each name of `h=` covers: from the bottom, each once; None where there is none (§5.4.2)."""
    left: dict[str, list[Field]] = {}
    for one in fields:
        left.setdefault(one.name.lower(), []).append(one)
    return [rest.pop() if (rest := left.get(name.lower())) else None for name in names]


def without_signature(raw: bytes, *, relaxed: bool) -> bytes:
    """Return the signature's own field as it is hashed: `b=` emptied, no CRLF at the end (§3.7)."""
    name, _, value = raw.partition(b":")
    emptied = name + b":" + _B_TAG.sub(rb"\1", value.removesuffix(b"\r\n")) + b"\r\n"
    return canonical_field(emptied, relaxed=relaxed).removesuffix(b"\r\n")
