"""Findings of checks: evidence, severity, and the resulting exit code."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """The severity of a finding. `unknown` means "could not be checked", which is neither right nor an error."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    ERROR = "error"


WORST_FIRST = (Severity.ERROR, Severity.UNKNOWN, Severity.WARNING, Severity.INFO, Severity.OK)
NOTHING_WRONG = frozenset({Severity.OK, Severity.INFO})


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the catalogue: the meaning of a code."""

    code: str
    """`DKIM101`: never changed, never used again for anything else."""
    severity: Severity
    title: str
    """A few words, lower case, no final period."""
    meaning: str
    """Why it matters, with the RFC section or the evidence."""
    fix: str
    """What to do in general; a finding may have a more exact one."""
    verifiers: str = ""
    """Mail verifiers that accept or refuse it, as measured; empty where it does not concern them."""
    stops_daemon: bool = False
    """True when opendkim does not start with it."""
    about_dns: bool = False
    """True when it is about how DNS serves a record, not about the record's text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check for one subject."""

    code: str
    severity: Severity
    title: str
    subject: str
    """An owner name, a path, a parameter."""
    seen: str
    """The evidence with its place, in one line."""
    fix: str
    """The exact fix; empty when there is nothing to do."""
    verifiers: str = ""
    """As in the catalogue's entry."""


def finding(entry: Entry, subject: str, seen: str, *, fix: str | None = None) -> Finding:
    """Return a finding of this catalogue entry; `fix` replaces the entry's general advice."""
    return Finding(
        code=entry.code,
        severity=entry.severity,
        title=entry.title,
        subject=subject,
        seen=seen,
        fix=entry.fix if fix is None else fix,
        verifiers=entry.verifiers,
    )


def severity_order(found: Finding) -> tuple[int, str]:
    """Return the key by which findings are sorted: the worst first, then by code."""
    return WORST_FIRST.index(found.severity), found.code


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 when nothing is wrong, 3 when something could not be checked, else 1 when there is an error."""
    severities = {f.severity for f in findings}
    if Severity.UNKNOWN in severities:
        return 3
    return 1 if Severity.ERROR in severities else 0
