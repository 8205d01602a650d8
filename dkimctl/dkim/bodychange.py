"""What was changed in a body on the way: likely changes are undone one after the other until the hash fits again.

A hash tells that something differs and not what. But those who change mail are few and do few things: lists add a
footer, gateways re-encode. Each is tried.
"""

import base64
import hashlib
import quopri
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from dkimctl.dkim.canonical import body_hash, canonical_body, canonical_line
from dkimctl.dkim.form import decoded
from dkimctl.dkim.mail import Mail, lines
from dkimctl.names import printable
from dkimctl.record.taglist import TagList

_MOST = 4 << 20  # octets of a body in which a change is looked for
_BANNER = 40  # lines that may have been put in front


def body_difference(mail: Mail, tags: TagList) -> str:
    """Why the body's hash is not `bh=`, in a line."""
    wanted, hash_name = decoded(tags.get("bh")) or b"", tags.get("a").lower().rpartition("-")[2]
    relaxed = tags.get("c", "").lower().endswith("/relaxed")
    found = _found_in_body(mail, wanted, hash_name, relaxed, int(tags.get("l")) if "l" in tags else None)
    return f"the body was changed after it was signed{f': {found}' if found else ' (its hash is not bh=)'}"


def _found_in_body(mail: Mail, wanted: bytes, hash_name: str, relaxed: bool, limit: int | None) -> str:
    if limit is not None:
        short = body_hash(mail, relaxed=relaxed, hash_name=hash_name).total < limit
        return "it is shorter than l= says" if short else ""
    if wanted in (hashlib.new(hash_name, empty).digest() for empty in (b"", b"\r\n")):
        return "it was empty then"
    if body_hash(mail, relaxed=not relaxed, hash_name=hash_name).digest == wanted:
        return f"it fits {'simple' if relaxed else 'relaxed'} canonicalization, which c= does not say"
    if mail.body_size > _MOST:
        return ""
    rows = list(lines(mail.content, mail.start))
    return (
        _appended(rows, wanted, hash_name, relaxed)
        or _put_in_front(rows, wanted, hash_name, relaxed)
        or next((words for words, old in _older_bodies(rows) if _hash(old, hash_name, relaxed) == wanted), "")
    )


def _appended(rows: Sequence[bytes], wanted: bytes, hash_name: str, relaxed: bool) -> str:
    """Every shorter body, hashed in one go."""
    hasher = hashlib.new(hash_name)
    empty = 0
    for number, row in enumerate(rows):
        line = canonical_line(row, relaxed=relaxed)
        if not line:
            empty += 1
            continue
        hasher.update(b"\r\n" * empty + line + b"\r\n")
        empty = 0
        if hasher.digest() == wanted:
            first = next((n for n in range(number + 1, len(rows)) if rows[n].strip()), number + 1)
            return f"{_count(len(rows) - number - 1)} added at its end, with {_shown(rows[first])}"
    return ""


def _put_in_front(rows: Sequence[bytes], wanted: bytes, hash_name: str, relaxed: bool) -> str:
    for number in range(1, min(_BANNER, len(rows))):
        if _hash(rows[number:], hash_name, relaxed) == wanted:
            return f"{_count(number)} put in front of it, with {_shown(rows[0])}"
    return ""


def _older_bodies(rows: Sequence[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """What the body may have been before a well-known change."""
    whole = b"\r\n".join(rows)
    yield "8-bit text was re-encoded as quoted-printable", list(lines(quopri.decodestring(whole)))
    with suppress(ValueError):
        plain = base64.b64decode(whole.replace(b"\r\n", b""), validate=True)
        yield "text was re-encoded as base64", list(lines(plain))
    yield (
        "a line longer than 998 octets was broken (RFC 5321 §4.5.3.1.6)",
        list(lines(re.sub(rb"([^\r\n]{900,})\r\n[ ]", rb"\1", whole))),
    )
    yield "dots at the beginning of lines were doubled", [r[1:] if r.startswith(b"..") else r for r in rows]
    yield "dots at the beginning of lines were lost", [b"." + r if r.startswith(b".") else r for r in rows]
    yield "“From ” at the beginning of lines became “>From ”", [r[1:] if r.startswith(b">From ") else r for r in rows]
    yield "tabs were replaced by blanks", [r.replace(b"        ", b"\t") for r in rows]
    yield "its first empty line was lost", [b"", *rows]


def _hash(rows: Iterable[bytes], hash_name: str, relaxed: bool) -> bytes:
    return hashlib.new(hash_name, b"".join(canonical_body(rows, relaxed=relaxed))).digest()


def _count(number: int) -> str:
    return "1 line was" if number == 1 else f"{number} lines were"


def _shown(row: bytes) -> str:
    return f"“{printable(row.decode('utf-8', 'replace').strip(), 40)}”"
