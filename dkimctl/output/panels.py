"""A record as the forms of well-known DNS panels ask for it, each value to be copied as a whole line."""

from collections.abc import Iterator
from dataclasses import dataclass

from dkimctl.names import relative_name, split_owner_name
from dkimctl.output.layout import GAP, Block, Line, heading, message
from dkimctl.publish.publication import Publication
from dkimctl.record.presentation import quoted_strings


@dataclass(frozen=True, slots=True)
class Panel:
    """The form of a provider's web panel."""

    who: str
    name: str
    """What it calls the field for the name, which it wants relative to the zone."""
    type: str
    value: str
    """What it calls the field for the text."""
    in_strings: bool = False
    """True where the text is to be cut into strings in quotes; else the panel does that itself."""


PANELS = (
    Panel("OVH (the form for DKIM: that for TXT cuts the value)", "sub-domain", "DKIM", "target"),
    Panel("Azure DNS, Cloudflare, DigitalOcean, Namecheap, and most others", "name", "TXT", "value"),
    Panel("Amazon Route 53, Google Cloud DNS, and where strings in quotes are wanted", "name", "TXT", "value", True),
)


def to_paste(publication: Publication) -> Iterator[Block]:
    """Return the record for each kind of form, and as a line for a zone file."""
    zone = publication.zone or split_owner_name(publication.name)[1]
    strings = quoted_strings(publication.text)
    name = relative_name(publication.name, zone)
    yield message(f"{publication.name}: add this record where the zone of {zone} is kept")
    for panel in PANELS:
        yield GAP
        yield heading(panel.who)
        value = strings if panel.in_strings else publication.text
        for field, content in ((panel.name, name), ("type", panel.type), (panel.value, value)):
            yield Line(f"  {field:10}  {content}")
    yield GAP
    yield heading("as a line of a zone file, or where the name is wanted in full")
    yield Line(f"{publication.name}. IN TXT {strings}")
