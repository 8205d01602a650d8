"""Convert the text of a TXT record to and from the forms that services use."""

from dkimctl.providers.lexicon.services import TextForm
from dkimctl.record.presentation import MOST_OCTETS, parse_quoted_strings, quoted_strings


def to_service(text: str, form: TextForm) -> str:
    """Return the text in the form that the service expects."""
    if form is TextForm.PLAIN:
        return text
    strings = quoted_strings(text)
    return strings if form is TextForm.QUOTED else strings[1:-1]


def from_service(content: str) -> str:
    """Return the text of a listed record: strings with quotes, without the outermost quotes, or plain text."""
    content = content.strip()
    text = parse_quoted_strings(content)
    if text is None and '"' in content:
        text = parse_quoted_strings(f'"{content}"')
    return _without_seams(content if text is None else text)


def _without_seams(text: str) -> str:
    """Remove the blank between two strings of 255 octets that remains where a service removed the quotes."""
    step = MOST_OCTETS + 1
    pieces = [text[i : i + step] for i in range(0, len(text), step)]
    if len(pieces) > 1 and all(len(piece) == step and piece.endswith(" ") for piece in pieces[:-1]):
        return "".join(piece[:MOST_OCTETS] for piece in pieces)
    return text
