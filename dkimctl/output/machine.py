"""Results for programs: any of our frozen values as JSON."""

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from dkimctl.output.escapes import OF_RESULTS
from dkimctl.secrets import masked

SCHEMA = 1
_AS_THEY_ARE = frozenset((str, int, float, bool, type(None)))


def document(kind: str, value: object, **more: object) -> str:
    """Return one JSON document, `{"schema": 1, "<kind>": …}`, with a final line feed."""
    return _dumped({"schema": SCHEMA, kind: plain(value), **more}, indent=2)


def line(kind: str, value: object) -> str:
    """Return the document on one line, for results that stream."""
    return _dumped({"schema": SCHEMA, kind: plain(value)})


def element(value: object) -> str:
    """Return one element of a long list, on one line."""
    return _dumped(plain(value))


def _dumped(value: object, indent: int | None = None) -> str:
    text = masked(json.dumps(value, indent=indent, ensure_ascii=False)) + "\n"
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
    return value


@cache
def _shown_fields(kind: type) -> tuple[str, ...] | None:
    """Return the names of a dataclass's fields with repr; None for anything else. Cached: a list has many reports."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(field.name for field in dataclasses.fields(kind) if field.repr)
