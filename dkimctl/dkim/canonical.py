"""The canonical forms of header and body (RFC 6376 §3.4), computed in large pieces."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dkimctl.dkim.mail import Field, Mail

_PIECE = 1 << 20  # octets of empty lines that are made at once
_B_TAG = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


# --- the body


@dataclass(slots=True)
class CanonicalBody:
    """Turns a body into its canonical form (§3.4.3, §3.4.4), piece by piece, wherever it is cut."""

    relaxed: bool
    _ends: int = 0
    """Line ends that are hashed only when text follows."""
    _any_text: bool = False
    _blank: bool = False
    """True when a blank precedes the next piece, which is hashed only when its line goes on."""

    def feed(self, rows: bytes) -> Iterator[bytes]:
        """Yield the canonical form of a piece in which each line ends with LF and has no CR before it."""
        if self.relaxed:
            rows = rows.replace(b"\t", b" ")
            rows = _single_blanks(b" " + rows if self._blank else rows).replace(b" \n", b"\n")
            self._blank = rows.endswith(b" ")
            rows = rows.removesuffix(b" ")
        text = rows.rstrip(b"\n")
        if text:
            yield from repeated(b"\r\n", self._ends)
            yield text.replace(b"\n", b"\r\n")
            self._ends, self._any_text = 0, True
        self._ends += len(rows) - len(text)

    def finish(self) -> bytes:
        """Return the line end of the last line with text, or that of an empty body."""
        return b"" if self.relaxed and not self._any_text else b"\r\n"


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


def unix_pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body that is cut anywhere: LF for each CRLF, and one after the last line."""
    held, last = b"", b"\n"
    for part in parts:
        whole = held + part
        held = b"\r" if whole.endswith(b"\r") else b""  # an LF may follow in the next part
        piece = whole.removesuffix(held).replace(b"\r\n", b"\n")
        if piece:
            yield piece
            last = piece[-1:]
    if held or last != b"\n":
        yield held + b"\n"


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
    """Return the body's hash in each form, all made in one pass. Raises OSError, for what is not in memory.

    `keep`: octets of each canonical body to return in `head`.
    """
    hashers = [_Hasher(form, keep) for form in set(forms)]
    bodies = {relaxed: CanonicalBody(relaxed) for relaxed in {hasher.form.relaxed for hasher in hashers}}
    totals = dict.fromkeys(bodies, 0)

    def take(piece: bytes, relaxed: bool) -> None:
        totals[relaxed] += len(piece)
        for hasher in hashers:
            if hasher.form.relaxed is relaxed:
                hasher.update(piece)

    for rows in unix_pieces(mail.body_parts()) if hashers else ():
        for relaxed, body in bodies.items():
            for piece in body.feed(rows):
                take(piece, relaxed)
    for relaxed, body in bodies.items():
        take(body.finish(), relaxed)
    return {h.form: BodyHash(h.hasher.digest(), h.hashed, totals[h.form.relaxed], bytes(h.head)) for h in hashers}


# --- the header


def canonical_field(raw: bytes, *, relaxed: bool) -> bytes:
    """Return one header field in canonical form, with CRLF (§3.4.1, §3.4.2)."""
    if not relaxed:
        return raw
    name, _, value = raw.partition(b":")
    # replace() takes a fiftieth of the time of an expression where a field has a million lines
    unfolded = value.removesuffix(b"\r\n").replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
    value = _single_blanks(unfolded.replace(b"\t", b" ")).strip(b" ")
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
