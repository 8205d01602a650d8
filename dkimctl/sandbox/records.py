"""A record of a zone in the API's form."""

from dataclasses import dataclass
from typing import Any

# fmt: off
FIELD_TYPES = frozenset({
    "A", "AAAA", "CAA", "CNAME", "DKIM", "DMARC", "DNAME", "HTTPS", "LOC", "MX",
    "NAPTR", "NS", "PTR", "RP", "SPF", "SRV", "SSHFP", "SVCB", "TLSA", "TXT",
})
# fmt: on
"""The enumeration of the 2025 description, with the three types of 2026."""

TEXT_TYPES = frozenset({"TXT", "SPF", "DKIM", "DMARC"})
"""The types that are an ordinary TXT in DNS."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: `sub_domain` relative to the zone (the apex is empty), `ttl` in seconds (0: the zone's)."""

    id: int
    field_type: str
    sub_domain: str
    target: str
    ttl: int

    def as_json(self, zone: str) -> dict[str, Any]:
        """Return the object of `GET record/{id}`, with keys in the order of the real service."""
        return {
            "target": self.target,
            "ttl": self.ttl,
            "zone": zone,
            "fieldType": self.field_type,
            "id": self.id,
            "subDomain": self.sub_domain,
        }
