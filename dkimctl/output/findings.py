"""A finding as text for people: severity, code and title; then what was seen, then what to do."""

import textwrap

from dkimctl.findings import Finding, Severity

WIDTH = 80
_INDENT = " " * 11


def finding_text(finding: Finding) -> str:
    """Two to four lines, ending with a line feed; an `ok` finding has one or two."""
    head = f"  {finding.severity.value:8} {finding.code}  {finding.title}\n"
    fix = finding.fix if finding.severity is not Severity.OK else ""
    return head + _paragraph(finding.seen) + (_paragraph(f"fix: {fix}") if fix else "")


def _paragraph(text: str) -> str:
    if not text:
        return ""
    return textwrap.fill(text, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False) + "\n"
