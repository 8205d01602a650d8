"""Names and character-strings as bytes (RFC 1035 §3.1, §3.3, §4.1.4).

A name as text is lower-case and without final dot; an octet that could be taken for something else is `\\DDD` (§5.1).
"""

import re
from functools import lru_cache


class MalformedMessage(Exception):
    """The bytes are no DNS message."""


@lru_cache(maxsize=4096)
def write_labels(name: str) -> bytes:
    """The labels of a name, without the root; remembered, since most names of a list differ in their first label only.

    Raises MalformedMessage.
    """
    return b"".join(map(write_label, name.split(".")))


def write_label(label: str) -> bytes:
    """Return a label with its length in front. Raises MalformedMessage when DNS cannot hold it."""
    try:
        octets = _unescaped(label) if "\\" in label else label.encode("latin-1")
    except UnicodeEncodeError as error:
        raise MalformedMessage(f"a label with characters beyond ASCII: {label}") from error
    if not 0 < len(octets) < 64:
        raise MalformedMessage(f"a label of {len(octets)} octets" if octets else "an empty label")
    return bytes((len(octets),)) + octets


def _unescaped(label: str) -> bytes:
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1])), label).encode("latin-1")


def read_name(data: bytes, offset: int) -> tuple[str, int]:
    """Return the name at an offset, and the offset after it. Raises MalformedMessage or IndexError."""
    labels: list[str] = []
    after = 0
    size = 0
    while length := data[offset]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[offset + 1]
            after = after or offset + 2
            if target >= offset:
                raise MalformedMessage("a compression pointer that does not lead backwards")
            offset = target
            continue
        if length > 63:
            raise MalformedMessage("an unknown kind of label")
        size += length + 1
        if size > 254:
            raise MalformedMessage("a name longer than 255 octets")
        labels.append(_label(data[offset + 1 : offset + 1 + length], length))
        offset += 1 + length
    return ".".join(labels), after or offset + 1


def _label(raw: bytes, length: int) -> str:
    if len(raw) != length:
        raise MalformedMessage("a label longer than the message")
    return label_text(raw)


def label_text(raw: bytes) -> str:
    """Return a label as text: lower-case, with `\\DDD` for every octet that could be mistaken."""
    text = raw.decode("latin-1").lower()
    if text.isascii() and text.isprintable() and "." not in text and "\\" not in text and " " not in text:
        return text
    return "".join(chr(b) if 0x20 < b < 0x7F and b not in b".\\" else f"\\{b:03d}" for b in raw).lower()


def read_strings(data: bytes, offset: int, end: int) -> tuple[bytes, ...]:
    """The character-strings between two offsets. Raises MalformedMessage or IndexError."""
    strings = []
    while offset < end:
        following = offset + 1 + data[offset]
        if following > end:
            raise MalformedMessage("a character-string longer than its record")
        strings.append(data[offset + 1 : following])
        offset = following
    return tuple(strings)
