"""Results for programs: any of our frozen values as JSON."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from dkimctl.output.escapes import OF_RESULTS
from dkimctl.secrets import masked

SCHEMA = 1
_TOGETHER = 5000  # keys and values of a document
_AS_THEY_ARE = frozenset((str, int, float, bool, type(None)))


def document(kind: str, value: object, **more: object) -> str:
    """Return one JSON document, `{"schema": 1, "<kind>": …}`, with a final line feed."""
    return "".join(document_parts(kind, value, **more))


def document_parts(kind: str, value: object, **more: object) -> Iterator[str]:
    """Yield the same in parts: in one of a million keys they take memory one after the other."""
    found = {"schema": SCHEMA, kind: plain(value), **{key: plain(one) for key, one in more.items()}}
    pieces = json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(found)  # each value in one piece
    while some := "".join(islice(pieces, _TOGETHER)):
        yield _shown(some)
    yield "\n"


def line(kind: str, value: object) -> str:
    """Return the document on one line, for results that stream."""
    return dumped({"schema": SCHEMA, kind: plain(value)})


def element(value: object) -> str:
    """Return one element of a long list, on one line."""
    return dumped(plain(value))


def dumped(value: object, indent: int | None = None) -> str:
    """Return a JSON document without secrets, that no terminal takes for anything else."""
    return _shown(json.dumps(value, indent=indent, ensure_ascii=False)) + "\n"


def _shown(text: str) -> str:
    text = masked(text)
    return text if text.isascii() and "\x7f" not in text else text.translate(OF_RESULTS)


def plain(value: object) -> object:
    """Convert dataclasses, enums, paths and mappings to JSON's types. Fields without repr are omitted."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    names = _shown_fields(kind)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _Later(value)
    return value


class _Later(list[object]):
    """A list whose elements are converted when they are written, since all of them would take much memory."""

    def __init__(self, values: Sequence[object]) -> None:
        super().__init__()
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[object]:
        return map(plain, self._values)


@cache
def _shown_fields(kind: type) -> tuple[str, ...] | None:
    """Return the names of a dataclass's fields with repr; None for anything else. Cached: a list has many reports."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(field.name for field in dataclasses.fields(kind) if field.repr)
