"""What `doctor` found, for people."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dkimctl.findings import Finding, Severity
from dkimctl.output.findings import INDENT, title, wants_fix
from dkimctl.output.layout import Block, Prose, paragraph, severity_tone

_SHOWN = 10  # of one code; the rest is counted


def diagnosis_blocks(findings: Sequence[Finding], *, verbose: bool = False) -> Iterator[Block]:
    """Return each finding, the worst first; of many with one code the first few, unless `verbose`."""
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.code] += 1
        if verbose or counts[finding.code] <= _SHOWN:
            yield from _finding(finding)
    hidden = {code: count - _SHOWN for code, count in counts.items() if count > _SHOWN and not verbose}
    for code, count in hidden.items():
        yield paragraph(f"… and {count} more {code}; -v shows them")
    worst = next((s for s in _WORDS if any(f.severity is s for f in findings)), Severity.OK)
    yield Prose(summary(findings), text_tone=severity_tone(worst))


def _finding(finding: Finding) -> Iterator[Block]:
    """Return the title, what was seen, and the fix, which is a command in most cases."""
    yield title(finding)
    yield paragraph(finding.seen, INDENT)
    if wants_fix(finding):
        yield Prose(f"fix: {finding.fix}", " " * INDENT, INDENT, one_line_in_pipes=True)


def summary(findings: Sequence[Finding]) -> str:
    """Return the counts by severity, such as `2 errors, 1 warning`."""
    counts = Counter(f.severity for f in findings)
    words = [
        f"{counts[s]} {word}{'s' if counts[s] != 1 and s in _PLURAL else ''}" for s, word in _WORDS.items() if counts[s]
    ]
    return ", ".join(words) or "nothing is wrong"


_WORDS = {
    Severity.ERROR: "error",
    Severity.UNKNOWN: "not checked",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
_PLURAL = (Severity.ERROR, Severity.WARNING)
