"""What a host of a fleet refuses: a relay to change its copy of the keys, a control host to work without its own."""

import pytest

from dkimctl.fleet.identity import IDENTITY, make_identity
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server

CHANGING = (
    ("genkey", "b.example"),
    ("publish", "a.example", "--provider", "zonefile:/zone"),
    ("hold", "a.example"),
    ("resume", "a.example"),
    ("revoke", "a.example", "--leaked", "key"),
    ("delete", "a.example"),
    ("setup", "a.example", "--provider", "zonefile:/zone"),
)


def key_files(dkimctl: DkimctlInside) -> dict[str, bytes]:
    """Return every file of the host's key directory."""
    keys = dkimctl.root / "etc/opendkim/keys"
    return {str(path): path.read_bytes() for path in keys.rglob("*") if path.is_file()}


def test_a_relay_changes_no_key_by_itself(dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str) -> None:
    """Its next sync would undo it; what reads works from the local copy, and its timer finds nothing to do."""
    assert dkimctl_inside("genkey", "a.example", "-s", "s", "--algorithm", "ed25519").code == 0
    make_identity(dkimctl_inside.root / IDENTITY.lstrip("/"))
    configure(dkimctl_inside.scratch, postgres, empty_database)
    before = key_files(dkimctl_inside)
    for words in CHANGING:
        refused = dkimctl_inside(*words)
        assert refused.code == 1 and "relay of a fleet" in refused.err and "fleet sync" in refused.err, words
    assert key_files(dkimctl_inside) == before
    assert "s._domainkey.a.example" in dkimctl_inside("record").out
    assert dkimctl_inside("status").code == 0
    idle = dkimctl_inside("rotate")
    assert (idle.code, idle.out) == (0, "") and "relay of a fleet" in idle.err
    assert dkimctl_inside("rotate", "--json").json["changed"] is False
    assert key_files(dkimctl_inside) == before


@pytest.mark.parametrize("words", CHANGING, ids=lambda words: words[0])
def test_a_control_host_without_its_identity_changes_nothing(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str, words: tuple[str, ...]
) -> None:
    """The fleet's keys cannot be read then; those of the machine are others, and are no replacement."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    refused = dkimctl_inside(*words)
    assert refused.code in (1, 2) and "hint:" in refused.err
    assert key_files(dkimctl_inside) == {}


def test_a_preview_on_a_control_host_is_of_the_fleets_keys(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str
) -> None:
    """`rotate --dry-run` reads what `rotate` would work on."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    assert dkimctl_inside("rotate", "--dry-run").code == 2  # no domain yet
    assert dkimctl_inside("genkey", "a.example", "-s", "s", "--algorithm", "ed25519").code == 0
    assert "a.example" in dkimctl_inside("rotate", "--dry-run").out
