"""Sources of key records for verification: DNS, or the keys on this disk."""

from collections.abc import Iterable, Iterator

from dkimctl.config.settings import Lookup
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import Unavailable
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.keys.store import KeyName, KeyReader
from dkimctl.names import split_owner_name
from dkimctl.record.published_keys import record_of
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


def record_on_disk(store: KeyReader) -> FindRecord:
    """Finder of key records as they would be published, derived from the private keys of the store."""

    def find(owner: str) -> str | None:
        selector, domain = split_owner_name(owner)
        key = store.find(KeyName(domain, selector))
        return record_of(store, key).text if key else None

    return find
