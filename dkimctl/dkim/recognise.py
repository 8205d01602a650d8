"""Recognition of an input by its structure: a message, a signature, or a mailbox, or key records in any format."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.dkim.pasted import Pasted, nothing_found, records_in
from dkimctl.errors import CheckFailed
from dkimctl.record.repaired import repaired
from dkimctl.record.taglist import parse_signature_tags

_MOST = 1 << 20  # octets of anything but a message
_MOST_OF_RECORDS = 256 << 10
_SIGNATURE_FIELD = re.compile(
    rb"(?:DKIM2?-Signature|ARC-[A-Za-z-]+|Message-Instance|Mail-Version|DomainKey-Signature)[ \t]*:", re.IGNORECASE
)
_FIELD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]*[ \t]*:|>?From ")
_OF_MAIL = re.compile(
    rb"(?:From|To|Cc|Date|Subject|Message-ID|Received|Return-Path|Delivered-To|MIME-Version|Content-[A-Za-z-]+|X-[!-9;-~]+"
    rb"|DKIM-Signature|ARC-[A-Za-z-]+|Authentication-Results|Reply-To|Sender|List-[A-Za-z-]+)[ \t]*:",
    re.IGNORECASE,
)
_ARMOUR = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{40,}={0,2}")
_BLANK = b" \t\r\n"
MOST_MESSAGES = 20


class Kind(StrEnum):
    """Kind of the input."""

    SIGNATURE = "signature"
    RECORD = "key record"
    MESSAGE = "message"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class Recognised:
    """The input and its recognised kind."""

    kind: Kind
    content: bytes = b""
    """A message, or the field of a signature."""
    records: Pasted | None = None


def recognise(content: bytes) -> Recognised:
    """Return the recognised kind. Raises CheckFailed, naming the apparent format, when it is none of the three."""
    content = _plain(content)
    start = len(content) - len(content.lstrip(_BLANK))
    head = content[start : start + _MOST].strip(_BLANK)
    if not head:
        raise CheckFailed("there is nothing in it", hint="give a DKIM-Signature, a key record, or a whole message")
    if _SIGNATURE_FIELD.match(head) and _is_single_field(head):
        return Recognised(Kind.SIGNATURE, head)
    is_mail = _FIELD.match(head) is not None and _has_mail_header(head)
    if len(content) - start <= _MOST and not is_mail:
        other = _something_else(head)
        if other:
            return other
    kind = Kind.MAILBOX if head.startswith(b"From ") and is_mail else Kind.MESSAGE
    return Recognised(kind, content[start:] if is_mail else content)


def _plain(content: bytes) -> bytes:
    """Return the content in UTF-8 without a byte order mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content[: 2 * _MOST].decode("utf-16", "replace").encode() if len(content) <= 2 * _MOST else content
    if len(content) > 8 and len(content) <= 2 * _MOST and not any(content[1:200:2]):
        return content.decode("utf-16-le", "replace").encode()  # as Windows writes it, its mark lost
    return content.removeprefix(codecs.BOM_UTF8)


def _is_single_field(head: bytes) -> bool:
    rows = head.splitlines()[1:]
    return b"\n\n" not in head.replace(b"\r", b"") and not any(
        row and row[:1] not in b" \t" and _FIELD.match(row) for row in rows
    )


def _has_mail_header(head: bytes) -> bool:
    """Return whether a line of the first block is a field that only mail has."""
    block = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    return any(_OF_MAIL.match(row) for row in block.splitlines()[:1000])


def _something_else(head: bytes) -> Recognised | None:
    text = head.decode("latin-1")
    armour = _ARMOUR.match(text)
    if armour:
        return Recognised(Kind.RECORD, records=_in_armour(text, armour[1]))
    if not _FIELD.match(head) and _is_bare_signature(text):
        return Recognised(Kind.SIGNATURE, b"DKIM-Signature: " + head)
    if len(text) > _MOST_OF_RECORDS:
        if _FIELD.match(head):
            return None
        raise CheckFailed(
            f"no mail message, and too large for key records: more than {_MOST_OF_RECORDS >> 10} KiB",
            hint="give a whole message, or the answer of a DNS tool for one name",
        )
    records = records_in(text) or _key_alone(text)
    if records:
        return Recognised(Kind.RECORD, records=records)
    nothing = nothing_found(text)
    if nothing:
        raise CheckFailed(f"no key record: {nothing}", hint="check the name: dkimctl verify-dns DOMAIN -s SELECTOR")
    return None


def _is_bare_signature(text: str) -> bool:
    tags = parse_signature_tags(text[:_MOST])
    return "bh" in tags and ("b" in tags or "d" in tags)


def _in_armour(text: str, label: str) -> Pasted:
    """Return the key of a PEM file as a record. Raises CheckFailed for a private key."""
    if "PRIVATE" in label:
        raise CheckFailed(
            "this is a private key, which must not be shown to anyone", hint="see its record: dkimctl record DOMAIN"
        )
    looks = f"PEM ({label}) and no key record: only what is between its lines belongs after p="
    return Pasted((text,), looks, _made_of(re.sub(r"-----[A-Z0-9 ]+-----", "", text)))


def _made_of(base64: str) -> tuple[str, ...]:
    record = repaired("p=" + "".join(base64.split()))
    return (f"the record with this key is: {record.text}",) if record else ()


def _key_alone(text: str) -> Pasted | None:
    made = _made_of(text) if _BASE64.fullmatch(text) else ()
    return Pasted((text,), "a public key and no key record: it belongs after p=", made) if made else None


def messages_in(content: bytes) -> tuple[list[bytes], int]:
    """Return the first messages, and how many more there are; each begins with its line "From "."""
    starts = [*_starts(content)]
    ends = [*starts[1:], len(content)]
    parts = [content[start:end] for start, end in zip(starts[:MOST_MESSAGES], ends, strict=False)]
    return parts, max(len(starts) - MOST_MESSAGES, 0)


def _starts(content: bytes) -> Iterator[int]:
    yield 0
    position = content.find(b"\nFrom ")
    while position >= 0:
        follows_empty_line = content[max(position - 2, 0) : position].endswith((b"\n", b"\n\r"))
        if follows_empty_line and _is_header(content, content.find(b"\n", position + 1) + 1):
            yield position + 1
        position = content.find(b"\nFrom ", position + 1)


def _is_header(content: bytes, start: int) -> bool:
    name, colon, _ = content[start : start + 80].partition(b":") if start else (b"", b"", b"")
    return bool(colon) and name.strip(b" \t").replace(b"-", b"").isalnum()
