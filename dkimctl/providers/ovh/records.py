"""Records in the API's forms, and ours: fields of JSON, and the text of a zone from `GET …/export`."""

import re
from collections import defaultdict
from collections.abc import Collection
from urllib.parse import quote, urlencode

from dkimctl.names import relative_name
from dkimctl.providers.base import ProviderRecord
from dkimctl.record.presentation import parse_quoted_strings

RELEVANT_TYPES = ("DKIM", "TXT", "CNAME")  # the types that the name of a key record may have
_LINE = re.compile(r"(?P<owner>\S*)\s+(?:(?P<ttl>[0-9]{1,10})\s+)?IN\s+(?P<type>[A-Z]+)\s+(?P<target>.*\S)\s*")
_IN_PARENTHESES = re.compile(r"\(\s*(.*\S)\s*\)")


def zone_path(zone: str, rest: str = "", **query: str) -> str:
    """Return the path `/domain/zone/{zone}…`, encoded: the library does not encode paths."""
    path = f"/domain/zone/{quote(zone, safe='')}{rest}"
    return f"{path}?{urlencode(query)}" if query else path


def to_wire(record: ProviderRecord, zone: str) -> dict[str, object]:
    """Return the changeable fields of a record: name, text, ttl. The text is unquoted; OVH splits it."""
    return {"subDomain": relative_name(record.name, zone), "target": record.text, "ttl": record.ttl}


def from_wire(fields: object, zone: str) -> ProviderRecord | None:
    """Return a record from the API's fields, or None when it is of another type."""
    if not isinstance(fields, dict) or fields.get("fieldType") not in RELEVANT_TYPES:
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
    """Return a TTL; 0, the zone's default, for an invalid one (RFC 2181 §8)."""
    return ttl if isinstance(ttl, int) and 0 < ttl < 2**31 else 0


def joined(target: str) -> str:
    """Return the text of a target: the API returns TXT as quoted strings of 255 octets, DKIM unquoted."""
    text = parse_quoted_strings(target)
    return target.strip() if text is None else text


def _absolute(target: str, zone: str) -> str:
    """Return a CNAME's absolute target; without final dot in the answer it is relative to the zone."""
    lower = target.lower()
    return lower.rstrip(".") if lower.endswith(".") else f"{lower}.{zone}"


def records_in(text: str, zone: str, names: Collection[str]) -> dict[str, tuple[ProviderRecord, ...]]:
    """Return the TXT or DKIM record, without id, of each of these names that has exactly one record.

    Names with other or unreadable records are left out: OVH documents no format for this text.
    """
    found: dict[str, list[ProviderRecord | None]] = defaultdict(list)
    owner = zone
    for line in text.split("\n"):  # not splitlines(): a text may contain the other line separators
        if line.startswith("$") and not line.startswith("$TTL"):
            return {}  # the names after an unknown directive cannot be interpreted
        if not line.strip() or line.startswith(("$", ";")):
            continue
        if not line[0].isspace():
            owner = _absolute_owner(line.split(maxsplit=1)[0], zone)
        if owner in names:
            found[owner].append(_record(owner, line))
    return {name: (one[0],) for name, one in found.items() if len(one) == 1 and one[0] is not None}


def _record(owner: str, line: str) -> ProviderRecord | None:
    match = _LINE.fullmatch(line)
    if match is None or match["type"] != "TXT":
        return None
    inner = _IN_PARENTHESES.fullmatch(match["target"])
    target = inner[1] if inner else match["target"]
    text = joined(target)
    if text == target:
        return None  # no quoted strings
    return ProviderRecord(owner, "DKIM" if inner else "TXT", text, int(match["ttl"] or 0))


def _absolute_owner(owner: str, zone: str) -> str:
    lower = owner.lower()
    if lower == "@":
        return zone
    return lower.rstrip(".") if lower.endswith(".") else f"{lower}.{zone}"
