"""The JSON Schema (draft 2020-12) of what `--json` prints, read from the types of the results.

`machine.plain` is the other half: it converts a value as this module describes its type. Descriptions are the
docstrings of the fields.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dkimctl.output.machine import SCHEMA, dumped

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
Schema = dict[str, Any]


def schema_text(command: str) -> str:
    """Return the schema of a command, such as `ovh login`, as a JSON document."""
    from dkimctl.output.documents import DOCUMENTS, ERROR

    described = _Described()
    kinds = [described.object({"schema": SCHEMA, **members}) for members in (*DOCUMENTS[command], {"error": ERROR})]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"dkimctl {command} --json",
        "description": "One document; with --format jsonl each line is one.",
        "anyOf": kinds,
        "$defs": described.parts,
    }
    return dumped(schema, indent=2)


class _Described:
    """Schemas of types; those of dataclasses are `parts`, by name."""

    def __init__(self) -> None:
        self.parts: dict[str, Schema] = {}
        self._kinds: dict[str, type] = {}

    def object(self, members: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> Schema:
        """Return the schema of an object with these members, all required."""
        described = {name: self.of(kind) for name, kind in members.items()}
        for name, text in (texts or {}).items():
            if name in described:
                described[name] = {**described[name], "description": text}
        return {"type": "object", "required": list(described), "properties": described}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; of a mapping of names to types that of an object; of a constant itself."""
        if isinstance(kind, Mapping):
            return self.object(kind)
        if isinstance(kind, int):
            return {"const": kind}
        if kind in _SIMPLE:
            return {"type": _SIMPLE[kind]}
        origin, inner = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(one) for one in inner]}
        if origin is tuple and inner[-1] is not Ellipsis:
            return {"type": "array", "prefixItems": [self.of(one) for one in inner], "items": False}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        if origin is not None and issubclass(origin, Collection | Iterable):
            return {"type": "array", "items": self.of(inner[0])}
        return self._of_class(kind)

    def _of_class(self, kind: type) -> Schema:
        if issubclass(kind, Enum):
            return {"enum": [member.value for member in kind]}
        if issubclass(kind, Path | bytes):
            return {"type": "string"}
        if issubclass(kind, tuple):  # a NamedTuple is printed as the tuple that it is
            return self.of(tuple[tuple(get_type_hints(kind).values())])  # type: ignore[misc]
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"{name} names two types")
        if name not in self.parts:
            self.parts[name] = {}  # a type may hold itself
            hints = get_type_hints(kind)
            members = {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.repr}  # type: ignore[arg-type]
            self.parts[name] = {"description": _first(kind.__doc__ or ""), **self.object(members, _texts(kind))}
        return {"$ref": f"#/$defs/{name}"}


def _texts(kind: type) -> dict[str, str]:
    """Return the docstring below each field of a class; none where the sources are not there."""
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except OSError:
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match text:
                case ast.Expr(ast.Constant(str(said))):
                    found[field.target.id] = _first(said)
    return found


def _first(text: str) -> str:
    """Return the first paragraph, on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())
