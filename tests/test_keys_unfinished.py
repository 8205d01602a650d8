"""What a run that was killed while it made a key has left goes with the next run, and nothing else does."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dkimctl.errors import DkimctlError
from dkimctl.files import Folder
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Tags, new_metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.keys.store import KeyName
from dkimctl.record.model import record_for
from dkimctl.record.text import genkey_text
from tests.conftest import DkimctlInside

DOMAIN = "example.com"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
PAIR = generate(Algorithm.ED25519)


class Killed(BaseException):
    """What stops a run at once."""


def create(store: KeyDirectory, selector: str) -> None:
    """Make a key as `genkey` does."""
    record = genkey_text(selector, DOMAIN, record_for(PAIR.public, PAIR.algorithm, Tags()))
    store.create(DOMAIN, selector, PAIR, record, new_metadata(PAIR.algorithm, PAIR.bits, Tags(), NOW))


def names(store: Path) -> list[str]:
    """The names in the domain's directory, but for the lock."""
    return sorted(one.name for one in (store / DOMAIN).iterdir() if not one.name.startswith("."))


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in which a run was killed before the private key of `old` was there."""
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Folder, "create", killed_at(".private"))
        create(KeyDirectory(tmp_path / "keys"), "old")
    assert names(tmp_path / "keys") == ["old.json", "old.txt"]
    return tmp_path / "keys"


def killed_at(ending: str, real: Any = None) -> Callable[..., None]:
    """A method that writes a file, at which the run is killed for names with this ending."""

    def write(folder: Folder, name: str, *content: Any, **more: Any) -> None:
        if name.endswith(ending):
            raise Killed
        real(folder, name, *content, **more)

    return write


def test_the_next_key_takes_the_place_of_one_that_was_never_there(left: Path) -> None:
    """In another month it has another selector: the name of the first one is free again."""
    store = KeyDirectory(left)
    create(store, "new")
    assert names(left) == ["new.json", "new.private", "new.txt"]
    create(store, "old")


def test_the_same_name_is_made_again(left: Path) -> None:
    """As before the change of the month."""
    create(KeyDirectory(left), "old")
    assert names(left) == ["old.json", "old.private", "old.txt"]


def test_no_record_is_left_without_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.txt` alone may be anybody's: the metadata are written first."""
    store = KeyDirectory(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Folder, "write", killed_at(".txt", Folder.write))
        create(store, "old")
    assert names(tmp_path) == ["old.json"]
    create(store, "new")
    assert names(tmp_path) == ["new.json", "new.private", "new.txt"]


def test_genkey_if_missing_removes_it_too(dkimctl_inside: DkimctlInside) -> None:
    """The key that is there is kept, and what a killed run left beside it is not."""
    directory = dkimctl_inside.root / "etc/opendkim/keys" / DOMAIN
    for selector in ("old", "mail"):
        assert dkimctl_inside("genkey", DOMAIN, "-s", selector, "--algorithm", "ed25519").code == 0
    (directory / "old.private").unlink()
    assert dkimctl_inside("genkey", DOMAIN, "--if-missing", "--algorithm", "ed25519").code == 0
    assert names(directory.parent) == ["mail.json", "mail.private", "mail.txt"]


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "ovh"},
        {"phase": "published"},
        {"phase": "purged"},
        {"path": "/elsewhere/old.private"},
        {"facts": {"record": {"written": "2026-11-30T00:00:00Z"}}},
        {"history": []},
        {"public": "", "source_digest": ""},
    ],
)
def test_metadata_that_say_more_stay(left: Path, change: dict[str, Any]) -> None:
    """A key of which anything was noted was there; without a public half nobody knows whose record it is."""
    path = left / DOMAIN / "old.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    create(KeyDirectory(left), "new")
    assert {"old.json", "old.txt"} <= set(names(left))


@pytest.mark.parametrize("kind", ["link", "second name", "damaged", "newer", "huge", "directory"])
def test_what_someone_else_put_there_stays(left: Path, kind: str, tmp_path: Path) -> None:
    """A link, a file with another name, rubbish: not written by a run that made a key."""
    path, aside = left / DOMAIN / "old.json", tmp_path / "aside.json"
    if kind == "second name":
        aside.hardlink_to(path)
    elif kind == "damaged":
        path.write_text("{")
    elif kind == "newer":
        path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    elif kind == "huge":
        path.write_text(path.read_text() + " " * 2_000_000)
    else:
        path.rename(aside)
        path.symlink_to(aside) if kind == "link" else path.mkdir()
    before = set(names(left))
    with suppress(DkimctlError):  # whatever it says of that
        create(KeyDirectory(left), "new")
    assert before <= set(names(left))


def test_a_record_of_another_key_stays(left: Path) -> None:
    """Only the metadata go: the record beside them is someone's own."""
    (left / DOMAIN / "old.txt").write_text('old._domainkey IN TXT ( "v=DKIM1; p=someoneelses" )\n')
    create(KeyDirectory(left), "new")
    assert "old.txt" in names(left)
    assert "old.json" not in names(left)


def test_a_key_with_its_private_key_stays(tmp_path: Path) -> None:
    """However new it is."""
    store = KeyDirectory(tmp_path)
    for selector in ("a", "b", "c"):
        create(store, selector)
    store.settle(store.keys(DOMAIN)[0])
    assert [key.selector for key in store.keys(DOMAIN)] == ["a", "b", "c"]
    assert store.find(KeyName(DOMAIN, "a"))
