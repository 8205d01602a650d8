"""TXT data in presentation format (RFC 1035 §5.1): character-strings in quotes, with `\\"`, `\\\\` and `\\DDD`.

A text has one character for each octet, as latin-1 has them. Characters above 255, which no octet is, are kept.
"""

import re

MOST_OCTETS = 255  # of one character-string: RFC 1035 §3.3
_ESCAPE = re.compile(r"\\(25[0-5]|2[0-4][0-9]|[01][0-9]{2}|.)", re.DOTALL)
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f-\xff]')
_STRING = r'"((?:[^"\\]|\\(?:.|\Z))*+)'
_STRINGS_ONLY = re.compile(rf'\s*(?:{_STRING}"\s*)++', re.DOTALL)
_STRING_OR_COMMENT = re.compile(rf';[^\n]*|{_STRING}("|\Z)', re.DOTALL)


def character_strings(text: str) -> list[str]:
    """`text` cut into strings of at most 255 octets; verifiers join them without spaces (RFC 6376 §3.6.2.2)."""
    return [text[i : i + MOST_OCTETS] for i in range(0, len(text), MOST_OCTETS)] or [""]


def quoted(text: str) -> str:
    """Return one character-string in quotes; what is not printable ASCII as `\\DDD`."""
    return f'"{_SPECIAL.sub(_escaped, text)}"'


def quoted_strings(text: str) -> str:
    """`text` as TXT data: `"…" "…"`, cut every 255 octets."""
    return " ".join(quoted(part) for part in character_strings(text))


def unescaped(text: str) -> str:
    """`\\DDD` as the octet of that decimal number, `\\X` as the character X.

    A number above 255 is not an octet (BIND refuses the file): its backslash goes and its digits stay.
    """
    return _ESCAPE.sub(lambda m: chr(int(m[1])) if len(m[1]) == 3 else m[1], text)


def parse_quoted_strings(text: str) -> str | None:
    """Return the joined strings of TXT data, without escapes; None when it is anything but strings in quotes."""
    return strings_in(text) if _STRINGS_ONLY.fullmatch(text) else None


def strings_in(text: str) -> str:
    """Return the joined strings in quotes of a zone file's entry, without escapes; words and comments are ignored."""
    return "".join(unescaped(match[1]) for match in _STRING_OR_COMMENT.finditer(text) if match[2])


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}" if match[0] in '"\\' else f"\\{ord(match[0]):03d}"
