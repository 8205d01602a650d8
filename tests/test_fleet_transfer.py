"""`fleet import` and `fleet export`: from a key directory into the database, and back to the same."""

import json
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl.fleet.database import connect
from dkimctl.keys import metadata as meta
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Metadata, Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.keys.store import Key, LifecycleStore
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
OTHER = generate(Algorithm.ED25519)


def create(store: LifecycleStore, domain: str, selector: str, *, in_slot: bool = False) -> Key:
    """A key in the store."""
    pair = generate(Algorithm.ED25519)
    return store.create(
        domain, selector, pair, b"record of it\n", new_metadata("ed25519", 256, Tags(), NOW), in_slot=in_slot
    )


def fill(place: Path) -> KeyDirectory:
    """A key directory with every kind of key: noted, purged, lost, in a slot, retired, foreign, flat, taken over."""
    store = KeyDirectory(place)
    active = store.advance(create(store, "a.example", "mail"), Phase.ACTIVE, NOW, "note")
    store.note(active, lambda known: known._replace(facts={"record": {"ttl": 60, "seen": "2026-11-01T00:00:00Z"}}))
    store.purge(store.advance(create(store, "b.example", "dk1"), Phase.PURGED, NOW))
    create(store, "b.example", "dk1", in_slot=True)
    store.purge(store.advance(create(store, "b.example", "lost"), Phase.PUBLISHED, NOW))
    store.purge(store.advance(create(store, "b.example", "retired"), Phase.RETIRING, NOW))
    store.note_domain("b.example", held=True)
    (place / "a.example/foreign.private").write_bytes(OTHER.private_pem.replace(b"\n", b"\r\n"))

    (place.parent / "elsewhere.private").write_bytes(OTHER.private_pem)
    taken_over = Metadata(
        "ed25519", 256, "2026-01-01T00:00:00Z", phase=Phase.ACTIVE, path="/etc/opendkim/elsewhere.private"
    )
    (place / "c.example").mkdir()
    (place / "c.example/old.json").write_bytes(meta.to_json(taken_over))
    (place / "c.example/half.json").write_bytes(meta.to_json(new_metadata("ed25519", 256, Tags(), NOW)))
    return store


@pytest.fixture
def control(dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str) -> DkimctlInside:
    """A control host with a fleet, and a key directory full of keys."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    fill(dkimctl_inside.root / "etc/opendkim/keys")
    return dkimctl_inside


def files(place: Path) -> dict[str, tuple[int, object]]:
    """Each file with its mode and content; metadata by what they say."""
    found = (path for path in place.rglob("*") if path.is_file() and path.name != ".lock")
    return {
        str(path.relative_to(place)): (
            stat.S_IMODE(path.stat().st_mode),
            json.loads(path.read_bytes()) if path.suffix == ".json" else path.read_bytes(),
        )
        for path in found
    }


def test_there_and_back_again(control: DkimctlInside, tmp_path: Path) -> None:
    """The same files come back, private keys octet for octet and for their owner alone; nothing but them."""
    assert control("fleet", "import").code == 0
    back = tmp_path / "back"
    ended = control("fleet", "export", "--output", back)
    assert (ended.code, ended.out) == (0, f"{back}: 4 keys of 3 domains\n")
    was, now = files(control.root / "etc/opendkim/keys"), files(back)
    # what a key directory has not of its own: of foreign keys no metadata, of keys elsewhere no private key
    assert now.pop("a.example/foreign.json")[1]["phase"] == "generated"  # type: ignore[index]
    assert now.pop("c.example/old.private")[1] == OTHER.private_pem
    (_, taken_over), _ = now.pop("c.example/old.json"), was.pop("c.example/old.json")
    assert "path" not in taken_over  # type: ignore[operator]
    was.pop("c.example/half.json")
    was["a.example/foreign.private"] = (0o600, was["a.example/foreign.private"][1])
    assert now == was
    assert stat.S_IMODE((back / "a.example").stat().st_mode) == 0o700
    assert control("fleet", "export", "--output", back, "--json").json["changed"] is False
    (back / "a.example/mail.txt").unlink()
    assert control("fleet", "export", "--output", back, "--json").json["changed"] is True
    (back / "a.example/mail.private").write_bytes(OTHER.private_pem)
    refused = control("fleet", "export", "--output", back)
    assert refused.code == 1 and "another private key" in refused.err


def test_again_it_brings_what_is_new(control: DkimctlInside) -> None:
    """What the database has is left as it is there; a lost private key is put back, a purged one is not."""
    first = control("fleet", "import", "--json")
    assert first.json["import"] == {"domains": 3, "new": 7, "restored": 0, "failures": []}
    assert control("fleet", "import", "--json").json["changed"] is False
    place = control.root / "etc/opendkim/keys"
    create(KeyDirectory(place), "d.example", "mail")
    with connect(control_url(control)) as database:
        database.run("UPDATE dkimctl.key SET phase = 'retiring' WHERE stem = 'foreign'")
        gone = "UPDATE dkimctl.key SET sealed = NULL, fleet_key = NULL WHERE domain = 'a.example' AND stem = 'mail'"
        database.run(gone)
        ended = control("fleet", "import")
        assert ended.out == "4 domains: 1 key imported, 1 key restored\n"
        assert database.value("SELECT phase FROM dkimctl.key WHERE stem = 'foreign'") == "retiring"
        database.run(gone)
        purge = "UPDATE dkimctl.key SET metadata = metadata || '{\"phase\": \"purged\"}' WHERE stem = 'mail'"
        database.run(purge)
        assert control("fleet", "import", "--json").json["changed"] is False


def control_url(control: DkimctlInside) -> str:
    """The database that the configuration names."""
    import tomllib

    return str(tomllib.loads((control.root / "etc/dkimctl/dkimctl.toml").read_text())["fleet"]["database"])


def test_another_key_of_the_same_name_is_refused(control: DkimctlInside, tmp_path: Path) -> None:
    """Its domain is left out whole, with both identities; the other domains come in."""
    assert control("fleet", "import").code == 0
    other = KeyDirectory(tmp_path / "other")
    create(other, "a.example", "mail"), create(other, "a.example", "new"), create(other, "e.example", "mail")
    (tmp_path / "other/f.example").mkdir()
    (tmp_path / "other/f.example/bad.private").write_bytes(b"nothing")
    ended = control("fleet", "import", tmp_path / "other")
    assert ended.code == 1 and "a.example: the database has another key mail" in ended.err
    assert "f.example: " in ended.err
    assert ended.out == "3 domains: 1 key imported, 2 not imported\n"
    with connect(control_url(control)) as database:
        assert database.value("SELECT count(*) FROM dkimctl.key WHERE stem = 'new'") == 0


def test_without_the_identity_nothing_comes_in_or_out(control: DkimctlInside, tmp_path: Path) -> None:
    """Neither import nor export begins without the fleet key."""
    identity = control.root / "etc/dkimctl/fleet.age"
    shutil.move(identity, tmp_path / "kept")
    for command in (("import",), ("export", "--output", str(tmp_path / "out"))):
        ended = control("fleet", *command)
        assert ended.code == 2 and str(identity) in ended.err
    assert not (tmp_path / "out").exists()
    with connect(control_url(control)) as database:
        assert database.value("SELECT count(*) FROM dkimctl.domain") == 0
