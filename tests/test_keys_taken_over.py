"""Keys that lie elsewhere: the key directory refers to them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl.errors import CheckFailed, Refused
from dkimctl.keys import metadata as meta
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Metadata, Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.keys.store import Key

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
PAIR = generate(Algorithm.ED25519)
SHOWN = "/etc/opendkim/keys"


@pytest.fixture
def store(tmp_path: Path) -> KeyDirectory:
    """A key directory below a root."""
    return KeyDirectory(tmp_path / SHOWN.lstrip("/"), shown=SHOWN)


def refer(root: Path, domain: str, selector: str, path: str) -> None:
    """A key file at `path`, and metadata in the key directory that names it."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(PAIR.private_pem)
    entry = root / SHOWN.lstrip("/") / domain / f"{selector}.json"
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_bytes(meta.to_json(Metadata("ed25519", 256, "", phase=Phase.ACTIVE, path=path)))


def only(store: KeyDirectory, domain: str) -> Key:
    """The one key of a domain."""
    [key] = store.keys(domain)
    return key


def test_a_key_elsewhere_is_found_by_its_metadata(store: KeyDirectory, tmp_path: Path) -> None:
    """Domain, selector, the path as the daemon knows it, and the pair from the file below the root."""
    refer(tmp_path, "example.com", "mail", "/home/user-data/mail/dkim/mail.private")
    assert list(store.domains()) == ["example.com"]
    key = only(store, "example.com")
    assert (key.selector, key.path, key.phase) == ("mail", "/home/user-data/mail/dkim/mail.private", Phase.ACTIVE)
    assert store.load(key) == PAIR
    assert store.public(key) == PAIR.public


def test_it_goes_through_its_life_where_it_lies(store: KeyDirectory, tmp_path: Path) -> None:
    """Its phase is kept in the key directory, and nothing is written beside the key."""
    refer(tmp_path, "example.com", "mail", "/srv/keys/mail.private")
    store.advance(only(store, "example.com"), Phase.RETIRING, NOW)
    assert only(store, "example.com").phase is Phase.RETIRING
    assert only(store, "example.com").path == "/srv/keys/mail.private"
    assert [path.name for path in (tmp_path / "srv/keys").iterdir()] == ["mail.private"]


def test_one_file_under_two_names_is_one_key(store: KeyDirectory, tmp_path: Path) -> None:
    """A file of our own layout that was taken over under another selector is not listed a second time."""
    path = f"{SHOWN}/example.com/default.private"
    refer(tmp_path, "example.com", "s1", path)
    key = only(store, "example.com")
    assert (key.selector, key.path) == ("s1", path)


def test_its_selector_is_taken(store: KeyDirectory, tmp_path: Path) -> None:
    """No new key takes the name, and the metadata stays as it was."""
    refer(tmp_path, "example.com", "mail", "/srv/keys/mail.private")
    before = only(store, "example.com")
    with pytest.raises(Refused, match="exists already"):
        store.create("example.com", "mail", PAIR, b"", new_metadata("ed25519", 256, Tags(), NOW))
    assert only(store, "example.com") == before


def test_metadata_alone_is_no_key(store: KeyDirectory, tmp_path: Path) -> None:
    """What a killed genkey leaves (metadata without a key) counts for nothing; damaged metadata is an error."""
    place = tmp_path / SHOWN.lstrip("/") / "example.com/mail.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(meta.to_json(new_metadata("ed25519", 256, Tags(), NOW)))
    assert list(store.domains()) == []
    assert "path" not in json.loads(place.read_bytes())
    place.write_bytes(b"{}")
    with pytest.raises(CheckFailed, match="not the metadata"):
        store.keys("example.com")
