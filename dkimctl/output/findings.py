"""A finding as text for people: severity, code and title; what was seen, which verifiers mind, what to do."""

import textwrap

from dkimctl.findings import Finding, Severity

WIDTH = 80
_INDENT = " " * 11


def finding_text(finding: Finding) -> str:
    """A line for each of code, evidence, who minds and what to do, where they are known, ending with a line feed."""
    head = f"  {finding.severity.value:8} {finding.code}  {finding.title}\n"
    verifiers = f"verifiers: {finding.verifiers}" if finding.verifiers else ""
    fix = f"fix: {finding.fix}" if finding.fix and finding.severity is not Severity.OK else ""
    return head + "".join(map(_paragraph, (finding.seen, verifiers, fix)))


def _paragraph(text: str) -> str:
    if not text:
        return ""
    return textwrap.fill(text, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False) + "\n"
