"""What many reports come to, in a memory that does not grow with those that are right."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dkimctl.findings import Severity
from dkimctl.verify.report import Report, Verdict


@dataclass(slots=True)
class Tally:
    """Counts, and the reports that are worth keeping."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    findings: Counter[tuple[Severity, str, str]] = field(default_factory=Counter)
    """Severity, code and title → at how many names it was found."""
    reports: list[Report] = field(default_factory=list)
    """All that are not right; the others too where they were asked for."""

    def add(self, report: Report, *, keep: bool = False) -> None:
        """Count one more, and `keep` it even if it is right."""
        self.verdicts[report.verdict] += 1
        for kind in {(f.severity, f.code, f.title) for f in report.findings}:
            self.findings[kind] += 1
        if keep or not report.is_right:
            self.reports.append(report)

    def merge(self, other: "Tally") -> None:
        """Count all of another tally."""
        self.verdicts.update(other.verdicts)
        self.findings.update(other.findings)
        self.reports += other.reports

    @property
    def count(self) -> int:
        """How many reports."""
        return sum(self.verdicts.values())

    @property
    def severities(self) -> set[Severity]:
        """Of everything that was found."""
        return {severity for severity, _, _ in self.findings}

    @property
    def in_words(self) -> str:
        """`8 right, 1 wrong, 1 unknown`, without what did not occur."""
        return ", ".join(f"{self.verdicts[v]} {v.value}" for v in Verdict if self.verdicts[v])


def tally_of(reports: Iterable[Report], *, keep: bool = False) -> Tally:
    """The tally of these reports."""
    tally = Tally()
    for report in reports:
        tally.add(report, keep=keep)
    return tally
