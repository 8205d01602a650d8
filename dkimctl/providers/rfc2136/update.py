"""Build the update message for one name, and convert dnspython's record sets to and from ours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.record.presentation import quoted_strings

if TYPE_CHECKING:
    import dns.rdata
    import dns.rdataset
    import dns.update

DEFAULT_TTL = 3600  # seconds; the protocol does not reveal a zone's default


def records_of(name: str, sets: "Sequence[dns.rdataset.Rdataset]") -> tuple[ProviderRecord, ...]:
    """Return the records of these sets. Their id is their data in presentation form, with the strings as split."""
    return tuple(_record(name, rdata, found.ttl) for found in sets for rdata in found)


def _record(name: str, rdata: "dns.rdata.Rdata", ttl: int) -> ProviderRecord:
    from dns.rdtypes.ANY.TXT import TXT

    data = rdata.to_text()
    if isinstance(rdata, TXT):
        return ProviderRecord(name, "TXT", b"".join(rdata.strings).decode("latin-1"), ttl, data)
    return ProviderRecord(name, "CNAME", data.lower().rstrip("."), ttl, data)


def update_message(
    zone: str, name: str, present: "Sequence[dns.rdataset.Rdataset]", changes: Sequence[Change]
) -> "dns.update.UpdateMessage":
    """Return the update for these changes, on condition that the name has exactly the `present` sets.

    Foreign changes are never overwritten: RFC 2136 §2.4.2 (the set exists, by value), §2.4.3 (there is none).
    """
    import dns.name
    import dns.rdatatype
    import dns.update

    message = dns.update.UpdateMessage(zone)
    owner = dns.name.from_text(name)
    for kind in (dns.rdatatype.TXT, dns.rdatatype.CNAME):
        sets = [found for found in present if found.rdtype == kind]
        for found in sets:
            message.present(owner, *found)  # one by one, since their ttl must be 0 here
        if not sets:
            message.absent(owner, kind)
    ttl = next((found.ttl for found in present), DEFAULT_TTL)
    _change(message, owner, changes, ttl)
    return message


def _change(
    message: "dns.update.UpdateMessage", owner: "dns.name.Name", changes: Sequence[Change], usual_ttl: int
) -> None:
    """Add the deletions first: a record that only gets another ttl must exist in the end. An update is atomic."""
    for change in changes:
        if not isinstance(change, Create):
            message.delete(owner, _rdata(change.before if isinstance(change, Replace) else change.record))
    for change in changes:
        if not isinstance(change, Delete):
            record = change.after if isinstance(change, Replace) else change.record
            message.add(owner, record.ttl or usual_ttl, new_rdata(change))


def _rdata(record: ProviderRecord) -> "dns.rdata.Rdata":
    """Return the data of a record that was found."""
    import dns.rdata

    return dns.rdata.from_text("IN", record.field_type, record.id)


def new_rdata(change: Create | Replace) -> "dns.rdata.Rdata":
    """Return the data of a record to create; a restored record gets its strings as they were split before."""
    import dns.rdata

    if isinstance(change, Create) and change.record.id:
        return _rdata(change.record)
    text = (change.after if isinstance(change, Replace) else change.record).text
    return dns.rdata.from_text("IN", "TXT", quoted_strings(text))


def expected_after(present: Sequence[ProviderRecord], changes: Sequence[Change]) -> frozenset[str]:
    """Return the ids of the records at the name after the changes."""
    ids = {record.id for record in present}
    for change in changes:
        if not isinstance(change, Create):
            ids.discard((change.before if isinstance(change, Replace) else change.record).id)
    return frozenset(ids | {new_rdata(change).to_text() for change in changes if not isinstance(change, Delete)})
