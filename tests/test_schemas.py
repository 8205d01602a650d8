"""The JSON Schema of every command's `--json`. What any test makes a command print is compared with it as well."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dkimctl.output.documents import DOCUMENTS
from dkimctl.output.schema import schema_text
from tests.conftest import DkimctlInside, needs
from tests.rendering import write
from tests.schemas import assert_valid
from tests.test_help import EVERY_COMMAND

ZONE = "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\n"
ZONEFILE = ("--provider", "zonefile:/db.example.com")


def test_every_command_has_one(dkimctl_inside: DkimctlInside) -> None:
    """`COMMAND --schema` prints it whatever else is typed, and asks for no argument."""
    assert set(DOCUMENTS) == set(EVERY_COMMAND)
    for command in DOCUMENTS:
        run = dkimctl_inside(*command.split(), "--json", "--schema")
        assert (run.code, run.err) == (0, ""), command
        Draft202012Validator.check_schema(run.json)
        assert run.out == schema_text(command)


def test_verify_dns_prints_it_as_a_format(dkimctl_inside: DkimctlInside) -> None:
    """--format schema is the same."""
    assert dkimctl_inside("verify-dns", "--format", "schema").out == schema_text("verify-dns")


def test_it_says_what_a_key_means() -> None:
    """Fields are described by their docstrings, and words of which one is printed are listed."""
    parts = json.loads(schema_text("setup"))["$defs"]["SetupStep"]["properties"]
    assert parts["hint"]["description"] == "The next command to type, or empty."
    assert parts["state"]["enum"] == ["done", "already", "to do", "warning", "failed"]


ERROR = r'{\s+"schema": 1,\s+"error": {'
STORY = (
    ("setup", "a_b.example"),
    ("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519"),
    ("genkey", "example.com", "-s", "mail", "--if-missing"),
    ("genkey", "example.com", "-s", "mail"),
    ("record", "example.com"),
    ("publish", "example.com", *ZONEFILE, "--dry-run"),
    ("publish", "example.com", *ZONEFILE, "--no-wait", "--format", "jsonl"),
    ("publish", "example.com", *ZONEFILE, "--no-wait"),
    ("render-config",),
    ("render-config", "--output", "staged"),
    ("render-config", "--install", "--allow-unproven"),
    ("adopt",),
    ("why", "a@example.com"),
    ("status",),
    ("status", "--format", "ledger"),
    ("doctor",),
    ("hold", "example.com"),
    ("resume", "example.com"),
    ("rotate", "--dry-run"),
    ("inspect",),
    ("inspect", "message.eml"),
    ("init",),
    ("ovh", "login", "--show-rules"),
    ("render-config", "--undo"),
    ("delete", "example.com", "mail", "--dry-run"),
    ("uninstall", "--dry-run"),
    ("uninstall",),
)


@needs("postconf")
def test_what_they_print_is_valid(dkimctl_inside: DkimctlInside, tmp_path: Path) -> None:
    """The life of a domain, of each command at least one document that is no error, setup's apart."""
    write(dkimctl_inside.root, "/db.example.com", ZONE)
    (tmp_path / "message.eml").write_text("From: a@example.com\n\nhello\n")
    errors: set[str] = set()
    for words in STORY:
        form = () if "--format" in words else ("--json",)
        run = dkimctl_inside(*words, *form, cwd=tmp_path)
        assert run.out.startswith("{"), (words, run)
        errors |= {words[0]} if re.match(ERROR, run.out) else set()
    assert errors == {"setup"}


@pytest.mark.parametrize("command", ["setup", "publish", "ovh whoami"])
def test_an_error_is_valid_everywhere(dkimctl_inside: DkimctlInside, command: str) -> None:
    """So is what is printed instead of a document."""
    run = dkimctl_inside(*command.split(), "--json", "--nonsense")
    assert_valid(run.out, command)
    assert re.match(ERROR, run.out)
