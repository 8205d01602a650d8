"""An immutable state of a zone, as served by the name servers."""

from dataclasses import dataclass

from dkimctl.sandbox.records import Record


@dataclass(frozen=True, slots=True)
class Soa:
    """The SOA record; times in seconds."""

    server: str
    email: str
    serial: int
    refresh: int = 86400
    expire: int = 3600000
    minimum: int = 300
    ttl: int = 3600


@dataclass(frozen=True, slots=True)
class Served:
    """A zone; `name` without final dot, records in no particular order."""

    name: str
    soa: Soa
    records: tuple[Record, ...]
