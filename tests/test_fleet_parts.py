"""A large change set is written by several processes: the same files as from one, and a death harms none."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.errors import Refused, Unavailable
from dkimctl.fleet import parts, stored_changes
from dkimctl.fleet.local import LocalCopy
from dkimctl.keys.metadata import Phase
from tests.fleet_keys import fleet_key
from tests.postgres import Server
from tests.relay_fleet import RelayFleet, RelayTree
from tests.rendering import tree

NAMES = [f"d{number}.example" for number in range(7)]


@pytest.fixture
def fleet(
    tmp_path: Path, postgres: Server, fleet_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RelayFleet]:
    """A fleet with seven domains, one of which has two keys; a part has two domains."""
    monkeypatch.setattr(stored_changes, "_IN_MEMORY", 3)
    monkeypatch.setattr(stored_changes, "_LARGEST_PART", 2)
    monkeypatch.setattr(parts, "cores", lambda: 2)
    made = RelayFleet(tmp_path, postgres, fleet_database)
    with made.database:
        made.put(*(fleet_key(name, "one") for name in NAMES), fleet_key(NAMES[3], "two", Phase.VERIFIED))
        yield made


def files_of(relay: RelayTree) -> dict[str, bytes]:
    """What its key directory holds."""
    return {name: content for name, (content, *_) in tree(relay.settings.key_directory).items()}


def test_parts_are_the_whole(fleet: RelayFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes write the files that one writes, and what ends is removed; the relay confirms all of it."""
    many, one = fleet.relay("mx1"), fleet.relay("mx2")

    def both() -> None:
        monkeypatch.setattr(parts, "cores", lambda: 2)
        done = many.sync()
        monkeypatch.setattr(parts, "cores", lambda: 1)
        assert (one.sync().generation, done.exit_code) == (done.generation, 3)
        assert files_of(many) == files_of(one) and many.rows() == one.rows()

    both()
    assert len(many.rows()) == len(NAMES)
    fleet.put(*(fleet_key(name, "one", Phase.PURGED, sealed=False) for name in NAMES[:5]))
    both()
    assert [row.split("._domainkey.")[1] for row in many.rows()] == [NAMES[3], *NAMES[5:]]
    assert not (many.settings.key_directory / NAMES[0] / "one.private").exists()


def test_each_process_has_its_share(fleet: RelayFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a change set that a single part could hold as well."""
    keys = stored_changes.StoredKeys(fleet.database, 0, fleet.generation)
    assert [first for first, _ in keys.bounds(2)] == NAMES[::2]
    monkeypatch.setattr(stored_changes, "_LARGEST_PART", 2048)
    first, middle = NAMES[0], NAMES[4]
    assert keys.bounds(2) == [(first, middle), (middle, None)]
    assert keys.bounds(1) == [(first, None)]
    assert len(keys.bounds(100)) == len(NAMES)


def test_a_part_that_is_wrong_keeps_all_others_from_being_written(fleet: RelayFleet) -> None:
    """All parts are checked before the first of them is written."""
    relay = fleet.relay("mx1")
    fleet.database.run("UPDATE dkimctl.key SET selector = 'two', stem = 'two' WHERE domain = %s", (NAMES[-1],))
    with pytest.raises(Refused, match="nothing was changed"):
        relay.sync()
    assert not relay.settings.key_directory.exists()


def test_a_process_that_dies_is_noticed(fleet: RelayFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay stays at its generation, no table names a key that is not there, and the next pass finishes it."""
    relay, first = fleet.relay("mx1"), os.getpid()
    put = LocalCopy.put

    def die(copy: LocalCopy, *arguments: object) -> object:
        if os.getpid() != first:
            put(copy, *arguments)  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGKILL)
        return put(copy, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="process has ended"):
        patched.setattr(LocalCopy, "put", die)
        relay.sync()
    assert not relay.settings.at("/etc/opendkim/KeyTable").exists()
    assert fleet.database.value("SELECT generation FROM dkimctl.relay") == 0
    assert relay.sync().generation == fleet.generation
    assert len(relay.rows()) == len(NAMES)
