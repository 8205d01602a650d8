"""What was changed in a header on the way, found as in a body: lists tag the subject, filters add a field."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from email.header import decode_header, make_header

from dkimctl.dkim.canonical import canonical_field, selected, without_signature
from dkimctl.dkim.mail import Field, Mail
from dkimctl.names import printable
from dkimctl.record.taglist import TagList, items_in

_FIELDS = 60  # header fields in which a change is looked for
# (?<!\s): a long run of blanks is gone through once, not again from each of them
_COMMENT = re.compile(rb"(?<!\s)\s*\([^()]*\)")
_IN_FULL = re.compile(rb"(.*?)(?<!\s)\s*<([^<>]+)>", re.DOTALL)
_ENCODINGS = (b"7bit", b"8bit", b"quoted-printable", b"base64", b"binary")


def header_difference(
    mail: Mail,
    field: Field,
    tags: TagList,
    hashed: Sequence[bytes],
    fields: Sequence[Field | None],
    digest: bytes,
) -> str:
    """Why the header's hash is not the one that was signed (`digest`), in a line."""
    hash_name = tags.get("a").lower().rpartition("-")[2]
    for words, pieces in _older_headers(mail, field, tags, hashed, fields):
        if hashlib.new(hash_name, b"".join(pieces)).digest() == digest:
            return words
    copied = _by_copies(tags, fields)
    if copied:
        return f"changed after it was signed, as the copies in z= show: {', '.join(copied)}"
    names = dict.fromkeys(n.lower() for n, f in zip(items_in(tags.get("h")), fields, strict=True) if f)
    missing = sorted({n.lower() for n, f in zip(items_in(tags.get("h")), fields, strict=True) if not f} - set(names))
    gone = f", or one was lost ({', '.join(missing)})" if missing else ""
    return f"one of the signed header fields was changed after it was signed: {', '.join(names)}{gone}"


def _older_headers(
    mail: Mail, field: Field, tags: TagList, hashed: Sequence[bytes], fields: Sequence[Field | None]
) -> Iterator[tuple[str, Sequence[bytes]]]:
    relaxed = tags.get("c", "simple").lower().startswith("relaxed")
    names = items_in(tags.get("h"))
    yield (
        "the field DKIM-Signature itself was changed: its folding",
        [
            *hashed[:-1],
            without_signature(_unfolded(field.raw), relaxed=relaxed),
        ],
    )
    yield from _with_fields_left_out(mail, field, names, hashed[-1], relaxed)
    for number, old in enumerate(fields[:_FIELDS]):
        variants = _older_forms(old, relaxed) if old else _lost(names[number])
        for words, raw in variants:
            pieces = list(hashed)
            pieces[number] = canonical_field(raw, relaxed=relaxed)
            yield words, pieces


def _with_fields_left_out(
    mail: Mail, field: Field, names: Sequence[str], own: bytes, relaxed: bool
) -> Iterator[tuple[str, Sequence[bytes]]]:
    wanted = {name.lower() for name in names}
    candidates = [f for f in mail.fields if f is not field and f.name.lower() in wanted]
    for left_out in candidates[:_FIELDS]:
        rest = [f for f in mail.fields if f is not field and f is not left_out]
        pieces = [canonical_field(f.raw, relaxed=relaxed) if f else b"" for f in selected(rest, names)]
        words = f"a field {left_out.name} was added after it was signed (line {left_out.line}): {_value(left_out)}"
        yield words, [*pieces, own]
    backwards = [f for f in reversed(mail.fields) if f is not field]
    pieces = [canonical_field(f.raw, relaxed=relaxed) if f else b"" for f in selected(backwards, names)]
    yield "fields of one name were put in another order", [*pieces, own]


def _older_forms(field: Field, relaxed: bool) -> Iterator[tuple[str, bytes]]:
    """What the field may have been before a well-known change."""
    name, value = field.raw.partition(b":")[0] + b":", field.value.removesuffix(b"\r\n")
    here = f"{field.name} was changed after it was signed (line {field.line})"
    text = value.strip()
    tag = re.match(rb"(?:re|fwd?|aw):\s*|\[[^\]]*\]\s*|\*+[^*]+\*+\s*", text, re.IGNORECASE)
    if tag:
        yield (
            f"{here}: “{printable(tag[0].decode('latin-1').strip())}” was put in front",
            _field(name, text[tag.end() :]),
        )
    if field.name.lower() == "content-transfer-encoding":
        for encoding in _ENCODINGS:
            yield f"{here}: it was {encoding.decode()}, the body was re-encoded", _field(name, encoding)
    for old in _addresses(text):
        yield f"{here}: an address was rewritten; it was {_printable(old)}", _field(name, old)
    for old in _encodings(field):
        yield f"{here}: it was encoded otherwise", _field(name, old)
    for old in (
        text.replace(b'"', b""),
        text.lower(),
        re.sub(rb",\s*", b", ", text),
        _COMMENT.sub(b"", text),
    ):
        yield f"{here}: quotes, capitals, blanks or a comment", _field(name, old)
    if not relaxed:
        for raw in _foldings(field.raw, name, value):
            yield f"{here}: its white space; c=relaxed would forgive that", raw


def _field(name: bytes, value: bytes) -> bytes:
    return name + b" " + value + b"\r\n"


def _addresses(text: bytes) -> Iterator[bytes]:
    bare = re.fullmatch(rb"<?([^\s<>\"]+@[^\s<>\"]+)>?", text)
    if bare:
        yield b"<" + bare[1] + b">"
        yield bare[1]
    in_full = _IN_FULL.fullmatch(text)
    if in_full:
        yield in_full[2]
        yield b'"' + in_full[1].strip(b'"') + b'" <' + in_full[2] + b">"


def _encodings(field: Field) -> Iterator[bytes]:
    try:
        yield str(make_header(decode_header(field.text))).encode("utf-8", "surrogateescape")
    except (ValueError, LookupError):
        return


def _foldings(raw: bytes, name: bytes, value: bytes) -> Iterator[bytes]:
    yield _unfolded(raw)
    yield raw.replace(b"\r\n\t", b"\r\n ")
    yield raw.replace(b"\r\n ", b"\r\n\t")
    yield name + b" " + value.lstrip() + b"\r\n"
    yield name + value.lstrip() + b"\r\n"
    yield name + value.rstrip() + b"\r\n"
    yield name + value + b" \r\n"
    yield name[:-1].lower() + b":" + value + b"\r\n"


def _unfolded(raw: bytes) -> bytes:
    return re.sub(rb"\r\n[ \t]+", b" ", raw.removesuffix(b"\r\n")) + b"\r\n"


def _lost(name: str) -> Iterator[tuple[str, bytes]]:
    """Fields that gateways drop or set, and the few values that they have."""
    values: dict[str, tuple[bytes, ...]] = {
        "mime-version": (b"1.0",),
        "content-transfer-encoding": _ENCODINGS,
        "content-type": (b"text/plain", b"text/plain; charset=utf-8", b'text/plain; charset="utf-8"'),
    }
    for value in values.get(name.lower(), ()):
        yield f"{name} was lost: it was {value.decode()}", _field(name.encode("latin-1") + b":", value)


def _by_copies(tags: TagList, fields: Sequence[Field | None]) -> list[str]:
    """The names whose copy in `z=` says something else (§3.5)."""
    changed = []
    for copy in tags.get("z").split("|") if "z" in tags else ():
        name, _, encoded = copy.partition(":")
        decoded = re.sub(r"=([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), encoded.replace(" ", ""))
        now = [f for f in fields if f and f.name.lower() == name.strip().lower()]
        if now and all("".join(decoded.split()) != "".join(f.text.split()) for f in now):
            changed.append(f"{now[0].name} was {_printable(decoded.strip().encode('latin-1', 'replace'))}")
    return changed


def _value(field: Field) -> str:
    return _printable(field.text.encode("latin-1"))


def _printable(value: bytes) -> str:
    return f"“{printable(value.decode('utf-8', 'replace'), 60)}”"
