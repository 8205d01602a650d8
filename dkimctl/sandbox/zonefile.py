"""The text of a zone: export in the service's form, and import of a zone file."""

from collections.abc import Iterable

import dns.exception
import dns.rdatatype
import dns.zone

from dkimctl.sandbox.answers import ErrorAnswer
from dkimctl.sandbox.records import FIELD_TYPES, TEXT_TYPES, Record
from dkimctl.sandbox.targets import is_key_record, joined, quote, quote_whole
from dkimctl.sandbox.zones import Zone


def export_text(zone: Zone) -> str:
    """Return the edited zone as text."""
    return text_of(zone, zone.edited)


def text_of(zone: Zone, records: Iterable[Record]) -> str:
    """Return these records as text; a DKIM is a TXT in parentheses, a TTL is written when the record has its own."""
    soa = zone.soa
    numbers = f"{soa.serial} {soa.refresh} 3600 {soa.expire} {soa.minimum}"
    head = [f"$TTL {soa.ttl}", f"@\tIN SOA {soa.server} {soa.email} ({numbers})"]
    in_order = sorted(records, key=lambda record: record.sub_domain)
    return "\n".join(head + [_line(record, zone) for record in in_order]) + "\n"


def import_text(zone: Zone, text: str) -> list[Record]:
    """Parse a zone file. Return its records without ids; SOA and default TTL are unchanged. Raises ErrorAnswer 400."""
    try:
        parsed = dns.zone.from_text(text, origin=zone.name, relativize=True, check_origin=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise ErrorAnswer(400, f"Invalid zone file : {error}") from None
    records = []
    for name, ttl, rdata in parsed.iterate_rdatas():
        field_type = dns.rdatatype.to_text(rdata.rdtype)
        if field_type in FIELD_TYPES:
            sub_domain = "" if name == dns.name.empty else name.to_text()
            own_ttl = 0 if ttl == zone.soa.ttl else ttl
            target = rdata.to_text(origin=parsed.origin, relativize=False)
            records.append(_typed(field_type, sub_domain, target, own_ttl))
    return records


def _line(record: Record, zone: Zone) -> str:
    ttl = str(record.ttl) if record.ttl else ""
    width = 22 - len(record.sub_domain)
    field_type = "TXT" if record.field_type in TEXT_TYPES else record.field_type
    return f"{record.sub_domain}{ttl:>{max(width, len(ttl) + 1)}} IN {field_type:<6} {_target(record, zone)}"


def _target(record: Record, zone: Zone) -> str:
    if record.field_type not in TEXT_TYPES:
        return record.target
    if record.field_type != "DKIM":
        return quote(record.target)
    whole = zone.switches.export_dkim == "whole"
    return f"( {quote_whole(record.target) if whole else quote(record.target)} )"


def _typed(field_type: str, sub_domain: str, target: str, ttl: int) -> Record:
    if field_type == "TXT" and is_key_record(target):
        return Record(0, "DKIM", sub_domain, joined(target), ttl)
    return Record(0, field_type, sub_domain, target, ttl)
