"""What a check noticed: the one type that every check returns, and how findings add up to an exit code."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is. `unknown` is "could not check": never fine, and never the same as an error."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue: what a code means, for every time it is found."""

    code: str
    """`DKIM101`: stable for ever, never used again for anything else."""
    severity: Severity
    title: str
    """A few words, lower case, no final period."""
    meaning: str
    """Why it matters, with the RFC section or the evidence."""
    fix: str
    """What to do in general; a finding may carry a more exact one."""
    verifiers: str = ""
    """Which verifiers of mail accept it and which do not, as measured; empty where that is no question."""
    stops_daemon: bool = False
    """True when opendkim does not start with it."""
    about_dns: bool = False
    """True when it is about how DNS serves a record (is it there, who could not be asked), not about its text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check noticed about one subject."""

    code: str
    severity: Severity
    title: str
    subject: str
    """What it is about: an owner name, a path, a parameter."""
    seen: str
    """The evidence: what was there, where, in one line."""
    fix: str
    """What to do about it, exactly; empty when there is nothing to do."""
    verifiers: str = ""
    """Which verifiers of mail accept it and which do not; empty where that is no question."""


def finding(entry: Entry, subject: str, seen: str, *, fix: str | None = None) -> Finding:
    """A finding of this catalogue entry; `fix` replaces the entry's general advice."""
    return Finding(
        code=entry.code,
        severity=entry.severity,
        title=entry.title,
        subject=subject,
        seen=seen,
        fix=entry.fix if fix is None else fix,
        verifiers=entry.verifiers,
    )


def exit_code(findings: Iterable[Finding]) -> int:
    """0 when nothing is wrong, 1 with an error, 3 when something could not be checked; of both, the worse: 3."""
    severities = {f.severity for f in findings}
    if Severity.UNKNOWN in severities:
        return 3
    return 1 if Severity.ERROR in severities else 0
