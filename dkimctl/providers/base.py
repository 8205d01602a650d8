"""The provider protocol, the check of its table in the configuration, and the values passed to and from a provider.

A provider finds the records at exact names and applies changes. `dkimctl.publish` decides what to change, from the
records that `find` returned. Other packages add providers through the entry-point group `dkimctl.providers`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dkimctl.clock import Clock
from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ConfigError
from dkimctl.providers.budget import SharedBudget

DEFAULT_RATE = 20.0
"""Requests a second to a service of others. A name server of one's own has no limit unless one is asked for."""
DEFAULT_JOBS = 4


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The features and limits of a provider's service; declared, never guessed from a record's text."""

    field_type: str
    """The record type under which key records are written: `DKIM` at OVH, `TXT` elsewhere."""
    fallback_type: str = ""
    """The record type for a key that is not RSA, where the service refuses it under `field_type`."""
    text_limit: int | None = None
    """The longest text that the service stores, in octets; None without limit."""
    minimum_ttl: int = 0
    """The lowest TTL that the service accepts, in seconds."""
    writes: bool = True
    """False when a person adds the records (`manual`)."""
    next_step: str = ""
    """The step that a person must still take before the records are served; empty when there is none."""
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
    """The provider's id of the record; empty for a record not created yet."""


@dataclass(frozen=True, slots=True)
class Create:
    """Create a record at a name."""

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
        """The provider's name in the configuration, in metadata and in messages."""

    @property
    def capabilities(self) -> Capabilities:
        """The features and limits of the service."""

    def zone_of(self, name: str) -> str:
        """Return the zone of this account for `name`: a domain, the zone itself, or an owner name. Raises ApiError."""

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Read the DKIM, TXT and CNAME records at exactly these names from the account now; every name is a key."""

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Apply the changes in this order; `activate` makes them effective.

        When an answer is lost, read before trying again: never create a second record. Raises ApiError at the first
        change that fails; the changes before it are done.
        """

    def activate(self, zone: str) -> None:
        """Make the applied changes effective (OVH: refresh). Harmless when there is nothing to do."""

    def is_active(self, zone: str) -> bool | None:
        """Return whether all applied changes are being served; None when unknown."""


@runtime_checkable
class KnowsNameServers(Protocol):
    """An optional feature of a provider: it knows the name servers of its zones."""

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """Return the host names of the zone's name servers at this provider; empty when unknown. Raises ApiError."""


@runtime_checkable
class Glances(Protocol):
    """An optional feature of a provider: a cheap check that many records are right already."""

    def glance(self, zone: str, names: Sequence[str]) -> Found:
        """Read the records at those of the names that can be read cheaply, from the account now; ids may be missing.

        Names that are missing or not right are read again with `find`. Raises ApiError.
        """


@dataclass(frozen=True, slots=True)
class Pace:
    """The rate limit for requests to an account."""

    rate: float | None = None
    """Requests a second; 0: no limit; None: as is usual for the provider."""
    jobs: int = DEFAULT_JOBS
    """Requests at a time."""


@dataclass(frozen=True, slots=True)
class ProviderSetup:
    """The arguments of a provider's factory."""

    argument: str
    """The text after the colon: PATH of `zonefile:PATH`; else empty."""
    options: Mapping[str, Option]
    """Its `[providers.NAME]` table."""
    settings: Settings
    clock: Clock
    pace: Pace = Pace()
    budget: SharedBudget | None = None
    """What every request takes a turn of first, where workers of several hosts share a credential."""


ProviderFactory = Callable[[ProviderSetup], Provider]
"""The type of the entry points in the group `dkimctl.providers`. Raises ConfigError."""


def unknown_keys(provider: str, options: Mapping[str, Option], known: Sequence[str]) -> list[str]:
    """Return a problem for each key that the provider does not know."""
    listed = ", ".join(known)
    return [f"[providers.{provider}] {key}: unknown; known here: {listed}" for key in options if key not in known]


def check_strings(provider: str, options: Mapping[str, Option], known: Sequence[str], *, hint: str) -> None:
    """Raise ConfigError with every unknown key, and every known one that is not a string."""
    problems = unknown_keys(provider, options, known)
    problems += [
        f"[providers.{provider}] {key}: must be a string" for key in known if not isinstance(options.get(key, ""), str)
    ]
    if problems:
        raise ConfigError(f"[providers.{provider}] has mistakes", hint=hint, problems=problems)
