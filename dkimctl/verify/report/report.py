"""Everything about one key record: what each server said, the findings, the verdict."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from dkimctl.dns.resolve import Security
from dkimctl.findings import Finding, Severity, severity_order
from dkimctl.record.model import KeyRecord
from dkimctl.verify.report.answer import ServerAnswer
from dkimctl.verify.report.target import Target


class Verdict(StrEnum):
    """All findings of one name in a word."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one target."""

    target: Target = field(repr=False)
    domain: str
    selector: str
    owner: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    """The worst first."""
    zone: str = ""
    dnssec: Security = Security.UNKNOWN
    answers: tuple[ServerAnswer, ...] = ()
    """Of the authoritative servers; where a CNAME leads elsewhere, those of every step."""
    resolvers: tuple[ServerAnswer, ...] = ()
    """With `recursive`: what the resolvers hold."""
    text: str | None = None
    """The record that was found, when there is exactly one everywhere."""
    record: KeyRecord | None = None
    publish: str | None = None
    """The exact text to publish, when something about the record is wrong and the right one is known."""
    publish_at: str = ""
    """The name to publish it at: the owner name, or the end of its CNAMEs."""

    @property
    def is_right(self) -> bool:
        """Return whether every authoritative server was asked and serves one right record."""
        return self.verdict is Verdict.RIGHT


def in_brief(report: Report) -> Report:
    """Return a right report without what only a full one shows, and without its owner in the findings."""
    if not report.is_right:
        return report
    findings = tuple(replace(finding, subject="") for finding in report.findings)
    return replace(report, findings=findings, answers=(), text=None, record=None)


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repeats, the worst first."""
    return tuple(sorted(dict.fromkeys(findings), key=severity_order))


def verdict_of(findings: tuple[Finding, ...]) -> Verdict:
    """Wrong as soon as an error is known; else unknown when something could not be asked."""
    severities = {f.severity for f in findings}
    if Severity.ERROR in severities:
        return Verdict.WRONG
    return Verdict.UNKNOWN if Severity.UNKNOWN in severities else Verdict.RIGHT
