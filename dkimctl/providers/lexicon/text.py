"""The text of a TXT record as services take it and as they give it back."""

import re

from dkimctl.providers.lexicon.services import TextForm
from dkimctl.record.text import MOST_OCTETS, character_strings, quoted

_BETWEEN = re.compile(r'"\s+"')
_ESCAPE = re.compile(r"\\(\d{3}|.)", re.DOTALL)


def to_service(text: str, form: TextForm) -> str:
    """The text in the form that the service takes."""
    if form is TextForm.PLAIN:
        return text
    strings = " ".join(quoted(part) for part in character_strings(text))
    return strings if form is TextForm.QUOTED else strings[1:-1]


def from_service(content: str) -> str:
    """One text, from whatever is left of quotes, escapes and cuts in what a service lists."""
    content = content.strip()
    if '"' in content:
        content = _BETWEEN.sub("", content).removeprefix('"').removesuffix('"')
        content = _ESCAPE.sub(lambda m: chr(int(m[1]) & 0xFF) if len(m[1]) == 3 else m[1], content)
    return _without_seams(content)


def _without_seams(text: str) -> str:
    """Where quotes were taken out, the blank between two strings of 255 octets is left: take it out as well."""
    step = MOST_OCTETS + 1
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    if len(pieces) > 1 and all(len(piece) == step and piece.endswith(" ") for piece in pieces[:-1]):
        return "".join(piece[:MOST_OCTETS] for piece in pieces)
    return text
