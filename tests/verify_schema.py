"""The JSON Schema of verify-dns as the tests use it: stricter than it ships, so that no key is left undocumented."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from dkimctl.output.machine import line
from dkimctl.output.verification_machine import schema_text
from dkimctl.verify.report import Report


def closed(schema: Any) -> Any:
    """The same schema, but an object may have no other keys than those that are described."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if "required" in made else made


@cache
def validator() -> Draft202012Validator:
    """Of any document that verify-dns prints."""
    schema = json.loads(schema_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(closed(schema))


def assert_valid(document: str) -> None:
    """Fail, with every difference, unless this JSON text is one of the documents."""
    errors = [error.message[:300] for error in validator().iter_errors(json.loads(document))]
    assert errors == [], document[:1000]


def assert_valid_report(report: Report) -> None:
    """The same for a report, as a line of jsonl; and whatever is not in order comes with what to do about it."""
    assert_valid(line("report", report))
    assert all(f.fix for f in report.findings if f.severity not in ("ok", "info")), report.findings
    assert report.findings[0].severity == "error" or report.verdict != "wrong", report.findings
