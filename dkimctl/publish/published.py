"""What is asked of a publication, what happens on its way, and what became of each key's record."""

from dataclasses import dataclass
from enum import StrEnum

from dkimctl.errors import DkimctlError
from dkimctl.providers.base import DEFAULT_JOBS, DEFAULT_RATE, Change, Pace, ProviderRecord
from dkimctl.publish.plan import Overrides

DEFAULT_TIMEOUT = 600.0  # seconds; OVH's own servers were seen to take 110 ± 100, and more on a bad day


@dataclass(frozen=True, slots=True)
class Choices:
    """How to publish."""

    dry_run: bool = False
    wait: bool | None = None
    """None: wait where the provider serves what it is given by itself."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds to wait for the authoritative servers, for each name."""
    jobs: int = DEFAULT_JOBS
    """Zones changed at a time."""
    replace: bool = False
    """Also replace records that hold another key or another text."""
    accept_limits: bool = False
    """Also try where the provider lacks what a key record needs; what was read back decides."""
    ttl: int | None = None
    """Seconds; None: as configured for the domain, else as it is."""
    plan_digest: str | None = None
    """Do this plan, as a dry run showed it, or nothing."""
    rate: float = DEFAULT_RATE
    """Requests a second for each credential; 0: as many as it takes."""

    @property
    def overrides(self) -> Overrides:
        """What may be done that is refused otherwise."""
        return Overrides(self.replace, self.accept_limits)

    @property
    def pace(self) -> Pace:
        """How fast the provider may be asked."""
        return Pace(self.rate, self.jobs)


class PublishOutcome(StrEnum):
    """What was done for one key."""

    PLANNED = "planned"
    BY_HAND = "by hand"
    UNCHANGED = "unchanged"
    PUBLISHED = "published"
    FAILED = "failed"
    NOT_BEGUN = "not begun"


@dataclass(frozen=True, slots=True)
class Publication:
    """What became of one key's record."""

    domain: str
    selector: str
    name: str
    """The owner name."""
    provider: str
    outcome: PublishOutcome
    zone: str = ""
    text: str = ""
    """The record as one string."""
    existing: tuple[ProviderRecord, ...] = ()
    """What stood at the name before."""
    changes: tuple[Change, ...] = ()
    """What was done, or in a dry run would be."""
    activated: bool = False
    """True when the provider was told to serve it."""
    served: bool | None = None
    """True when every authoritative server was seen to serve exactly this record, or several resolvers where no server
    can be asked; None when nothing was asked."""
    servers: int = 0
    """How many addresses of authoritative servers serve it; 0 when only resolvers could be asked."""
    next_step: str = ""
    """What a person must still do before it is served."""
    error: DkimctlError | None = None
    """What went wrong; the outcome tells how far it came all the same."""

    @property
    def exit_code(self) -> int:
        """What it contributes to the command's exit code."""
        return self.error.exit_code if self.error else 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that happened to a zone or a name on the way."""

    subject: str
    text: str


Event = Publication | Progress
