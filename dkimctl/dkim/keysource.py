"""Sources of key records for verification: DNS, or the keys on this disk."""

from collections.abc import Iterable, Iterator

from dkimctl.config.settings import Lookup, Settings
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import CheckFailed, Unavailable
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.keys.store import KeyName, KeyReader
from dkimctl.names import split_owner_name
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.record.presentation import character_strings
from dkimctl.record.published_keys import NamedRecord, record_of
from dkimctl.verify.check import check
from dkimctl.verify.report import Target, Verdict


def record_in_dns(lookup: Lookup) -> FindRecord:
    """Return a finder that queries the authoritative servers, so that no cache is used or stores a missing record."""

    def find(owner: str) -> str | None:
        [(_, found)] = records_in_dns([owner], lookup)
        if isinstance(found, Unavailable):
            raise found
        return found

    return find


def records_in_dns(owners: Iterable[str], lookup: Lookup) -> Iterator[tuple[str, str | Unavailable | None]]:
    """Yield, for many names at once, each name with its record or the error, in order of arrival."""
    targets = {Target(*split_owner_name(owner)): owner for owner in owners}
    for report in check(targets, lookup, weak=not_looked_for):
        found: str | Unavailable | None = report.text
        if report.verdict is Verdict.UNKNOWN:
            worst = report.findings[0]
            found = Unavailable(f"{report.owner}: {worst.title}: {worst.seen}", hint=worst.fix)
        yield targets[report.target], found


def served_records(names: Iterable[KeyName], settings: Settings) -> list[NamedRecord]:
    """Return the key records of these names as DNS serves them.

    Raises CheckFailed for a name without a well-formed key record, Unavailable when DNS gives no answer.
    """
    owners = {settings.published_at(name.selector, name.domain): name for name in names}
    return [_served(owner, owners[owner], found) for owner, found in records_in_dns(owners, settings.lookup)]


def _served(owner: str, name: KeyName, found: str | Unavailable | None) -> NamedRecord:
    if isinstance(found, Unavailable):
        raise found
    record = parse_record(found) if found else None
    if not found or not isinstance(record, KeyRecord):
        raise CheckFailed(
            f"DNS serves no well-formed key record at {owner}", hint="print the one to publish: sudo dkimctl record"
        )
    strings = tuple(character_strings(found))
    return NamedRecord(name.domain, name.selector, owner, found, strings, record)


def record_on_disk(store: KeyReader) -> FindRecord:
    """Finder of key records as they would be published, derived from the private keys of the store."""

    def find(owner: str) -> str | None:
        selector, domain = split_owner_name(owner)
        key = store.find(KeyName(domain, selector))
        return record_of(store, key).text if key else None

    return find
