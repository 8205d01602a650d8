"""A fleet with relays for the tests: trees below a directory, each with a role of its own in one database."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from dkimctl.clock import SYSTEM_CLOCK, SystemClock
from dkimctl.config.settings import Fleet, Settings
from dkimctl.fleet.changes import FleetKey
from dkimctl.fleet.database import Database, as_json, connect
from dkimctl.fleet.identity import new_identity
from dkimctl.fleet.membership import approve, join
from dkimctl.fleet.migration import migrate
from dkimctl.fleet.sync import Synced, sync
from dkimctl.fleet.vault import Vault, make_first_key, open_vault
from dkimctl.keys.metadata import to_json
from dkimctl.opendkim.tables import key_entry, rows
from tests.postgres import Server
from tests.rendering import settings_for, store_for

_numbers = count()


class Ahead(SystemClock):
    """A wrong clock."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """What it shows."""
        return super().now() + self._ahead


@dataclass
class RelayTree:
    """A relay as a tree."""

    name: str
    settings: Settings
    url: str

    def join(self) -> str:
        """Join the fleet; return the fingerprint."""
        with connect(self.url) as database:
            return join(self.settings, database, self.name).fingerprint

    def sync(self, *, ahead: float = 0, **options: bool) -> Synced:
        """One pass; `ahead`: so many seconds the relay's clock is."""
        clock = Ahead(ahead) if ahead else SYSTEM_CLOCK
        with connect(self.url) as database:
            return sync(self.settings, store_for(self.settings), database, clock=clock, **options)

    def rows(self) -> list[str]:
        """The key records of the keys in the installed KeyTable."""
        return key_records(self.settings)


def key_records(settings: Settings) -> list[str]:
    """The name of the key record of each key in the installed KeyTable."""
    with settings.at("/etc/opendkim/KeyTable").open("rb") as lines:
        entries = [key_entry(row) for row in rows(lines, patterns=False)]
    return [f"{entry.selector}._domainkey.{entry.domain}" for entry in entries if entry]


class RelayFleet:
    """The control host's side: a database, its vault, and the relays that were made."""

    def __init__(self, directory: Path, server: Server, name: str) -> None:
        self.directory, self._server, self.name = directory, server, name
        self.url = server.url(name)
        self.database: Database = connect(self.url)
        migrate(self.database)
        self.identity = new_identity()
        make_first_key(self.database, self.identity)

    def reconnect(self) -> None:
        """Connect again, after the server was away."""
        self.database = connect(self.url)

    @property
    def vault(self) -> Vault:
        """The fleet keys, as the operator opens them."""
        return open_vault(self.database, self.identity)

    def role(self) -> str:
        """Make a role that a relay connects with; return its connection string."""
        role = f"relay_{next(_numbers)}"
        self._server.run(f"CREATE ROLE {role} LOGIN IN ROLE dkimctl_relay")
        return self._server.url(self.name, role)

    def relay(self, name: str, *, approved: bool = True) -> RelayTree:
        """A relay that has joined, and was approved."""
        root = self.directory / name
        root.mkdir()
        url = self.role()
        made = RelayTree(name, replace(settings_for(root), fleet=Fleet(database=url)), url)
        fingerprint = made.join()
        if approved:
            approve(self.database, self.vault, name, fingerprint)
        return made

    def put(self, *keys: FleetKey) -> None:
        """Store keys, all in one generation; sealed as the test's own keys are, they are sealed for their rows."""
        vault = self.vault
        with self.database.transaction():
            for key in keys:
                sealed = None
                if key.sealed is not None:
                    row = {"domain": key.domain, "selector": key.selector, "identity": key.identity}
                    sealed = vault.seal(key.sealed[::-1], **row)
                self.database.run("INSERT INTO dkimctl.domain (name) VALUES (%s) ON CONFLICT DO NOTHING", (key.domain,))
                self.database.run(
                    "INSERT INTO dkimctl.key"
                    " (domain, stem, selector, identity, phase, metadata, record, sealed, fleet_key)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (domain, stem) DO UPDATE SET"
                    " phase = excluded.phase, metadata = excluded.metadata, record = excluded.record,"
                    " sealed = CASE WHEN excluded.sealed IS NULL THEN NULL ELSE key.sealed END,"
                    " fleet_key = CASE WHEN excluded.sealed IS NULL THEN NULL ELSE key.fleet_key END",
                    (
                        *(key.domain, key.stem, key.selector, key.identity, key.metadata.phase.value),
                        as_json(json.loads(to_json(key.metadata))),
                        *(key.record, sealed, vault.number if sealed else None),
                    ),
                )

    @property
    def generation(self) -> int:
        """The fleet's generation."""
        return int(self.database.value("SELECT generation FROM dkimctl.fleet"))
