"""Databases for the tests: one server for each test process, one database for each test, on a Unix socket."""

from collections.abc import Iterator

import pytest

from dkimctl.fleet.database import connect
from dkimctl.fleet.migration import migrate
from tests.postgres_server import Missing, Server, running

__all__ = ["Server", "running"]
_TEMPLATE = "fleet_template"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server that all tests of this process share."""
    try:
        server_of_its_own = running()
        server = server_of_its_own.__enter__()
    except Missing as missing:
        pytest.skip(str(missing))
    yield server
    server_of_its_own.__exit__(None, None, None)


@pytest.fixture(scope="session")
def _template(postgres: Server) -> str:
    postgres.run(f"CREATE DATABASE {_TEMPLATE}")
    with connect(postgres.url(_TEMPLATE)) as database:
        migrate(database)
    return _TEMPLATE


@pytest.fixture
def empty_database(postgres: Server) -> str:
    """The name of a database without a schema."""
    return postgres.new_database()


@pytest.fixture
def fleet_database(postgres: Server, _template: str) -> str:
    """The name of a database with the fleet's schema, and nothing in it."""
    return postgres.new_database(_template)
