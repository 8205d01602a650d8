"""One publication for programs."""

from dataclasses import dataclass

from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.publish.publication import Publication, PublishOutcome


@dataclass(frozen=True, slots=True)
class RecordValue:
    """A record at the provider."""

    type: str
    """The provider's field type, such as TXT or DKIM."""
    ttl: int | None
    """Seconds; None for the zone's default."""
    text: str


@dataclass(frozen=True, slots=True)
class ChangeValue:
    """A change that was made, or in a dry run is planned."""

    action: str
    """create, replace or delete."""
    before: RecordValue | None
    after: RecordValue | None


@dataclass(frozen=True, slots=True)
class ErrorValue:
    """Why one name failed."""

    message: str
    hint: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class PublicationValue:
    """The publication of one key's record."""

    domain: str
    selector: str
    name: str
    """The owner name."""
    provider: str
    zone: str | None
    """None where it is not known."""
    outcome: PublishOutcome
    record: str
    """The record as one string."""
    existing: tuple[RecordValue, ...]
    """The records at the name before."""
    changes: tuple[ChangeValue, ...]
    activated: bool
    """True when the provider was asked to serve it."""
    served: bool | None
    """True when every authoritative server was seen to serve exactly this record; None when none was asked."""
    servers: int
    """How many addresses of authoritative servers serve it; 0 when only resolvers could be reached."""
    next_step: str | None
    """The step that a person must still take before it is served."""
    error: ErrorValue | None


def publication_value(publication: Publication) -> PublicationValue:
    """Return one publication as it is printed."""
    error = publication.error
    return PublicationValue(
        publication.domain,
        publication.selector,
        publication.name,
        publication.provider,
        publication.zone or None,
        publication.outcome,
        publication.text,
        tuple(map(_record, publication.existing)),
        tuple(map(_change, publication.changes)),
        publication.activated,
        publication.served,
        publication.servers,
        publication.next_step or None,
        ErrorValue(error.message, error.hint, error.exit_code) if error else None,
    )


def _change(change: Change) -> ChangeValue:
    match change:
        case Create(record):
            return ChangeValue("create", None, _record(record))
        case Replace(before, after):
            return ChangeValue("replace", _record(before), _record(after))
        case Delete(record):
            return ChangeValue("delete", _record(record), None)


def _record(record: ProviderRecord) -> RecordValue:
    return RecordValue(record.field_type, record.ttl or None, record.text)
