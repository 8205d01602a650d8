"""Read the text of a zone from `GET …/export`: a line for each record, a DKIM as a TXT in parentheses."""

import re
from collections import defaultdict
from collections.abc import Collection

from dkimctl.providers.base import ProviderRecord
from dkimctl.providers.ovh.records import joined

_LINE = re.compile(r"(?P<owner>\S*)\s+(?:(?P<ttl>[0-9]{1,10})\s+)?IN\s+(?P<type>[A-Z]+)\s+(?P<target>.*\S)\s*")
_IN_PARENTHESES = re.compile(r"\(\s*(.*\S)\s*\)")


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
            owner = _absolute(line.split(maxsplit=1)[0], zone)
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


def _absolute(owner: str, zone: str) -> str:
    lower = owner.lower()
    if lower == "@":
        return zone
    return lower.rstrip(".") if lower.endswith(".") else f"{lower}.{zone}"
