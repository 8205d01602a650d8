"""Rows of the table `key`, read and written: metadata as JSON, private keys sealed."""

from typing import NamedTuple

from dkimctl.errors import Refused
from dkimctl.fleet.database import Row
from dkimctl.fleet.vault import Vault
from dkimctl.keys import metadata as meta
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import IN_USE, WITHOUT_FILE, Metadata
from dkimctl.keys.pair import parse_public
from dkimctl.names import printable

SELECT = "SELECT domain, stem, selector, identity, metadata::text, sealed IS NOT NULL FROM dkimctl.key"
"""The columns that `key_row` reads."""


class KeyRow(NamedTuple):
    """One row, without the private key."""

    domain: str
    stem: str
    """The start of its file names in a key directory: the selector, or of a slot's later key, more."""
    selector: str
    identity: str
    metadata: Metadata
    is_held: bool
    """True when the private key is there."""

    @property
    def is_key(self) -> bool:
        """Return True for what a key directory lists: one with a private key, or that needs none any more."""
        return self.is_held or bool(self.metadata.path) or self.metadata.phase in WITHOUT_FILE

    @property
    def is_lost(self) -> bool:
        """Return True for a key in use whose private key is gone."""
        return not self.is_held and not self.metadata.path and self.metadata.phase in IN_USE


class SealedKey(NamedTuple):
    """A private key as it is in the database, with its row's other names."""

    sealed: bytes
    fleet_key: int
    selector: str
    identity: str


def key_row(row: Row) -> KeyRow:
    """Return a row of SELECT. Raises CheckFailed for damaged metadata."""
    domain, stem, selector, identity, text, is_held = row
    return KeyRow(domain, stem, selector, identity, read_metadata(text, domain, stem), is_held)


def read_metadata(text: str, domain: str, stem: str) -> Metadata:
    """Return the metadata in a row. Raises CheckFailed when they are damaged."""
    return meta.from_json(text.encode(), f"the row {stem} of {domain} in the database")


def metadata_text(metadata: Metadata, domain: str, stem: str) -> str:
    """Return metadata as they are stored. Raises Refused for characters that no database of PostgreSQL can hold."""
    try:
        text = meta.to_json(metadata).decode()
    except UnicodeDecodeError:
        text = "\\u0000"
    if "\\u0000" in text:
        raise Refused(
            f"the metadata of {printable(stem)} of {domain} have a character that the database cannot hold",
            hint="correct its provider, tags or notes in the .json file",
        )
    return text


def identity_in(content: bytes | None, metadata: Metadata, source: str) -> str:
    """Return a key's identity: of its private key where there is one, else as noted; empty where it is not known.

    Raises CheckFailed for a private key that is none.
    """
    if content is not None:
        return identity_of((metadata.public_of(content) or parse_public(content, source)).base64)
    return identity_of(metadata.public) if metadata.public else ""


def open_sealed(vault: Vault, found: SealedKey, domain: str) -> bytes:
    """Return the content of a private key file. Raises as `Vault.unseal`."""
    return vault.unseal(found.fleet_key, found.sealed, domain=domain, selector=found.selector, identity=found.identity)
