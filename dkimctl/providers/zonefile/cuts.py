"""Refuse names that a zone delegates to another zone."""

from dkimctl.errors import Refused
from dkimctl.providers.zonefile.parse import ZoneText


def refuse_below_cut(zone: ZoneText, name: str) -> None:
    """Raise Refused for a name at or below an NS record, or below a DNAME: a record there would not be visible.

    RFC 1034 §4.2.1 (zone cuts), RFC 6672 §2.3 (DNAME).
    """
    for record in zone.records:
        is_cut = record.type == "NS" and record.owner != zone.zone and _is_within(name, record.owner)
        is_redirected = record.type == "DNAME" and name != record.owner and _is_within(name, record.owner)
        if is_cut or is_redirected:
            what = "is a zone of its own (NS records)" if is_cut else "is redirected (a DNAME)"
            raise Refused(
                f"{record.owner} {what} in {zone.path}: a record at {name} would not be visible",
                hint=f"publish it in the zone of {record.owner}: name that zone and its provider in the configuration",
            )


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")
