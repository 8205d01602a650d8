"""Split a zone file into entries and tokens with their positions, so that an edit can keep all other text.

RFC 1035 §5.1: an entry ends with its line, unless parentheses are open; `;` begins a comment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dkimctl.errors import Refused
from dkimctl.record.presentation import unescaped

_BLANKS = " \t\r\n"  # nothing else separates: a no-break space belongs to the word, as for BIND
_BARE = re.compile(r'(?:[^ \t\r\n;()"\\]|\\.)+')
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


class SyntaxProblem(Refused):
    """Raised for a zone file that cannot be parsed; it is not changed."""

    def __init__(self, path: str, text: str, position: int, why: str, *, hint: str = "") -> None:
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        super().__init__(
            f"{path} line {line}, column {column}: {why}",
            hint=hint or "nothing was changed; correct the file and check it with named-checkzone or kzonecheck",
        )


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a quoted string; `value`: without quotes and escapes, a character for each octet (latin-1)."""

    value: str
    start: int
    end: int
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: a directive or a record. Positions are offsets into the text."""

    start: int
    """The start of its first line."""
    end: int
    """The end of its last line, after the line feed."""
    body_end: int
    """The end of its last token or parenthesis: a comment may follow."""
    tokens: tuple[Token, ...]

    @property
    def has_owner(self) -> bool:
        """Return whether it names its owner; a line that begins with a blank has the owner of the previous entry."""
        return self.tokens[0].start == self.start


def entries(text: str, path: str) -> Iterator[Entry]:
    """Return the entries of a zone file, without blank lines and comments. Raises SyntaxProblem."""
    position = 0
    while position < len(text):
        entry, position = _entry(text, position, path)
        if entry.tokens:
            yield entry


def _entry(text: str, start: int, path: str) -> tuple[Entry, int]:
    tokens: list[Token] = []
    opened: list[int] = []
    position = body_end = start
    while position < len(text):
        char = text[position]
        if char == "\n" and not opened:
            position += 1
            break
        if char in _BLANKS:
            position += 1
            continue
        if char == ";":
            position = _line_end(text, position)
            continue
        if char in "()":
            _parenthesis(char, position, opened, text, path)
            position += 1
        else:
            tokens.append(_token(text, position, path))
            position = tokens[-1].end
        body_end = position
    if opened:
        raise SyntaxProblem(path, text, opened[-1], "this parenthesis is never closed")
    return Entry(start, position, body_end, tuple(tokens)), position


def _parenthesis(char: str, position: int, opened: list[int], text: str, path: str) -> None:
    if char == "(":
        opened.append(position)
    elif opened:
        opened.pop()
    else:
        raise SyntaxProblem(path, text, position, "this parenthesis was never opened")


def _token(text: str, position: int, path: str) -> Token:
    if text[position] == '"':
        match = _QUOTED.match(text, position)
        if match is None:
            raise SyntaxProblem(path, text, position, "this quote is not closed on its line")
        return Token(_value(match[1]), position, match.end(), is_quoted=True)
    match = _BARE.match(text, position)
    if match is None:
        raise SyntaxProblem(path, text, position, "a backslash at the end")
    return Token(_value(match[0]), position, match.end())


def _value(word: str) -> str:
    return unescaped(word.encode("utf-8", "surrogateescape").decode("latin-1"))


def _line_end(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found
