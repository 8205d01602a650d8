"""`fleet init` and `fleet upgrade`, and the fleet key: what opens private keys, and what refuses to."""

import subprocess
from pathlib import Path

import pytest

from dkimctl.errors import CheckFailed, Refused
from dkimctl.fleet import identity, migration
from dkimctl.fleet.database import connect
from dkimctl.fleet.identity import Identity, make_identity, new_identity
from dkimctl.fleet.vault import Vault, add_fleet_key, make_first_key, open_vault
from dkimctl.keys.sealing import new_secret, seal, unseal
from tests.conftest import DkimctlInside, needs
from tests.fleets import configure
from tests.postgres import Server

ROW = {"domain": "a.example", "selector": "s", "identity": "0123456789abcdef"}
CONTENT = b"-----BEGIN PRIVATE KEY-----\nsecret\n"
IDENTITY = "etc/dkimctl/fleet.age"


# --- sealed keys


@pytest.mark.parametrize(
    "moved", [{"domain": "b.example"}, {"selector": "t"}, {"identity": ""}, {"domain": "a.examples", "selector": ""}]
)
def test_a_sealed_key_opens_in_its_own_row_only(moved: dict[str, str]) -> None:
    """Domain, selector and identity are part of the seal; what was changed or cut off does not open either."""
    secret = new_secret()
    sealed = seal(secret, CONTENT, **ROW)
    assert unseal(secret, sealed, **ROW) == CONTENT
    assert CONTENT[:9] not in sealed and seal(secret, CONTENT, **ROW) != sealed
    with pytest.raises(CheckFailed, match="moved here from another row"):
        unseal(secret, sealed, **{**ROW, **moved})


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s[:-1],
        lambda s: s[:5],
        lambda s: s[:1],
        lambda s: b"",
        lambda s: b"\x02" + s[1:],
        lambda s: s[:-1] + b"\0",
    ],
)
def test_a_damaged_seal_is_a_known_error(damage: object) -> None:
    """Whatever was changed or cut off, or is of a version to come: no traceback."""
    secret = new_secret()
    with pytest.raises(CheckFailed):
        unseal(secret, damage(seal(secret, CONTENT, **ROW)), **ROW)  # type: ignore[operator]
    with pytest.raises(CheckFailed):
        unseal(new_secret(), seal(secret, CONTENT, **ROW), **ROW)


def test_two_that_make_an_identity_have_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second takes what is there by then: two identities would be two hosts."""
    path, real = tmp_path / "relay.age", identity.new_identity
    first = []

    def beaten() -> Identity:
        monkeypatch.setattr(identity, "new_identity", real)
        first.append(make_identity(path))
        return real()

    monkeypatch.setattr(identity, "new_identity", beaten)
    assert make_identity(path) == first[0] == identity.read_identity(path)


# --- the fleet key


def test_the_fleet_key_is_in_no_repr() -> None:
    """Neither a log nor a traceback shows it."""
    assert "SECRET" not in repr(Vault(1, {1: b"SECRET"}))


def test_only_those_for_whom_it_is_wrapped_read_the_fleet_key(postgres: Server, fleet_database: str) -> None:
    """Another identity is refused; after a turn-over, keys under both are read, and new ones sealed under the new."""
    operator, relay = new_identity(), new_identity()
    with connect(postgres.url(fleet_database)) as database:
        with pytest.raises(Refused) as none_yet:
            open_vault(database, operator)
        assert "fleet init" in none_yet.value.hint
        assert make_first_key(database, operator)
        assert not make_first_key(database, relay)
        vault = open_vault(database, operator)
        sealed = vault.seal(CONTENT, **ROW)
        with pytest.raises(Refused, match=relay.fingerprint):
            open_vault(database, relay)
        with database.transaction():
            add_fleet_key(database, 2, {operator.recipient: None, relay.recipient: None})
        turned = open_vault(database, operator)
        assert turned.number == 2 and turned.unseal(1, sealed, **ROW) == CONTENT
        later = open_vault(database, relay)
        assert later.unseal(2, turned.seal(CONTENT, **ROW), **ROW) == CONTENT
        with pytest.raises(Refused, match="fleet key 1"):
            later.unseal(1, sealed, **ROW)


def test_an_exchanged_fleet_key_is_noticed(postgres: Server, fleet_database: str) -> None:
    """A fleet key of someone who may write to the database opens none of the keys, and nothing is sealed with it."""
    operator = new_identity()
    with connect(postgres.url(fleet_database)) as database:
        make_first_key(database, operator)
        sealed = open_vault(database, operator).seal(CONTENT, **ROW)
        database.run("INSERT INTO dkimctl.domain (name) VALUES ('a.example')")
        database.run(
            "INSERT INTO dkimctl.key (domain, stem, selector, identity, phase, metadata, sealed, fleet_key) "
            "VALUES ('a.example', 's', 's', %s, 'active', '{}', %s, 1)",
            (ROW["identity"], sealed),
        )
        open_vault(database, operator)
        add_fleet_key(database, 1, {operator.recipient: None})
        with pytest.raises(CheckFailed):
            open_vault(database, operator)


# --- the commands


def test_init_and_again(dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str) -> None:
    """The first run makes schema, identity and fleet key; the second changes nothing; upgrade finds nothing to do."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert "fleet init" in dkimctl_inside("fleet", "upgrade").err
    first = dkimctl_inside("fleet", "init", "--json")
    assert (first.code, first.json["changed"], first.json["fleet"]["has_new_key"]) == (0, True, True)
    identity = dkimctl_inside.root / IDENTITY
    assert identity.stat().st_mode & 0o777 == 0o600
    kept = identity.read_bytes()
    again = dkimctl_inside("fleet", "init")
    assert again.code == 0 and first.json["fleet"]["fingerprint"] in again.out
    assert identity.read_bytes() == kept and "AGE-SECRET" not in again.out + again.err + first.out
    assert dkimctl_inside("fleet", "upgrade", "--json").json["changed"] is False


@pytest.mark.parametrize("state", ["missing", "another", "readable", "damaged"])
def test_without_its_identity_nothing_is_touched(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init` on a fleet of another identity makes none, and does not even upgrade the schema."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    path = dkimctl_inside.root / IDENTITY
    if state == "readable":
        path.chmod(0o644)
    else:
        path.unlink()
    if state == "another":
        make_identity(path)
    if state == "damaged":
        path.write_text("AGE-SECRET-KEY-1NONE\n")
        path.chmod(0o600)
    newer = (*migration.migrations(), migration.Migration(99, "CREATE TABLE dkimctl.more ()"))
    monkeypatch.setattr(migration, "migrations", lambda: newer)
    refused = dkimctl_inside("fleet", "init")
    assert refused.code in (1, 2) and "hint: " in refused.err
    assert path.exists() == (state != "missing")
    with connect(postgres.url(empty_database)) as database:
        assert database.value("SELECT to_regclass('dkimctl.more')") is None
        assert database.value("SELECT count(*) FROM dkimctl.fleet_key_wrap") == 1


@needs("age")
def test_an_operator_needs_no_dkimctl_to_open_the_envelope(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str, tmp_path: Path
) -> None:
    """The program `age` and the identity file give the fleet key: nobody is locked in."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    envelope = tmp_path / "envelope"
    with connect(postgres.url(empty_database)) as database:
        envelope.write_bytes(database.value("SELECT wrapped FROM dkimctl.fleet_key_wrap"))
    opened = subprocess.run(["age", "-d", "-i", dkimctl_inside.root / IDENTITY, envelope], capture_output=True)
    assert len(opened.stdout) == 32, opened.stderr
