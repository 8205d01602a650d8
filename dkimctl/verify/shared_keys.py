"""One key published for several domains: a choice, which the later ones of the reports name."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dkimctl.catalogue import record_keys
from dkimctl.findings import finding
from dkimctl.verify.report import Report, Verdict, in_order


def with_shared_keys(reports: Iterable[Report]) -> Iterator[Report]:
    """Yield each report as it comes; one with the key of another domain's has DKIM311 as well.

    For some hundred names: every key is kept. A report in brief has its key only where it was known before.
    """
    owners: dict[str, Report] = {}
    for report in reports:
        key = _key_of(report)
        first = owners.setdefault(key, report) if key else report
        if first.domain == report.domain:
            yield report
            continue
        found = finding(record_keys.SHARED, report.owner, f"the same key as {first.owner}")
        yield replace(report, findings=in_order([*report.findings, found]))


def _key_of(report: Report) -> str:
    """Return the base64 of the published key; empty where it is not known."""
    if report.record is not None:
        return "".join(report.record.get("p").split())
    expected = report.target.expected
    return expected.base64 if expected is not None and report.verdict is Verdict.RIGHT else ""
