"""Results for programs: any of our frozen values as JSON."""

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

SCHEMA = 1


def document(kind: str, value: object, **more: object) -> str:
    """One JSON document, `{"schema": 1, "<kind>": …}`, with a final line feed."""
    return json.dumps({"schema": SCHEMA, kind: plain(value), **more}, indent=2, ensure_ascii=False) + "\n"


def line(kind: str, value: object) -> str:
    """The same on one line, for results that stream."""
    return json.dumps({"schema": SCHEMA, kind: plain(value)}, ensure_ascii=False) + "\n"


def element(value: object) -> str:
    """One element of a long list, on one line."""
    return json.dumps(plain(value), ensure_ascii=False) + "\n"


def plain(value: object) -> object:
    """A value of dataclasses, enums, paths and mappings as what JSON knows. Fields without repr are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
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
