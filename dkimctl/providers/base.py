"""What a provider can do, and the values that go to it and come back.

A provider finds the records at exact names and applies changes. It never decides: what to change is decided in
`dkimctl.publish`, from what `find` returned. Others are added through the entry-point group `dkimctl.providers`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dkimctl.clock import Clock
from dkimctl.config.settings import Option, Settings

DEFAULT_RATE = 20.0
DEFAULT_JOBS = 4


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider's service can hold; declared, never guessed from a record's text."""

    field_type: str
    """The record type under which key records are written: `DKIM` at OVH, `TXT` elsewhere."""
    fallback_type: str = ""
    """The type a key that is not RSA may stand under instead, where the service refuses it under `field_type`."""
    text_limit: int | None = None
    """The longest text it stores, in octets, or None without limit."""
    minimum_ttl: int = 0
    """Seconds."""
    writes: bool = True
    """False when a person does the writing (`manual`)."""
    next_step: str = ""
    """What a person must still do before the records are served; empty when nothing."""
    knows_its_zones: bool = False
    """True when reading a zone that the account lacks is an ApiError of status 403 or 404: no need to ask first."""


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """A record as the provider holds it."""

    name: str
    """Absolute, lower-case, without final dot."""
    field_type: str
    """`DKIM`, `TXT` or `CNAME`."""
    text: str
    """Joined, without quotes; for a CNAME its target, without final dot."""
    ttl: int = 0
    """Seconds; 0 means the zone's default."""
    id: str = ""
    """How the provider refers to it; empty for a record that is still to be made."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a record at a name."""

    record: ProviderRecord

    @property
    def name(self) -> str:
        """The owner name."""
        return self.record.name


@dataclass(frozen=True, slots=True)
class Replace:
    """Change the text or ttl of a record in place."""

    before: ProviderRecord
    after: ProviderRecord

    @property
    def name(self) -> str:
        """The owner name."""
        return self.before.name


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record."""

    record: ProviderRecord

    @property
    def name(self) -> str:
        """The owner name."""
        return self.record.name


Change = Create | Replace | Delete
Found = Mapping[str, Sequence[ProviderRecord]]


class Provider(Protocol):
    """One account at one service. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """What it is called in the configuration, in metadata and in messages."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can hold."""

    def zone_of(self, name: str) -> str:
        """The zone of this account that holds `name`: a domain, the zone itself, or an owner name. Raises ApiError."""

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """The DKIM, TXT and CNAME records at exactly these names, read from the account now; every name is a key."""

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Do the changes in this order; `activate` makes them effective.

        When an answer is lost, look before trying again: never a second record. Raises ApiError at the first change
        that cannot be done; those before it are done.
        """

    def activate(self, zone: str) -> None:
        """Make the applied changes effective (OVH: refresh). Harmless when there is nothing to do."""

    def is_active(self, zone: str) -> bool | None:
        """True when all applied changes are being served; None when it cannot tell."""


@runtime_checkable
class KnowsNameServers(Protocol):
    """What a provider may offer besides: where it serves a zone from."""

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """The host names of the zone's name servers at this provider; empty when unknown. Raises ApiError."""


@runtime_checkable
class Glances(Protocol):
    """What a provider may offer besides: to see cheaply that many records are right already."""

    def glance(self, zone: str, names: Sequence[str]) -> Found:
        """The records at those of the names that it can tell of, read from the account now; their ids may be missing.

        Whatever is not right, or not told, is looked at with `find`. Raises ApiError.
        """


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an account may be asked."""

    rate: float = DEFAULT_RATE
    """Requests a second; 0: no limit."""
    jobs: int = DEFAULT_JOBS
    """Requests at a time."""


@dataclass(frozen=True, slots=True)
class ProviderSetup:
    """What a provider is made from."""

    argument: str
    """What stood behind the colon: PATH of `zonefile:PATH`; else empty."""
    options: Mapping[str, Option]
    """Its `[providers.NAME]` table."""
    settings: Settings
    clock: Clock
    pace: Pace = Pace()


ProviderFactory = Callable[[ProviderSetup], Provider]
"""What an entry point of the group `dkimctl.providers` leads to. Raises ConfigError."""
