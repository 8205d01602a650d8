"""A database that is made for one simulation, and dropped at its end. No other one is written to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, DkimctlError, Unavailable
from dkimctl.fleet.access import open_database
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.database_names import has_password
from dkimctl.fleet.migration import migrate

LOCAL = "postgresql:///postgres"
"""The server where nothing is configured or asked for."""
_PREFIX = "dkimctl_simulation_"
_LEFT = """
SELECT datname FROM pg_database WHERE starts_with(datname, %s)
AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)"""
_ROLES = ["dkimctl_control", "dkimctl_relay", "dkimctl_reader"]


def open_server(settings: Settings, asked: str | None) -> Database:
    """Return a session at the server on which to simulate: the one asked for, else the fleet's, else the local one.

    Raises ConfigError for a password on the command line, and as `access.open_database`.
    """
    if asked is None:
        return open_database(settings) if settings.fleet else connect(LOCAL)
    if has_password(asked):
        raise ConfigError(
            "a password in the arguments of a command is seen by every user of this host",
            hint="put it into ~/.pgpass, or name a service of pg_service.conf: --database service=NAME",
        )
    return connect(asked)


@contextmanager
def clean_server(server: Database) -> Iterator[None]:
    """Drop what simulations that were killed have left, and in the end the fleet's roles that were not there before."""
    roles = {role for (role,) in server.rows("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (_ROLES,))}
    _drop_left(server)
    try:
        yield
    finally:
        with suppress(DkimctlError):  # a server that is gone: the next simulation drops them
            _drop_left(server)
            for role in set(_ROLES) - roles:
                server.run(f"DROP ROLE IF EXISTS {role}")


def _drop_left(server: Database) -> None:
    for (left,) in server.rows(_LEFT, (_PREFIX,)):
        with suppress(DkimctlError):  # another user's, or dropped by another simulation just now
            server.run(f'DROP DATABASE IF EXISTS "{left}"')


@contextmanager
def scratch_database(server: Database) -> Iterator[Database]:
    """Give a session at a new database with the fleet's schema, on the server of this session; then drop it.

    Raises ConfigError for a role that may not make a database.
    """
    name = f"{_PREFIX}{os.getpid()}_{token_hex(4)}"
    with _allowed():
        server.run(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        with server.beside(name) as database:
            with _allowed():
                migrate(database)
            database.run("SELECT set_config('synchronous_commit', 'off', false)")
            yield database
    finally:
        with suppress(Unavailable):  # a server that is gone: the next simulation drops it
            server.run(f"DROP DATABASE IF EXISTS {name}")


@contextmanager
def _allowed() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            error.message,
            hint="a simulation makes a database of its own: ALTER ROLE … CREATEDB CREATEROLE; or name another server: "
            "dkimctl fleet simulate --database postgresql:///postgres",
        ) from error
