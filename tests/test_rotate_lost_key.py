"""A private key that was deleted by hand or damaged: its standby signs, and no other domain waits for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DkimctlInside
from tests.publishing import ZONE
from tests.rotating import DAY, Rotating, rotating

OTHER = "other.example"
SIGNERS = {"opendkim": "", "rspamd": '[signing]\nsigner = "rspamd"\n'}
DAMAGE = {"deleted": None, "emptied": b"", "cut": b"-----BEGIN PRIVATE KEY-----\nMC4CAQ"}


@pytest.fixture(params=SIGNERS)
def machine(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Rotating]:
    """Two domains, each with a standby."""
    with rotating(dkimctl_inside, monkeypatch, ZONE, OTHER, settings=SIGNERS[request.param]) as made:
        made.prepare()
        yield made


def ruin(machine: Rotating, content: bytes | None) -> Path:
    """Take the key that signs for the first domain away."""
    path = machine.dkimctl.root / f"etc/opendkim/keys/{ZONE}/mail.private"
    path.unlink() if content is None else path.write_bytes(content)
    return path


def outcomes(run: Any, action: str) -> dict[str, str]:
    """The domain and the outcome of each step of this kind."""
    return {step["domain"]: step["outcome"] for step in run["steps"] if step["action"] == action}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_the_standby_takes_over_and_the_key_may_come_back(machine: Rotating, content: bytes | None) -> None:
    """A file that comes back from a backup later is that of a former key: its record stays for its mail."""
    path = machine.dkimctl.root / f"etc/opendkim/keys/{ZONE}/mail.private"
    whole = path.read_bytes()
    ruin(machine, content)
    run = machine.rotate(hours=DAY, code=1)
    assert outcomes(run, "switch") == {ZONE: "done"}
    assert machine.notes("mail")["phase"] == "retiring"
    path.write_bytes(whole)
    machine.rotate(hours=1, code=0)
    assert machine.notes("mail")["phase"] == "retiring"
    assert "mail" in machine.records()


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_no_other_domain_waits_for_it(machine: Rotating, content: bytes | None) -> None:
    """On hold it keeps its row, and the other domain is switched all the same."""
    machine("hold", ZONE)
    ruin(machine, content)
    run = machine.rotate("--now", OTHER, hours=DAY)
    assert outcomes(run, "switch") == {OTHER: "done"}
    assert machine.notes("mail")["phase"] == "active"
    assert outcomes(machine.rotate("--now", ZONE), "switch") == {ZONE: "done"}
