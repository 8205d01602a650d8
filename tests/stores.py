"""Stores of keys for the tests, of every kind: a key directory, and the database of a fleet."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dkimctl.fleet.database import connect
from dkimctl.fleet.identity import new_identity
from dkimctl.fleet.store import PostgresStore
from dkimctl.fleet.vault import make_first_key, open_vault
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.store import LifecycleStore

KINDS = ("directory", "database")


class Stores:
    """Makes stores, and closes what they opened."""

    def __init__(self, place: Path, database_url: Callable[[], str], stack: ExitStack) -> None:
        self._place = place
        self._database_url = database_url
        self._stack = stack

    def new(self, kind: str) -> LifecycleStore:
        """An empty store of this kind."""
        if kind == "directory":
            return KeyDirectory(self._place)
        database = self._stack.enter_context(connect(self._database_url()))
        operator = new_identity()
        make_first_key(database, operator)
        return PostgresStore(database, open_vault(database, operator), "/etc/opendkim/keys")


@pytest.fixture
def stores(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Stores in the test's own directory, and in a database of its own, made when it is asked for."""

    def url() -> str:
        name = request.getfixturevalue("fleet_database")
        return str(request.getfixturevalue("postgres").url(name))

    with ExitStack() as stack:
        yield Stores(tmp_path / "keys", url, stack)
