"""The text of a TXT record as services take it and as they give it back."""

from dkimctl.providers.lexicon.services import TextForm
from dkimctl.record.presentation import MOST_OCTETS, parse_quoted_strings, quoted_strings


def to_service(text: str, form: TextForm) -> str:
    """The text in the form that the service takes."""
    if form is TextForm.PLAIN:
        return text
    strings = quoted_strings(text)
    return strings if form is TextForm.QUOTED else strings[1:-1]


def from_service(content: str) -> str:
    """The text in what a service lists: strings in quotes, the same without the outermost quotes, or the plain text."""
    content = content.strip()
    text = parse_quoted_strings(content)
    if text is None and '"' in content:
        text = parse_quoted_strings(f'"{content}"')
    return _without_seams(content if text is None else text)


def _without_seams(text: str) -> str:
    """Where quotes were taken out, the blank between two strings of 255 octets is left: take it out as well."""
    step = MOST_OCTETS + 1
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    if len(pieces) > 1 and all(len(piece) == step and piece.endswith(" ") for piece in pieces[:-1]):
        return "".join(piece[:MOST_OCTETS] for piece in pieces)
    return text
