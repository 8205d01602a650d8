"""The fleet's database as the configuration names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError
from dkimctl.fleet.budget import FleetBudget
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.database_names import has_password
from dkimctl.fleet.migration import refuse_other_version
from dkimctl.fleet.vault import Vault, open_vault, read_operator
from dkimctl.providers.budget import sharing
from dkimctl.providers.secretfile import secret_text

_CONFIGURE = 'name it in the configuration: [fleet] database = "postgresql:///dkimctl"'


def open_database(settings: Settings, *, patience: int = 0) -> Database:
    """Return a session at the fleet's database, whatever its schema.

    Raises ConfigError where none is configured, and as `database.connect`.
    """
    if settings.fleet.database_file:
        path = settings.at(settings.fleet.database_file)
        conninfo = secret_text(path, hint=f"make it, mode 0600, or {_CONFIGURE}").strip()
        if not conninfo:  # libpq would take the environment's
            raise ConfigError(
                f"{path} is empty", hint="write the connection string into it: postgresql://role:password@host/dkimctl"
            )
        return connect(conninfo, patience=patience)
    if not settings.fleet.database:
        raise ConfigError("no database of a fleet is configured", hint=_CONFIGURE)
    if has_password(settings.fleet.database):
        raise ConfigError(
            "the configuration has the password of the fleet's database, and others may read it",
            hint="put the connection string into a file of mode 0600, and name that: [fleet] database_file",
        )
    return connect(settings.fleet.database, patience=patience)


def open_fleet(settings: Settings, *, patience: int = 0) -> Database:
    """Return a session at a database with the schema of this program. Raises as `open_database`; Refused for others."""
    database = open_database(settings, patience=patience)
    try:
        refuse_other_version(database)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def control(settings: Settings) -> Iterator[tuple[Database, Vault]]:
    """Give a session and the fleet key, as the operator's identity opens it; before that nothing is touched.

    Raises as `open_fleet`, `vault.read_operator` and `vault.open_vault`.
    """
    identity = read_operator(settings.at(settings.fleet.identity))
    with open_fleet(settings) as database, FleetBudget(partial(open_fleet, settings)) as turns, sharing(turns):
        yield database, open_vault(database, identity)
