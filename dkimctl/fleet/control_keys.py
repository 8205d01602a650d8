"""What the control host of a fleet works on: the database, the keys in it, and the relays that sign with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.fleet.access import control
from dkimctl.fleet.database import Database
from dkimctl.fleet.on_relays import FleetRelays
from dkimctl.fleet.store import PostgresStore


class FleetKeys(NamedTuple):
    """The keys of a fleet, opened."""

    database: Database
    store: PostgresStore
    relays: FleetRelays


@contextmanager
def fleet_keys(settings: Settings) -> Iterator[FleetKeys]:
    """Open the fleet's keys with the operator's identity. Raises as `access.control`."""
    with control(settings) as (database, vault):
        store = PostgresStore(database, vault)
        yield FleetKeys(database, store, FleetRelays(database, store))
