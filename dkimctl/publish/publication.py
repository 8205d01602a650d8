"""The values of a publication: its options, its progress events, and the result for each key."""

from dataclasses import dataclass
from enum import StrEnum

from dkimctl.config.settings import DomainSettings
from dkimctl.errors import DkimctlError
from dkimctl.providers.base import DEFAULT_JOBS, Change, Pace, ProviderRecord
from dkimctl.publish.plan import Overrides

DEFAULT_TIMEOUT = 600.0  # seconds; OVH's own servers were seen to take 110 ± 100, and more on a bad day


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a publication."""

    dry_run: bool = False
    wait: bool | None = None
    """None: wait where the provider serves changes without a further step by a person."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds to wait for the authoritative servers, for each name."""
    jobs: int = DEFAULT_JOBS
    """How many zones to change at a time."""
    replace: bool = False
    """Also replace records that hold another key or another text."""
    accept_limits: bool = False
    """Publish despite known provider limits; the read-back decides."""
    ttl: int | None = None
    """Seconds; None: as configured for the domain, else unchanged."""
    plan_digest: str | None = None
    """Apply only the plan with this digest, as shown by a dry run."""
    rate: float | None = None
    """Requests a second for each credential; 0: no limit; None: 20, but none to a name server of one's own."""

    def ttl_of(self, domain: DomainSettings) -> int | None:
        """Return the TTL that a domain's records are to have; None leaves it to what is there, or to the provider."""
        return self.ttl or domain.ttl

    @property
    def overrides(self) -> Overrides:
        """The explicit permissions among the options."""
        return Overrides(self.replace, self.accept_limits)

    @property
    def pace(self) -> Pace:
        """The rate limit for requests to the provider."""
        return Pace(self.rate, self.jobs)


class PublishOutcome(StrEnum):
    """The outcome for one key."""

    PLANNED = "planned"
    BY_HAND = "by hand"
    UNCHANGED = "unchanged"
    PUBLISHED = "published"
    FAILED = "failed"
    NOT_BEGUN = "not begun"


@dataclass(frozen=True, slots=True)
class Publication:
    """The publication of one key's record: its state, and at the end its result."""

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
    """The records at the name before."""
    changes: tuple[Change, ...] = ()
    """The changes made, or in a dry run planned."""
    activated: bool = False
    """True when the provider was asked to serve it."""
    served: bool | None = None
    """True when every authoritative server was seen to serve exactly this record, or several resolvers where no server
    can be reached; None when none was queried."""
    servers: int = 0
    """How many addresses of authoritative servers serve it; 0 when only resolvers could be reached."""
    next_step: str = ""
    """The step that a person must still take before it is served."""
    error: DkimctlError | None = None
    """The error, if any; the outcome says how far the publication came nevertheless."""

    @property
    def exit_code(self) -> int:
        """The exit code of this key."""
        return self.error.exit_code if self.error else 0


@dataclass(frozen=True, slots=True)
class Progress:
    """A progress message about a zone or a name."""

    subject: str
    text: str


Event = Publication | Progress
