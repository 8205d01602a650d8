"""The database of keys: what a store can do, and the key that it hands out."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from dkimctl.errors import Refused
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey


class KeyName(NamedTuple):
    """All that is needed to find a key again: of many keys only the names are kept."""

    domain: str
    selector: str


class Key(NamedTuple):
    """One key of one domain, as the store knows it; the pair itself is loaded only when needed."""

    domain: str
    selector: str
    path: str
    """The private key file as the daemon is told it (without `--root`)."""
    metadata: Metadata

    @property
    def name(self) -> KeyName:
        """What it is found by."""
        return KeyName(self.domain, self.selector)

    @property
    def phase(self) -> Phase:
        """Where it stands in its life."""
        return self.metadata.phase


class KeyStore(Protocol):
    """Where keys live. The directory is the usual one; a fleet may keep them in a database."""

    def domains(self) -> Iterator[str]:
        """Every domain with a key, sorted."""

    def keys(self, domain: str) -> tuple[Key, ...]:
        """The keys of a domain, oldest first; empty when it has none."""

    def key(self, name: KeyName) -> Key:
        """One key, as it is now. Raises DiskError or CheckFailed when it is not there any more, or damaged."""

    def load(self, key: Key) -> KeyPair:
        """The pair. Raises DiskError or CheckFailed."""

    def public(self, key: Key) -> PublicKey:
        """The public half of the private key on the disk. Raises DiskError or CheckFailed."""

    def create(self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata) -> Key:
        """Keep a new key; `record` is its record in zone-file form. Raises Refused when the selector is taken."""

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Move a key to the next phase. Raises Refused when somebody else has moved it meanwhile."""


def taken(path: str) -> Refused:
    """The error for a key that is there already."""
    return Refused(
        f"{path} exists already; a private key is never overwritten",
        hint="choose another selector (-s), or use --if-missing to keep the key that is there",
    )


def signing_key(keys: tuple[Key, ...]) -> Key | None:
    """The key that signs: the active one; while none is, the newest that is not on its way out."""
    active = [key for key in keys if key.phase is Phase.ACTIVE]
    waiting = [key for key in keys if key.phase in (Phase.GENERATED, Phase.PUBLISHED, Phase.VERIFIED)]
    candidates = active or waiting
    return candidates[-1] if candidates else None


def published_keys(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """The keys whose records belong in DNS: all but the revoked and the purged."""
    return tuple(key for key in keys if key.phase not in (Phase.REVOKED, Phase.PURGED))
