"""The fleet key: made once, wrapped for an operator and each relay, and with it private keys sealed and read.

The database has the fleet key only in envelopes, so that a copy of it, or its administrator, reads no private key.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dkimctl.errors import RUN_AGAIN, ConfigError, Refused, Unavailable, shell_word
from dkimctl.fleet.database import Database
from dkimctl.fleet.identity import Identity, read_identity, unwrap, wrap
from dkimctl.keys.sealing import SECRET_BYTES, new_secret, seal, unseal


@dataclass(frozen=True, slots=True)
class Vault:
    """The fleet keys that an identity can read. They are not in the repr."""

    number: int
    """Of the fleet key that seals now."""
    secrets: dict[int, bytes] = field(repr=False)
    """By number; while the fleet key is turned over, of the one before as well."""

    def seal(self, content: bytes, *, domain: str, selector: str, identity: str) -> bytes:
        """Return the content of a private key file, sealed under the fleet key `number`."""
        return seal(self.secrets[self.number], content, domain=domain, selector=selector, identity=identity)

    def unseal(self, number: int, sealed: bytes, *, domain: str, selector: str, identity: str) -> bytes:
        """Return the content of a private key file.

        Raises CheckFailed when it does not belong to this row, Refused for a fleet key that this identity cannot read,
        Unavailable when the fleet key was turned over after this was opened.
        """
        if number > self.number:
            raise _turned_over()
        if number not in self.secrets:
            raise Refused(
                f"the private key {selector} of {domain} needs the fleet key {number}, which this host cannot read",
                hint="approve it again, on the control host: dkimctl fleet approve NAME",
            )
        return unseal(self.secrets[number], sealed, domain=domain, selector=selector, identity=identity)


def open_vault(database: Database, identity: Identity) -> Vault:
    """Return the fleet keys that are wrapped for this identity, after one of the keys was seen to open.

    Raises Refused where the current one is not wrapped for it or its envelope does not open, CheckFailed where it opens
    and is not the one that sealed the keys.
    """
    found = database.rows(  # in one statement: between two the fleet key may be turned over
        "SELECT fleet.fleet_key, wrap.fleet_key, wrapped FROM dkimctl.fleet"
        " LEFT JOIN dkimctl.fleet_key_wrap AS wrap ON recipient = %s",
        (identity.recipient,),
    )
    wanted, envelopes = int(found[0][0]), {number: wrapped for _, number, wrapped in found if number is not None}
    if not wanted:
        raise Refused(f"the {database.shown} has no fleet key yet", hint="make it: dkimctl fleet init")
    if wanted not in envelopes:
        raise Refused(
            f"the fleet key is not wrapped for the identity of this host ({identity.fingerprint})",
            hint="use the file that fleet init made; the control host approves a relay: dkimctl fleet approve NAME",
        )
    vault = Vault(wanted, {number: _secret(bytes(one), identity, number) for number, one in envelopes.items()})
    _try(database, vault)
    return vault


def read_operator(path: Path) -> Identity:
    """Return the identity in a file. Raises ConfigError where there is none, or it is unsafe or damaged."""
    identity = read_identity(path)
    if identity is None:
        raise ConfigError(
            f"the identity that opens the fleet's keys is missing: {path}",
            hint=f"copy it from a backup, or from where it was made: install -m 600 FILE {shell_word(path)}; "
            "a new fleet begins with dkimctl fleet init, a relay with dkimctl fleet join NAME",
        )
    return identity


def current_number(database: Database) -> int:
    """Return the number of the fleet key that seals now; 0 where there is none yet."""
    return int(database.value("SELECT fleet_key FROM dkimctl.fleet"))


def hold_current(database: Database, vault: Vault) -> None:
    """Let nobody turn the fleet key over before the transaction ends: what is sealed under an older one opens no more.

    Comes first in a transaction: who turns it over waits for it, and locks domains later. Raises Unavailable when that
    has happened since the vault was opened.
    """
    database.run("LOCK TABLE dkimctl.key IN ROW EXCLUSIVE MODE")
    if current_number(database) != vault.number:
        raise _turned_over()


def _turned_over() -> Unavailable:
    return Unavailable("the fleet key was turned over meanwhile (fleet remove)", hint=RUN_AGAIN)


def hold_keys(database: Database) -> None:
    """Wait until nobody is writing keys, and let nobody write one before the transaction ends."""
    database.run("LOCK TABLE dkimctl.key IN SHARE ROW EXCLUSIVE MODE")


def make_first_key(database: Database, identity: Identity) -> bool:
    """Make the fleet key, wrapped for an operator's identity, where there is none; return whether it was made."""
    with database.transaction():
        if database.value("SELECT fleet_key FROM dkimctl.fleet FOR UPDATE"):
            return False
        add_fleet_key(database, 1, {identity.recipient: None})
    return True


def add_fleet_key(database: Database, number: int, recipients: dict[str, str | None]) -> bytes:
    """Make the fleet key of this number the current one, and return it; to be called in a transaction.

    `recipients`: the relay's name of each recipient, None for an operator's.
    """
    secret = new_secret()
    wrap_for(database, number, secret, recipients.items())
    database.run("UPDATE dkimctl.fleet SET fleet_key = %s", (number,))
    return secret


def wrap_for(database: Database, number: int, secret: bytes, recipients: Iterable[tuple[str, str | None]]) -> None:
    """Store a fleet key in an envelope for each of these recipients, which come with their relay's name."""
    for recipient, relay in recipients:
        database.run(
            "INSERT INTO dkimctl.fleet_key_wrap (fleet_key, recipient, relay, wrapped) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (fleet_key, recipient) DO UPDATE SET relay = EXCLUDED.relay, wrapped = EXCLUDED.wrapped",
            (number, recipient, relay, wrap(secret, [recipient])),
        )


def _secret(envelope: bytes, identity: Identity, number: int) -> bytes:
    secret = unwrap(envelope, identity)
    if len(secret) != SECRET_BYTES:
        raise Refused(
            f"what is wrapped as the fleet key {number} is none", hint="restore the database from a complete backup"
        )
    return secret


def _try(database: Database, vault: Vault) -> None:
    """Raise CheckFailed unless one of the keys opens: a fleet key that was exchanged would seal for others to read."""
    found = database.row(
        "SELECT sealed, domain, selector, identity FROM dkimctl.key WHERE fleet_key = %s LIMIT 1", (vault.number,)
    )
    if found:
        sealed, domain, selector, identity = found
        vault.unseal(vault.number, bytes(sealed), domain=domain, selector=selector, identity=identity)
