"""Earlier forms of a DKIM-Signature field that was itself changed in transit."""

import re
from collections.abc import Iterator

from dkimctl.dkim.mail import Field
from dkimctl.record.taglist import TagList

_OPTIONAL = ("l", "x", "t", "i", "q", "z", "c")
_MOST = 1 << 16  # octets of the longest field that is searched for a change


def own_forms(own: Field, tags: TagList, *, relaxed: bool) -> Iterator[tuple[str, bytes, bool]]:
    """Yield a description of each change, the field before it, and whether only white space was changed."""
    raw = own.raw
    if len(raw) > _MOST:
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
    words = "its folding or white space" + ("" if relaxed else "; c=relaxed would forgive most of that")
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
