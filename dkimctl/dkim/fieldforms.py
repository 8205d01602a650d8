"""Earlier forms of a header field: the known changes by mail systems, undone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header, make_header

from dkimctl.dkim.canonical import canonical_field
from dkimctl.dkim.effort import Effort
from dkimctl.dkim.mail import Field
from dkimctl.names import printable
from dkimctl.record.taglist import TagList

_MOST = 1 << 15  # octets of the longest field that is searched for a change
_BLANKS = 20  # places at which a field may have been folded
_MOST_WORDS = 200  # encoded words: the library's decoder is quadratic in them
_ENCODINGS = (b"7bit", b"8bit", b"quoted-printable", b"base64", b"binary")
# (?<!\s): a long run of blanks is scanned once, not again from each of them
_COMMENT = re.compile(rb"(?<!\s)\s*\([^()]*\)")
_IN_FULL = re.compile(rb"(.*?)(?<!\s)\s*<([^<>]+)>", re.DOTALL)
_TAG = re.compile(rb"(?:re|fwd?|aw|wg|sv|vs|tr|rv):\s*|\[[^\]]*\]\s*|\*+[^*]+\*+\s*", re.IGNORECASE)
_LIST_TAG = re.compile(rb"\[[^\]]*\]\s*")

Form = tuple[str, bytes, bool]
"""A description of the change, the field before it, and whether only white space was changed."""
_OPTIONAL = ("l", "x", "t", "i", "q", "z", "c")
_MOST_OWN = 1 << 16  # octets of the longest field that is searched for a change


@dataclass(slots=True)
class FieldForms:
    """The forms of each field, computed once for all signatures of a message."""

    _known: dict[tuple[int, bool], list[Form]] = field(default_factory=dict)

    def of(self, one: Field, *, relaxed: bool, effort: Effort) -> list[Form]:
        """Return the forms that the field may have had, except those with the current hash; none for a long field."""
        key = (one.line, relaxed)
        if key not in self._known:
            self._known[key] = []
            if len(one.raw) <= _MOST and effort.take(16 * len(one.raw)):
                self._known[key] = [*_different(one, relaxed)]
            else:
                effort.is_exhausted = True
        return self._known[key]


def _different(one: Field, relaxed: bool) -> Iterator[Form]:
    if not relaxed:
        yield from ((words, raw, True) for words, raw in _foldings(one) if raw != one.raw)
    for words, raw in _older_forms(one):
        # with c=simple, a difference in white space only was reported as such before
        if _compared(raw, relaxed) != _compared(one.raw, relaxed):
            yield words, raw, False


def _compared(raw: bytes, relaxed: bool) -> bytes:
    return canonical_field(raw, relaxed=True) if relaxed else b"".join(raw.split())


def _older_forms(one: Field) -> Iterator[tuple[str, bytes]]:
    name, text = one.raw.partition(b":")[0] + b":", b" ".join(one.value.split())
    tag = _TAG.match(text)
    if tag:
        words = f"“{printable(tag[0].decode('latin-1').strip())}” was put in front"
        yield words, _field(name, text[tag.end() :])
    inner = _LIST_TAG.search(text)
    if inner and inner.start():
        words = f"“{printable(inner[0].decode('latin-1').strip())}” was put in"
        yield words, _field(name, text[: inner.start()] + text[inner.end() :])
    if one.name.lower() == "content-transfer-encoding":
        for encoding in _ENCODINGS:
            yield f"it was {encoding.decode()}, the body was re-encoded", _field(name, encoding)
    for old in _addresses(text):
        yield f"an address was rewritten; it was {_printable(old)}", _field(name, old)
    for old in _encodings(one):
        yield "it was encoded otherwise", _field(name, old)
    yield "quotes were added", _field(name, text.replace(b'"', b""))
    yield "capitals were put in", _field(name, text.lower())
    yield "a comment was added", _field(name, _COMMENT.sub(b"", text))
    yield "blanks after commas were left out", _field(name, re.sub(rb",[ \t]*", b", ", text))
    yield "blanks after commas were added", _field(name, re.sub(rb",[ \t]*", b",", text))
    yield "a semicolon was added at its end", _field(name, text.rstrip(b";"))


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
        yield b"<" + in_full[2] + b">"
        yield b'"' + in_full[1].strip(b'"') + b'" <' + in_full[2] + b">"
        yield in_full[1].strip(b'"') + b" <" + in_full[2] + b">"


def _encodings(one: Field) -> Iterator[bytes]:
    if one.raw.count(b"=?") > _MOST_WORDS:
        return
    try:
        yield str(make_header(decode_header(one.text))).encode("utf-8", "surrogateescape")
    except (ValueError, LookupError):
        return


def _foldings(one: Field) -> Iterator[tuple[str, bytes]]:
    words = "its white space or folding; c=relaxed tolerates that"
    raw, name, value = one.raw, one.raw.partition(b":")[0] + b":", one.value.removesuffix(b"\r\n")
    yield words, re.sub(rb"\r\n[ \t]+", b" ", raw.removesuffix(b"\r\n")) + b"\r\n"
    yield words, re.sub(rb"\r\n(?=[ \t])", b"", raw.removesuffix(b"\r\n")) + b"\r\n"
    yield words, raw.replace(b"\r\n\t", b"\r\n ")
    yield words, raw.replace(b"\r\n ", b"\r\n\t")
    yield words, re.sub(rb"\r\n[ \t]+", b"\r\n\t", raw.removesuffix(b"\r\n")) + b"\r\n"
    yield words, re.sub(rb"\r\n[ \t]+", b"\r\n ", raw.removesuffix(b"\r\n")) + b"\r\n"
    yield words, name + b" " + value.lstrip() + b"\r\n"
    yield words, name + b"  " + value.lstrip() + b"\r\n"
    yield words, name + value.lstrip() + b"\r\n"
    yield words, name + value.rstrip() + b"\r\n"
    yield words, name + value + b" \r\n"
    yield words, re.sub(rb"[ \t]+", b" ", raw)
    yield words, name + b" " + b" ".join(value.split()) + b"\r\n"
    yield words, re.sub(rb",[ \t]*", b", ", raw)
    yield words, re.sub(rb",[ \t]*", b",", raw)
    for blank in [*re.finditer(rb"(?<=\S) (?=\S)", value)][:_BLANKS]:
        for fold in (b"\r\n ", b"\r\n\t"):
            yield words, name + value[: blank.start()] + fold + value[blank.end() :] + b"\r\n"
    yield words, re.sub(rb",[ \t]*", b",\r\n\t", raw)
    yield words, re.sub(rb",[ \t]*", b",\r\n ", raw)
    yield "capitals in its name; c=relaxed tolerates that", name.lower() + value + b"\r\n"
    usual = b"-".join(part.capitalize() for part in name[:-1].split(b"-"))
    yield "capitals in its name; c=relaxed tolerates that", usual + b":" + value + b"\r\n"


def _printable(value: bytes) -> str:
    return f"“{printable(value.decode('utf-8', 'replace'), 60)}”"


def own_forms(own: Field, tags: TagList, *, relaxed: bool) -> Iterator[tuple[str, bytes, bool]]:
    """Yield a description of each change, the field before it, and whether only white space was changed."""
    raw = own.raw
    if len(raw) > _MOST_OWN:
        return
    yield from _white_space(raw, relaxed=relaxed)
    for name in _OPTIONAL:
        if name in tags:
            yield f"{name}= was added", _without(raw, name), False
    domain = tags.get("d").encode("latin-1", "replace")
    if domain != domain.lower():
        yield "d= was put in capitals", raw.replace(domain, domain.lower()), False
    yield from _other_canonicalizations(raw, tags)


def _white_space(raw: bytes, *, relaxed: bool) -> Iterator[tuple[str, bytes, bool]]:
    words = "its folding or white space" + ("" if relaxed else "; c=relaxed tolerates most of that")
    one_line = re.sub(rb"\r\n[ \t]+", b" ", raw.removesuffix(b"\r\n")) + b"\r\n"
    yield words, one_line, True
    yield words, re.sub(rb"\r\n[ \t]+", b"", raw.removesuffix(b"\r\n")) + b"\r\n", True
    yield words, re.sub(rb";[ \t\r\n]*(?=[a-z])", b"; ", one_line), True
    yield words, re.sub(rb";[ \t\r\n]*(?=[a-z])", b";", one_line), True
    yield words, re.sub(rb"[ \t]*([:|])[ \t]*", rb"\1", one_line).replace(b"DKIM-Signature:", b"DKIM-Signature: "), True
    if not relaxed:
        yield words, raw.replace(b"\r\n\t", b"\r\n "), True
        yield words, raw.replace(b"\r\n ", b"\r\n\t"), True
        yield words, re.sub(rb"\r\n[ \t]+", b"\r\n\t", raw), True
        yield words, re.sub(rb"\r\n[ \t]+", b"\r\n ", raw), True
        yield words, re.sub(rb":[ \t]*", b":", raw, count=1), True
        yield words, re.sub(rb":[ \t]*", b": ", raw, count=1), True
        yield words, re.sub(rb"^[^:]*", b"DKIM-Signature", raw), True
    last = raw.removesuffix(b"\r\n").rstrip()
    yield "a semicolon was added at its end", last.removesuffix(b";") + b"\r\n", False
    yield "the semicolon at its end was lost", last + b";\r\n", False


def _without(raw: bytes, name: str) -> bytes:
    return re.sub(rb"(^[^:]*:|;)[ \t\r\n]*%s[ \t\r\n]*=[^;]*(;|$)" % name.encode(), rb"\1", raw, count=1)


def _other_canonicalizations(raw: bytes, tags: TagList) -> Iterator[tuple[str, bytes, bool]]:
    written = tags.get("c").encode("latin-1", "replace")
    for value in (b"relaxed/relaxed", b"relaxed/simple", b"simple/simple", b"simple/relaxed", b"relaxed", b"simple"):
        if written and value != written.lower():
            yield f"c= was {value.decode()}", raw.replace(b"c=" + written, b"c=" + value, 1), False
