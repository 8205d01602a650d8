"""What a fleet's commands write as root, where another user has prepared the place: nothing of others is touched."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dkimctl.config.settings import Fleet
from dkimctl.errors import ConfigError, DkimctlError
from dkimctl.files import Owner
from dkimctl.fleet.exporting import export_keys
from dkimctl.fleet.identity import make_identity, read_identity
from dkimctl.keys.metadata import Phase
from tests.conftest import needs
from tests.fleet_keys import fleet_key
from tests.postgres import Server
from tests.relay_fleet import RelayFleet, RelayTree
from tests.rendering import settings_for

ATTACKER = 4242
ONE = fleet_key("a.example", "one")
Snapshot = dict[str, tuple[int, int, int, int, bytes]]


def snapshot(place: Path) -> Snapshot:
    """Everything there: kind and mode, owner, group, names, and content."""
    found: Snapshot = {}
    for path in (place, *sorted(place.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, content)
    return found


def link(path: Path, victim: Path) -> None:
    """A link to a file of another user's."""
    path.symlink_to(victim / "file")


def dangling(path: Path, victim: Path) -> None:
    """A link to a file that another user's directory has not."""
    path.symlink_to(victim / "new")


def second_name(path: Path, victim: Path) -> None:
    """A second name of another user's file."""
    os.link(victim / "linked", path)


def pipe(path: Path, victim: Path) -> None:
    """A pipe that nobody reads."""
    os.mkfifo(path)


def directory(path: Path, victim: Path) -> None:
    """A directory, in place of a file."""
    path.mkdir()


def elsewhere(path: Path, victim: Path) -> None:
    """A link to a directory of another user's."""
    path.symlink_to(victim)


FILES = (link, dangling, second_name, pipe, directory)
PLACES = (pipe, elsewhere)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A directory that is nobody's business."""
    place = tmp_path / "victim"
    place.mkdir()
    for name in ("file", "linked"):
        (place / name).write_text("precious\n")
        (place / name).chmod(0o600)
    return place


@pytest.fixture
def fleet(tmp_path: Path, postgres: Server, fleet_database: str) -> Iterator[RelayFleet]:
    """A fleet with one key."""
    made = RelayFleet(tmp_path, postgres, fleet_database)
    with made.database:
        made.put(ONE)
        yield made


def prepare(path: Path, plant: Callable[[Path, Path], None], victim: Path) -> None:
    """Have the attacker own everything on the way to a path, and plant something there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    plant(path, victim)
    os.chown(path.parent, ATTACKER, ATTACKER)
    os.chown(path, ATTACKER, ATTACKER, follow_symlinks=False) if plant is not second_name else None


def exposed(place: Path, secret: bytes) -> list[Path]:
    """The files with this secret that others than root and the daemon can read."""
    return [
        path
        for path in place.rglob("*")
        if path.is_file() and path.lstat().st_mode & 0o077 and secret in path.read_bytes()
    ]


def untouched(place: Path, victim: Path, work: Callable[[], object], secret: Callable[[], bytes]) -> None:
    """Do something, however it ends; the victim is as it was, and the secret lies in no file for others."""
    linked = victim / "linked"
    before = {name: seen for name, seen in snapshot(victim).items() if name != str(linked)}
    with suppress(DkimctlError):
        work()
    after = snapshot(victim)
    mode, *_, content = after.pop(str(linked))
    assert after == before
    assert (mode & 0o777, linked.stat().st_uid, content) == (0o600, 0, b"precious\n")
    assert not exposed(place, secret())


@needs(root=True)
@pytest.mark.parametrize("plant", FILES, ids=lambda plant: plant.__name__)
def test_a_sync_into_a_key_directory_of_others(
    fleet: RelayFleet, victim: Path, plant: Callable[[Path, Path], None]
) -> None:
    """The daemon's user owns its keys' directory, and may have put anything at a name that a sync writes or removes."""
    relay = daemon_owned(fleet.relay("mx1"))
    relay.sync()
    fleet.put(fleet_key("a.example", "one", Phase.RETIRING), fleet_key("a.example", "two"))
    keys = relay.settings.key_directory / "a.example"
    for name in ("one.json", "one.private", "two.private", "two.txt", "two.json", ".lock"):
        prepare(keys / name, plant, victim)
    untouched(relay.settings.root, victim, relay.sync, lambda: ONE.sealed[::-1] if ONE.sealed else b"")
    fleet.put(fleet_key("a.example", "one", Phase.PURGED, sealed=False))
    prepare(keys / "one.private", plant, victim)
    untouched(relay.settings.root, victim, relay.sync, lambda: b"PRIVATE KEY")


@needs(root=True)
@pytest.mark.parametrize("plant", PLACES, ids=lambda plant: plant.__name__)
def test_a_sync_whose_directories_are_others(
    fleet: RelayFleet, victim: Path, plant: Callable[[Path, Path], None]
) -> None:
    """A directory of keys, or of the relay's state, that leads elsewhere."""
    for number, place in enumerate(("etc/opendkim/keys/a.example", "etc/opendkim/keys", "var/lib/dkimctl")):
        relay = daemon_owned(fleet.relay(f"mx{number}"))
        prepare(relay.settings.root / place, plant, victim)
        untouched(relay.settings.root, victim, relay.sync, lambda: b"PRIVATE KEY")


@needs(root=True)
def test_an_export_into_a_directory_of_others(fleet: RelayFleet, victim: Path, tmp_path: Path) -> None:
    """Nothing is written through what is planted where the keys go, and no key where others can read it."""
    out, vault = tmp_path / "out", fleet.vault

    def export(owner: int = 0) -> None:
        export_keys(fleet.database, vault, out, Owner(owner, owner, ""))

    for owner in (0, ATTACKER):
        for plant in FILES:
            for name in ("one.private", "one.json", "one.txt", ".lock"):
                prepare(out / "a.example" / name, plant, victim)
                untouched(out, victim, partial(export, owner), lambda: b"PRIVATE KEY")
                shutil.rmtree(out)
    for plant in PLACES:
        for path in (out / "a.example", out):
            prepare(path, plant, victim)
            untouched(tmp_path, victim, export, lambda: b"PRIVATE KEY")
            path.unlink()
            shutil.rmtree(out, ignore_errors=True)


@needs(root=True)
def test_an_identity_of_another_user_is_none(tmp_path: Path) -> None:
    """Who made it has a copy of it, and with that the fleet's keys."""
    path = tmp_path / "relay.age"
    make_identity(path)
    os.chown(path, ATTACKER, ATTACKER)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_identity(path)


@needs(root=True)
def test_a_join_where_others_prepared_its_identity(fleet: RelayFleet, victim: Path, tmp_path: Path) -> None:
    """The identity is made for root alone, or not at all; a pipe or a link of others' is no identity."""
    for number, plant in enumerate((*FILES, *PLACES)):
        root = tmp_path / f"host{number}"
        path = root / "etc/dkimctl" / ("" if plant in PLACES else "relay.age")
        prepare(path, plant, victim)
        url = fleet.role()
        relay = RelayTree(f"mx{number}", replace(settings_for(root), fleet=Fleet(database=url)), url)
        untouched(root, victim, relay.join, lambda: b"AGE-SECRET-KEY")


def daemon_owned(relay: RelayTree) -> RelayTree:
    """A relay whose keys belong to the daemon's user."""
    etc = relay.settings.root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(f"root:x:0:0::/:\nopendkim:x:{ATTACKER}:{ATTACKER}::/:\n")
    (etc / "group").write_text(f"root:x:0:\nopendkim:x:{ATTACKER}:\n")
    return relay
