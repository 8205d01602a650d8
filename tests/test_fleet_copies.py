"""The dated copies that a relay keeps of the files that it replaces: none of what the database has, whatever fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import SIGNERS, Settings
from dkimctl.errors import CheckFailed
from dkimctl.fleet import apply as applying
from dkimctl.fleet.apply import Applied, apply
from dkimctl.fleet.changes import FleetKey
from dkimctl.fleet.rendered import STATE
from dkimctl.install.attempt import Attempt
from dkimctl.install.proof import Failure
from dkimctl.keys.metadata import Phase
from dkimctl.signers.rendered import Rendering
from tests.fleet_keys import changes, fleet_key, open_key
from tests.relay_fleet import key_records
from tests.rendering import settings_for, store_for

DOMAINS = ("a.example", "b.example")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A relay with two domains, on which no message is signed right with a key of the selector `wrong`."""
    real = applying.attempt

    def attempt(rendering: Rendering, *arguments: object, **more: object) -> Attempt:
        made = real(rendering, *arguments, **more)  # type: ignore[arg-type]
        wrong = [key for key in rendering.keys if key.selector == "wrong"]
        return replace(made, failures=tuple(Failure(key, key.domain, CheckFailed("unsigned")) for key in wrong))

    monkeypatch.setattr(applying, "attempt", attempt)
    settings = settings_for(tmp_path)
    put(settings, 1, *(fleet_key(name, "one") for name in DOMAINS))
    return settings


def put(settings: Settings, generation: int, *keys: FleetKey) -> Applied:
    """Put the keys of a generation into effect."""
    coming = (key._replace(generation=generation) for key in keys)
    changed = changes(*coming, since=generation - 1, generation=generation)
    return apply(settings, store_for(settings), changed, open_key, clock=SYSTEM_CLOCK)


def copies(settings: Settings) -> list[str]:
    """The files in the backups."""
    place = settings.at("/var/backups/dkimctl")
    return sorted(path.name for path in place.rglob("*") if path.is_file())


def test_a_domain_that_fails_leaves_no_copy_with_every_change(settings: Settings) -> None:
    """Its proof is tried with every generation, and everything rendered: that is two copies of the tables each time."""
    put(settings, 2, fleet_key("a.example", "one", Phase.RETIRING), fleet_key("a.example", "wrong"))
    for generation in range(3, 6):
        done = put(settings, generation, fleet_key("b.example", f"s{generation}"))
        assert set(done.installation.failed) == {("a.example", "wrong")}
    assert key_records(settings)[0] == "one._domainkey.a.example"
    assert copies(settings) == []


def test_of_a_whole_rendering_only_other_files_are_kept(settings: Settings) -> None:
    """Tables with nothing but our rows are in the database; opendkim.conf may have been a person's."""
    settings.at(STATE).unlink()
    put(settings, 2, fleet_key("a.example", "two"))
    assert copies(settings) == []
    settings.at("/etc/opendkim.conf").write_text("Mode sv\n")
    put(settings, 3, fleet_key("a.example", "three"))
    assert "opendkim.conf" in copies(settings)


def test_lines_of_a_person_are_kept_with_their_table(settings: Settings) -> None:
    """Nothing else has them."""
    table = settings.at("/etc/opendkim/SigningTable")
    table.write_bytes(table.read_bytes() + b"mine.example one._domainkey.b.example\n")
    put(settings, 2, fleet_key("c.example", "one"))
    assert copies(settings) == ["KeyTable", "SigningTable"]
    for generation in range(3, 6):
        put(settings, generation, fleet_key(f"d{generation}.example", "one"))
    assert copies(settings) == ["KeyTable", "SigningTable"]  # what the first of these passes found
    assert b"mine.example" in table.read_bytes()


@pytest.mark.parametrize("signer", SIGNERS)
def test_no_signer_has_a_copy_with_every_pass(tmp_path: Path, signer: str) -> None:
    """Whatever its files are."""
    settings = settings_for(tmp_path).signed_by(signer)
    for generation in range(1, 5):
        put(settings, generation, fleet_key(f"d{generation}.example", "one"))
    assert copies(settings) == []
