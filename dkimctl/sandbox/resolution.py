"""Answer DNS queries: zones as tables of names, NXDOMAIN and NODATA, CNAMEs, wildcards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

from dkimctl.sandbox.records import TEXT_TYPES, Record
from dkimctl.sandbox.served import Served
from dkimctl.sandbox.targets import character_strings

IN = dns.rdataclass.IN
MAXIMUM_CHAIN = 8
"""The maximum number of CNAMEs that an answer follows."""


@dataclass(slots=True)
class Resolution:
    """The parts of an answer; `authoritative` refers to the first name."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    authoritative: bool = True
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    referred: bool = False


class Table:
    """A served zone, indexed by name. Names without records but with names below them exist."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.origin = dns.name.from_text(served.name)
        self._records: dict[str, list[Record]] = {"": []}
        for record in served.records:
            name = record.sub_domain.lower().rstrip(".")
            self._records.setdefault(name, []).append(record)
            while "." in name:
                name = name.partition(".")[2]
                self._records.setdefault(name, [])
        self._cuts = {
            record.sub_domain.lower() for record in served.records if record.field_type == "NS" and record.sub_domain
        }
        self._sets: dict[str, dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset]] = {}

    def find(self, name: dns.name.Name) -> dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset] | None:
        """Return the record sets of a name below the origin, those of a wildcard, or None when it does not exist."""
        relative = name.relativize(self.origin)
        text = "" if relative == dns.name.empty else relative.to_text().lower()
        if text in self._records:
            return self._record_sets(text)
        while text:
            text = text.partition(".")[2]
            if text in self._records or not text:
                wildcard = f"*.{text}".rstrip(".")
                return self._record_sets(wildcard) if wildcard in self._records else None
        return None

    def referral(self, name: dns.name.Name) -> dns.rrset.RRset | None:
        """Return the NS set of the delegated child zone that contains a name, or None."""
        cut, ancestor = "", name
        while self._cuts and ancestor != self.origin:
            text = ancestor.relativize(self.origin).to_text().lower()
            cut = text if text in self._cuts else cut
            ancestor = ancestor.parent()
        servers = self._record_sets(cut).get(dns.rdatatype.NS) if cut else None
        return _rrset(dns.name.from_text(cut, self.origin), servers) if servers else None

    def soa(self) -> dns.rdataset.Rdataset:
        """Return the SOA as a record set."""
        soa = self.served.soa
        numbers = f"{soa.serial} {soa.refresh} 3600 {soa.expire} {soa.minimum}"
        rdata = dns.rdata.from_text(IN, dns.rdatatype.SOA, f"{soa.server} {soa.email} {numbers}")
        return dns.rdataset.from_rdata(soa.ttl, rdata)

    def denial(self) -> dns.rrset.RRset:
        """Return the SOA for the authority section of a negative answer (RFC 2308, section 3)."""
        soa = self.soa()
        return dns.rrset.from_rdata_list(self.origin, min(soa.ttl, self.served.soa.minimum), list(soa))

    def _record_sets(self, text: str) -> dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset]:
        if text not in self._sets:
            sets: dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset] = {}
            for record in self._records[text]:
                rdata = served_rdata(record, self.origin)
                if rdata is not None:
                    ttl = record.ttl or self.served.soa.ttl
                    sets.setdefault(rdata.rdtype, dns.rdataset.Rdataset(IN, rdata.rdtype)).add(rdata, ttl)
            if text == "":
                sets[dns.rdatatype.SOA] = self.soa()
            self._sets[text] = sets
        return self._sets[text]


class Tables:
    """The tables of all zones, rebuilt when a zone changes."""

    def __init__(self, zones: Mapping[str, Callable[[], Served]]) -> None:
        self._zones = zones
        self._tables: dict[str, Table] = {}

    def find(self, name: dns.name.Name, instead: Mapping[str, Served]) -> Table:
        """Return the table of the zone that contains a name, or the root's; `instead`: older states to use."""
        text = name.to_text(omit_final_dot=True).lower()
        while text not in self._zones:
            text = text.partition(".")[2]
        if text in instead:
            return Table(instead[text])
        served = self._zones[text]()
        table = self._tables.get(text)
        if table is None or table.served is not served:
            table = self._tables[text] = Table(served)
        return table


def resolve(tables: Tables, question: dns.rrset.RRset, *, recursive: bool, instead: Mapping[str, Served]) -> Resolution:
    """Answer a query. A resolver knows the root; an authoritative server refuses names outside its zones.

    A delegation to outside and an endless chain of CNAMEs are a resolver's SERVFAIL.
    """
    name: dns.name.Name | None = question.name
    seen, result = set[dns.name.Name](), Resolution()
    while name is not None and name not in seen and len(seen) < MAXIMUM_CHAIN:
        table = tables.find(name, instead)
        if not recursive and table.origin == dns.name.root:
            return result if result.answer else Resolution(dns.rcode.REFUSED, authoritative=False)
        seen.add(name)
        name = _step(table, name, question.rdtype, result)
    if recursive and (result.referred or name is not None):
        return Resolution(dns.rcode.SERVFAIL, authoritative=False)
    return result


def _step(
    table: Table, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, result: Resolution
) -> dns.name.Name | None:
    """Add a zone's answer for one name. Return the target when it is a CNAME to follow."""
    if referral := table.referral(name):
        result.authority.append(referral)
        result.referred, result.authoritative = True, bool(result.answer)
        return None
    sets = table.find(name)
    if sets is None:
        result.rcode = dns.rcode.NXDOMAIN
        result.authority.append(table.denial())
        return None
    cname = sets.get(dns.rdatatype.CNAME)
    if cname is not None and rdtype not in (dns.rdatatype.CNAME, dns.rdatatype.ANY):
        result.answer.append(_rrset(name, cname))
        target: dns.name.Name = next(iter(cname)).target
        return target
    wanted = [found for found in sets.values() if rdtype in (found.rdtype, dns.rdatatype.ANY)]
    result.answer += [_rrset(name, found) for found in wanted]
    if not wanted:
        result.authority.append(table.denial())
    return None


def _rrset(name: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))


def served_rdata(record: Record, origin: dns.name.Name) -> dns.rdata.Rdata | None:
    """Return the record's data for DNS, or None for a record that no name server would load."""
    if record.field_type in TEXT_TYPES:
        return dns.rdtypes.ANY.TXT.TXT(IN, dns.rdatatype.TXT, character_strings(record.target))
    try:
        return dns.rdata.from_text(IN, record.field_type, record.target, origin=origin, relativize=False)
    except (dns.exception.DNSException, ValueError):
        return None
