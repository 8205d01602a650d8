"""`changed` in the JSON of every command that can change something: true once, false when it is run again."""

import pytest

from dkimctl.output.documents import DOCUMENTS
from tests.conftest import DkimctlInside
from tests.rendering import write

ZONE = "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\n"
COMMANDS = (
    ("genkey", "example.com", "-s", "mail", "--if-missing", "--algorithm", "ed25519"),
    ("publish", "example.com", "--provider", "zonefile:/db.example.com", "--no-wait"),
    ("render-config", "--install", "--allow-unproven"),
    ("init",),
    ("hold", "example.com"),
    ("resume", "example.com"),
    ("init", "--uninstall"),
    ("uninstall",),
)

ONLY_LOOK = {
    *("record", "verify-dns", "status", "inspect", "ovh whoami", "why", "selftest", "sandbox", "demo"),
    *("fleet status", "fleet simulate"),
}
"""What these leave behind is at most a note of what was seen."""

SAID = {"changed", "publication"}


def test_every_command_that_changes_something_says_so() -> None:
    """`changed` is in every document of every command that can change something; a line of jsonl has its outcome."""
    silent = {name for name, documents in DOCUMENTS.items() if any(not kind.keys() & SAID for kind in documents)}
    assert silent == ONLY_LOOK


def test_changed_is_true_once(dkimctl_inside: DkimctlInside) -> None:
    """For Ansible and its like: the second run of the same command says that nothing changed."""
    write(dkimctl_inside.root, "/db.example.com", ZONE)
    said = {}
    for words in COMMANDS:
        said[" ".join(words[:2])] = [dkimctl_inside(*words, "--json").json["changed"] for _ in range(2)]
    assert said == {" ".join(words[:2]): [True, False] for words in COMMANDS}


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["plain", "check"])
def test_what_only_looks_changes_nothing(dkimctl_inside: DkimctlInside, options: tuple[str, ...]) -> None:
    """A difference is no change."""
    assert dkimctl_inside("genkey", "example.com", "--algorithm", "ed25519").code == 0
    assert dkimctl_inside("render-config", *options, "--json").json["changed"] is False


def test_a_key_deleted_is_a_change_and_an_idle_rotation_none(dkimctl_inside: DkimctlInside) -> None:
    """Looking changes nothing, whatever it finds."""
    assert dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    assert dkimctl_inside("rotate", "--json").json["changed"] is False
    assert dkimctl_inside("delete", "example.com", "mail", "--dry-run", "--json").json["changed"] is False
    assert dkimctl_inside("delete", "example.com", "mail", "--json").json["changed"] is True
