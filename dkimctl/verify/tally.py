"""What many reports come to, in a memory that does not grow with their number."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from dkimctl.findings import Severity
from dkimctl.verify.report import Report, Verdict

MOST_TOLD = 1000
"""Reports that are kept where not all of them were asked for: nobody reads more."""


@dataclass(slots=True)
class Tally:
    """Counts, and the reports that are worth keeping."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    findings: Counter[tuple[Severity, str, str]] = field(default_factory=Counter)
    """Severity, code and title → at how many names it was found."""
    keeps_all: bool = False
    """True to keep every report, right or not."""
    reports: list[Report] = field(default_factory=list)
    """All, or the first that are not right."""

    def add(self, report: Report, count: int = 1) -> None:
        """Count a report, or `count` reports that are equal to it."""
        self.verdicts[report.verdict] += count
        for kind in {(f.severity, f.code, f.title) for f in report.findings}:
            self.findings[kind] += count
        if self.keeps_all or (not report.is_right and len(self.reports) < MOST_TOLD):
            self.reports += [report] * count

    def merge(self, other: "Tally") -> None:
        """Count all of another tally."""
        self.verdicts.update(other.verdicts)
        self.findings.update(other.findings)
        self.reports += other.reports if self.keeps_all else other.reports[: MOST_TOLD - len(self.reports)]

    @property
    def untold(self) -> int:
        """The number of names that were not right and are not among the reports."""
        return self.count - self.verdicts[Verdict.RIGHT] - sum(not report.is_right for report in self.reports)

    @property
    def count(self) -> int:
        """The number of reports."""
        return sum(self.verdicts.values())

    @property
    def severities(self) -> set[Severity]:
        """Of everything that was found."""
        return {severity for severity, _, _ in self.findings}

    @property
    def in_words(self) -> str:
        """`8 right, 1 wrong, 1 unknown`, without what did not occur."""
        return ", ".join(f"{self.verdicts[v]} {v.value}" for v in Verdict if self.verdicts[v])


def tally_of(reports: Iterable[Report], *, keeps_all: bool = False) -> Tally:
    """Return the tally of these reports; the same object may come repeatedly."""
    tally = Tally(keeps_all=keeps_all)
    for _, same in groupby(reports, key=id):
        report, *more = same
        tally.add(report, 1 + len(more))
    return tally
