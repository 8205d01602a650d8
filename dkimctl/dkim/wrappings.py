"""What surrounds a pasted text: the marks of a quoted mail, of Markdown and of HTML."""

import html
import quopri
import re

_QUOTED = re.compile(r"^(?:[>|][ \t]?)+", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)(?:\s[^<>]*)?/?>")
_ENCODED_TAG = re.compile(r"(?<!\w)[vkp]=3D")
_LONGEST = 76  # characters of a line in quoted-printable (RFC 2045 §6.7)
_INLINE = frozenset(("a", "b", "br", "code", "em", "font", "i", "span", "strong", "wbr"))


def unwrapped(text: str) -> tuple[str, str]:
    """Return the text without such marks, and what it looks like; that is empty where there are none."""
    rows = [row for row in text.splitlines() if row.strip()]
    if rows and all(row.startswith(">") for row in rows):
        return _QUOTED.sub("", text), "text quoted in a mail"
    if _is_quoted_printable(rows):
        return quopri.decodestring(text.encode("latin-1", "replace")).decode("latin-1"), "text encoded for a mail"
    if _is_table(rows):
        return "\n".join(cell for row in rows for cell in _cells(row)), "a table of Markdown"
    if _FENCE.search(text) or (len(text) > 2 and text[0] == text[-1] == "`"):
        return _FENCE.sub("", text).strip().strip("`"), "code in Markdown"
    if _TAG.search(text):
        return html.unescape(_TAG.sub(_between, text)).strip(), "a piece of a web page"
    return text, ""


def _is_quoted_printable(rows: list[str]) -> bool:
    """Return whether all lines but the last end with =, or the = after a tag's name is written as =3D."""
    is_cut = len(rows) > 1 and all(len(row) <= _LONGEST and row.endswith("=") for row in rows[:-1])
    return (is_cut and not re.search(r"\bp\s*=$", rows[-2])) or bool(rows and _ENCODED_TAG.search(rows[0]))


def _is_table(rows: list[str]) -> bool:
    return len(rows) > 1 and all(row.lstrip().startswith("|") and row.rstrip().endswith("|") for row in rows)


def _cells(row: str) -> list[str]:
    return [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def _between(tag: re.Match[str]) -> str:
    """Return what is where a tag was: cells and paragraphs begin a line, a break within a text is nothing."""
    return "" if tag[2].lower() in _INLINE else "\n"
