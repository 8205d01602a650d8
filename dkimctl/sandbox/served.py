"""What name servers know of a zone at one moment."""

from dataclasses import dataclass

from dkimctl.sandbox.records import Record


@dataclass(frozen=True, slots=True)
class Soa:
    """The start of authority; all but the names in seconds."""

    server: str
    email: str
    serial: int
    refresh: int = 86400
    expire: int = 3600000
    minimum: int = 300
    ttl: int = 3600


@dataclass(frozen=True, slots=True)
class Served:
    """A zone; `name` without the trailing dot, records in no order."""

    name: str
    soa: Soa
    records: tuple[Record, ...]
