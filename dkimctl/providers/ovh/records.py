"""Records as the API writes them and as we hold them."""

from urllib.parse import quote, urlencode

from dkimctl.names import relative_name
from dkimctl.providers.base import ProviderRecord
from dkimctl.record.presentation import parse_quoted_strings

LOOKED_AT = ("DKIM", "TXT", "CNAME")  # what may stand at the name of a key record


def zone_path(zone: str, rest: str = "", **query: str) -> str:
    """`/domain/zone/{zone}…`: the library encodes no part of a path."""
    path = f"/domain/zone/{quote(zone, safe='')}{rest}"
    return f"{path}?{urlencode(query)}" if query else path


def to_wire(record: ProviderRecord, zone: str) -> dict[str, object]:
    """What a change may say of a record: name, text, ttl. One string, without quotes: OVH cuts it itself."""
    return {"subDomain": relative_name(record.name, zone), "target": record.text, "ttl": record.ttl}


def from_wire(fields: object, zone: str) -> ProviderRecord | None:
    """A record of the API, or None when it is of a type that does not matter here."""
    if not isinstance(fields, dict) or fields.get("fieldType") not in LOOKED_AT:
        return None
    relative = str(fields.get("subDomain") or "").lower().rstrip(".")
    target = str(fields.get("target") or "")
    kind = str(fields["fieldType"])
    return ProviderRecord(
        name=f"{relative}.{zone}" if relative else zone,
        field_type=kind,
        text=_absolute(target, zone) if kind == "CNAME" else joined(target),
        ttl=_seconds(fields.get("ttl")),
        id=str(fields.get("id") or ""),
    )


def _seconds(ttl: object) -> int:
    """Return a TTL; 0, the zone's default, for what is none (RFC 2181 §8)."""
    return ttl if isinstance(ttl, int) and 0 < ttl < 2**31 else 0


def joined(target: str) -> str:
    """The text of a target: TXT comes back as quoted strings of 255 octets, DKIM as it is."""
    text = parse_quoted_strings(target)
    return target.strip() if text is None else text


def _absolute(target: str, zone: str) -> str:
    """A CNAME's target; without final dot in the answer it is relative to the zone."""
    lower = target.lower()
    return lower.rstrip(".") if lower.endswith(".") else f"{lower}.{zone}"
