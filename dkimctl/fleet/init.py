"""`fleet init` and `fleet upgrade`: the schema, the operator's identity, and the fleet key."""

from dataclasses import dataclass
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused
from dkimctl.fleet.access import open_database
from dkimctl.fleet.identity import make_identity
from dkimctl.fleet.migration import migrate, schema_version
from dkimctl.fleet.vault import current_number, make_first_key, open_vault, read_operator


@dataclass(frozen=True, slots=True)
class Fleet:
    """What `init` and `upgrade` have found and made."""

    database: str
    """In words."""
    schema_before: int
    schema: int
    identity: str
    """The path of the operator's identity file."""
    fingerprint: str
    """Of the identity; empty where it was not read."""
    has_new_key: bool = False
    """True when the fleet key was made now."""

    @property
    def is_change(self) -> bool:
        """Return True when anything was made."""
        return self.has_new_key or self.schema != self.schema_before


def init(settings: Settings) -> Fleet:
    """Make the schema, the operator's identity and the fleet key: what of them is not there yet.

    Raises as `access.open_database`, `migration.migrate` and `vault.open_vault`; nothing of a fleet that belongs to
    another identity is touched.
    """
    path = _identity_path(settings)
    with open_database(settings) as database:
        has_key = schema_version(database) > 0 and current_number(database) > 0
        if has_key:
            open_vault(database, read_operator(path))
        before, version = migrate(database)
        identity = make_identity(path)
        made = make_first_key(database, identity)
        open_vault(database, identity)
        return Fleet(database.shown, before, version, str(path), identity.fingerprint, made)


def upgrade(settings: Settings) -> Fleet:
    """Bring the schema to this program's version. Raises Refused where there is no fleet, or a newer one."""
    with open_database(settings) as database:
        if schema_version(database) == 0:
            raise Refused(f"the {database.shown} has no fleet yet", hint="make it: dkimctl fleet init")
        before, version = migrate(database)
        return Fleet(database.shown, before, version, str(_identity_path(settings)), "")


def _identity_path(settings: Settings) -> Path:
    return settings.at(settings.fleet.identity)
