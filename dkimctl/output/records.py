"""A key record laid out for the place where it is to be pasted."""

from collections.abc import Sequence

from dkimctl.names import split_owner_name
from dkimctl.record.published_keys import NamedRecord
from dkimctl.record.text import cname_line, one_line, zone_lines


def record_text(named: NamedRecord, form: str) -> str:
    """Return the record in one of the forms zone, oneline and ovh; ends with a line feed."""
    if form == "oneline":
        return one_line(named.owner, named.record) + "\n"
    if form == "ovh":
        return _ovh(named)
    return zone_lines(named.owner + ".", named.record, f"DKIM key {named.selector} for {named.domain}")


def aliases_text(found: Sequence[NamedRecord], form: str) -> str:
    """Return what the customers of delegated domains add, each CNAME once; empty when no domain is delegated."""
    aliases = {alias: named.domain for named in found for alias in named.aliases}
    lines = []
    for domain in dict.fromkeys(aliases.values()):
        if form != "oneline":
            mark = "#" if form == "ovh" else ";"
            lines.append(f"{mark} {domain}: its owner adds these once, so that each rotation reaches it")
        lines += [cname_line(alias.owner, alias.target) for alias, its in aliases.items() if its == domain]
    return "".join(line + "\n" for line in lines)


def _ovh(named: NamedRecord) -> str:
    """Return the fields of OVH's form. The type is DKIM: the form for TXT cuts the text after 255 characters."""
    return (
        f"# {split_owner_name(named.owner)[1]}: OVH panel, DNS zone, Add an entry, DKIM (not TXT)\n"
        f"Type:       DKIM\n"
        f"Sub-domain: {named.owner.removesuffix('.' + split_owner_name(named.owner)[1])}\n"
        f"Target:     {named.text}\n"
    )
