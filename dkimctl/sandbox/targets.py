"""Targets of text records: character-strings, quoting, and the API's own check of DKIM tags."""

import base64
import binascii
import re

STRING_LIMIT = 255
"""The longest character-string in octets (RFC 1035, section 3.3)."""

_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)
_QUOTED = re.compile(rb'\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)
_DKIM_TAGS = {
    "v": r"DKIM1",
    "g": r"[^;\"]*",
    "h": r"\*|sha1(:sha256)?|sha256(:sha1)?",
    "k": r"rsa|ed25519",
    "n": r"[^=;\"]+",
    "p": r"[A-Za-z0-9+/]*={0,2}",
    "s": r"\*|email",
    "t": r"y(:s)?|s(:y)?",
}


def character_strings(target: str) -> tuple[bytes, ...]:
    """Return the strings of a target: each `"…"` is one string, an unquoted text is split every 255 octets."""
    octets = target.encode()
    quoted = _split_quoted(octets)
    if quoted and all(len(string) <= STRING_LIMIT for string in quoted):
        return quoted
    return _cut(b"".join(quoted) if quoted else octets)


def joined(target: str) -> str:
    """Return the joined strings of a target."""
    return b"".join(character_strings(target)).decode(errors="replace")


def quote(target: str) -> str:
    """Return the target in today's form of a TXT: strings of 255 octets in quotes, joined by a space."""
    return " ".join(_in_quotes(string) for string in _cut(b"".join(character_strings(target))))


def quote_whole(target: str) -> str:
    """Return the target as one quoted string of any length."""
    return _in_quotes(b"".join(character_strings(target)))


def truncate(target: str) -> str:
    """Return the first 255 octets, as a form field with a limit does."""
    return target.encode()[:STRING_LIMIT].decode(errors="ignore")


def bad_dkim_subfield(target: str, *, ed25519: bool) -> str | None:
    """Return the first tag that the API would refuse in a DKIM, or None when all are valid.

    Tags and values are those of OVH's own form; a quote is never part of one.
    """
    subfields = [part.strip() for part in target.split(";")]
    if subfields[-1] == "":
        del subfields[-1]
    for subfield in subfields:
        if not _good_subfield(subfield, ed25519):
            return subfield
    return None if any(subfield.startswith("p") for subfield in subfields) else "p"


def is_key_record(target: str) -> bool:
    """Return whether a TXT is so clearly a key record that the service may store it as a DKIM."""
    text = joined(target)
    return text.replace(" ", "").startswith("v=DKIM1") and bad_dkim_subfield(text, ed25519=True) is None


def _good_subfield(subfield: str, ed25519: bool) -> bool:
    tag, equals, value = (part.strip() for part in subfield.partition("="))
    if not equals or tag not in _DKIM_TAGS or not re.fullmatch(_DKIM_TAGS[tag], value):
        return False
    if tag == "k" and value == "ed25519":
        return ed25519
    return tag != "p" or _is_base64(value)


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def _split_quoted(octets: bytes) -> tuple[bytes, ...]:
    strings = []
    position = 0
    while match := _QUOTED.match(octets, position):
        strings.append(_ESCAPE.sub(_unescape, match[1]))
        position = match.end()
    return tuple(strings) if not octets[position:].strip() else ()


def _unescape(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    return bytes([int(escaped) & 0xFF]) if len(escaped) == 3 else escaped


def _cut(octets: bytes) -> tuple[bytes, ...]:
    starts = range(0, max(len(octets), 1), STRING_LIMIT)
    return tuple(octets[start : start + STRING_LIMIT] for start in starts)


def _in_quotes(string: bytes) -> str:
    return '"' + "".join(_printable(octet) for octet in string) + '"'


def _printable(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 32 <= octet < 127 else f"\\{octet:03d}"
