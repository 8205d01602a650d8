"""The JSON Schemas of the commands as the tests use them: stricter than printed, so that no key is undocumented."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

from jsonschema import Draft202012Validator

from dkimctl.output.documents import DOCUMENTS
from dkimctl.output.machine import line
from dkimctl.output.schema import schema_text
from dkimctl.verify.report import Report

_MOST = 100_000  # characters of a document: a longer one has nothing that a shorter one lacks


def closed(schema: Any) -> Any:
    """The same schema, but an object may have no other keys than those that are described."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if "required" in made else made


_ONE_AT_A_TIME = Lock()
"""Python 3.11's parser, which reads the docstrings of a schema, fails when two threads use it at a time."""


@cache
def validator(command: str) -> Draft202012Validator:
    """Of any document that the command prints."""
    schema = json.loads(schema_text(command))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(closed(schema))


def assert_valid(document: str, command: str = "verify-dns") -> None:
    """Fail, with every difference, unless this JSON text is one of the command's documents."""
    read = json.loads(document)
    with _ONE_AT_A_TIME:
        wanted = validator(command)
    if wanted.is_valid(read):
        return
    kinds = closed(json.loads(schema_text(command)))
    shapes = [kind for kind in kinds["anyOf"] if set(kind["required"]) == set(read)]
    errors = [
        f"{error.json_path}: {error.message[:300]}"
        for kind in shapes
        for error in Draft202012Validator({**kinds, "anyOf": [kind]}).iter_errors(read)
    ]
    raise AssertionError(f"{command}: {errors or sorted(read)} in {document[:1000]}")


def assert_documents_valid(arguments: Sequence[str | Path], out: str) -> None:
    """The same for all that a command line printed, where that is JSON."""
    words = [str(word) for word in arguments]
    command = next((known for known in (" ".join(words[:2]), *words[:1]) if known in DOCUMENTS), "")
    if command and len(out) < _MOST:
        for document in _documents(words, out):
            assert_valid(document, command)


def _documents(words: list[str], out: str) -> Iterable[str]:
    forms = {after for word, after in pairwise(words) if word == "--format"}
    if "jsonl" in forms:
        return [text for text in out.splitlines() if text.startswith("{")]
    is_json = "--json" in words or "json" in forms
    return [out] if is_json and out.startswith("{") and '"$schema"' not in out[:20] else []


def assert_valid_report(report: Report) -> None:
    """The same for a report, as a line of jsonl; and whatever is not in order comes with what to do about it."""
    assert_valid(line("report", report))
    assert all(f.fix for f in report.findings if f.severity not in ("ok", "info")), report.findings
    assert report.findings[0].severity == "error" or report.verdict != "wrong", report.findings
