"""What `doctor` found, for people and for monitoring."""

from collections import Counter
from collections.abc import Sequence

from dkimctl.findings import Finding, Severity
from dkimctl.output.findings import finding_text

_SHOWN = 10  # of one code; the rest is counted


def diagnosis_text(findings: Sequence[Finding], form: str, *, verbose: bool = False) -> str:
    """The findings in one of the forms `text`, `nagios` and `prometheus`."""
    return _text(findings, verbose=verbose)


def _text(findings: Sequence[Finding], *, verbose: bool) -> str:
    """Each finding, the worst first; of many with one code the first few."""
    counts: Counter[str] = Counter()
    blocks = []
    for finding in findings:
        counts[finding.code] += 1
        if verbose or counts[finding.code] <= _SHOWN:
            blocks.append(finding_text(finding))
    hidden = [f"  … and {n - _SHOWN} more {code}; -v shows them\n" for code, n in counts.items() if n > _SHOWN]
    return "".join([*blocks, *([] if verbose else hidden), summary(findings) + "\n"])


def summary(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`."""
    counts = Counter(f.severity for f in findings)
    words = [
        f"{counts[severity]} {word}{'s' if counts[severity] != 1 and word != 'info' else ''}"
        for severity, word in _WORDS.items()
        if counts[severity]
    ]
    return ", ".join(words) or "nothing is wrong"


_WORDS = {
    Severity.ERROR: "error",
    Severity.UNKNOWN: "unknown",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
