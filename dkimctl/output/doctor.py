"""What `doctor` found, for people."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from dkimctl.findings import Finding, Severity
from dkimctl.output.findings import WIDTH

_SHOWN = 10  # of one code; the rest is counted
_INDENT = " " * 11


def diagnosis_text(findings: Sequence[Finding], *, verbose: bool = False) -> str:
    """Each finding, the worst first; of many with one code the first few, unless `verbose`."""
    counts: Counter[str] = Counter()
    blocks = []
    for finding in findings:
        counts[finding.code] += 1
        if verbose or counts[finding.code] <= _SHOWN:
            blocks.append(_block(finding))
    hidden = [f"… and {n - _SHOWN} more {code}; -v shows them\n" for code, n in counts.items() if n > _SHOWN]
    return "".join([*blocks, *([] if verbose else hidden), summary(findings) + "\n"])


def _block(finding: Finding) -> str:
    """Severity, code and title; what was seen; the command that mends it, never wrapped, so that it can be copied."""
    head = f"{finding.severity.value:8} {finding.code}  {finding.title}\n"
    seen = textwrap.fill(
        finding.seen,
        WIDTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
    fix = f"{_INDENT}fix: {finding.fix}\n" if finding.fix and finding.severity is not Severity.OK else ""
    return head + f"{seen}\n" + fix


def summary(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`."""
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
