"""A key record laid out for the place where it is to be pasted."""

from dkimctl.lifecycle.records import NamedRecord
from dkimctl.record.text import one_line, zone_lines


def record_text(named: NamedRecord, form: str) -> str:
    """The record in one of the forms zone, oneline and ovh; ends with a line feed."""
    if form == "oneline":
        return one_line(named.owner, named.record) + "\n"
    if form == "ovh":
        return _ovh(named)
    return zone_lines(named.owner + ".", named.record, f"DKIM key {named.selector} for {named.domain}")


def _ovh(named: NamedRecord) -> str:
    """The fields of OVH's form. The type is DKIM: the form for TXT cuts the text after 255 characters."""
    return (
        f"# {named.domain}: OVH panel, DNS zone, Add an entry, DKIM (not TXT)\n"
        f"Type:       DKIM\n"
        f"Sub-domain: {named.owner.removesuffix('.' + named.domain)}\n"
        f"Target:     {named.text}\n"
    )
