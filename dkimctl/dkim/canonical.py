"""What is hashed: the canonical forms of header and body (RFC 6376 §3.4), made line by line."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dkimctl.dkim.mail import Field, Mail, lines

_BLANKS = re.compile(rb"[ \t]+")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_B_TAG = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


def canonical_body(rows: Iterable[bytes], *, relaxed: bool) -> Iterator[bytes]:
    """The body's lines (without their ends) in canonical form, in pieces (§3.4.3, §3.4.4)."""
    empty, any_text = 0, False
    for row in rows:
        line = canonical_line(row, relaxed=relaxed)
        if not line:
            empty += 1
            continue
        yield b"\r\n" * empty + line + b"\r\n"
        empty, any_text = 0, True
    if not any_text and not relaxed:
        yield b"\r\n"


def canonical_line(row: bytes, *, relaxed: bool) -> bytes:
    """One line of a body, without its end."""
    return _BLANKS.sub(b" ", row).rstrip(b" ") if relaxed else row


@dataclass(frozen=True, slots=True)
class BodyHash:
    """The hash of a canonical body."""

    digest: bytes
    hashed: int
    """Octets that were hashed: all, or as many as `l=` says."""
    total: int
    """Octets of the canonical body."""
    head: bytes
    """Its beginning."""


def body_hash(mail: Mail, *, relaxed: bool, hash_name: str, limit: int | None = None, keep: int = 0) -> BodyHash:
    """The hash of the message's body; `limit` is `l=`, `keep` how many octets to hand back."""
    hasher, total, hashed, head = hashlib.new(hash_name), 0, 0, bytearray()
    for piece in canonical_body(lines(mail.content, mail.start), relaxed=relaxed):
        total += len(piece)
        taken = piece if limit is None else piece[: max(limit - hashed, 0)]
        hasher.update(taken)
        hashed += len(taken)
        if len(head) < keep:
            head += taken[: keep - len(head)]
    return BodyHash(hasher.digest(), hashed, total, bytes(head))


def canonical_field(raw: bytes, *, relaxed: bool) -> bytes:
    """One header field in canonical form, with CRLF (§3.4.1, §3.4.2)."""
    if not relaxed:
        return raw
    name, _, value = raw.partition(b":")
    value = _BLANKS.sub(b" ", _FOLD.sub(b"", value.removesuffix(b"\r\n"))).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


def selected(fields: Sequence[Field], names: Sequence[str]) -> list[Field | None]:
    """For each name of `h=` the field that it covers: from the bottom, each once; None where there is none (§5.4.2)."""
    left: dict[str, list[Field]] = {}
    for field in fields:
        left.setdefault(field.name.lower(), []).append(field)
    return [rest.pop() if (rest := left.get(name.lower())) else None for name in names]


def without_signature(raw: bytes, *, relaxed: bool) -> bytes:
    """The signature's own field as it is hashed: `b=` emptied, no CRLF at the end (§3.7)."""
    name, _, value = raw.partition(b":")
    emptied = name + b":" + _B_TAG.sub(rb"\1", value.removesuffix(b"\r\n")) + b"\r\n"
    return canonical_field(emptied, relaxed=relaxed).removesuffix(b"\r\n")
