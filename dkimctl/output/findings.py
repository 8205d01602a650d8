"""Findings and entries of their catalogue for people: severity, code and title; evidence, verifiers, fix."""

from collections.abc import Iterator

from dkimctl.findings import Entry, Finding, Severity
from dkimctl.output.layout import Block, Prose, Tone, paragraph, severity_tone

INDENT = 11


def finding_blocks(finding: Finding) -> list[Block]:
    """Return the title and a paragraph each for evidence, verifiers and fix, where they are known."""
    blocks: list[Block] = [title(finding, margin=2)]
    if finding.seen:
        blocks.append(paragraph(finding.seen, INDENT, breaks_words=True))
    if finding.verifiers:
        blocks.append(paragraph(f"verifiers: {finding.verifiers}", INDENT, breaks_words=True))
    if wants_fix(finding):
        blocks.append(paragraph(f"fix: {finding.fix}", INDENT, breaks_words=True))
    return blocks


def title(finding: Finding, *, margin: int = 0) -> Prose:
    """Return the line with severity, code and title."""
    label = f"{'':{margin}}{finding.severity.value:8} "
    return Prose(f"{finding.code}  {finding.title}", label, INDENT, severity_tone(finding.severity), Tone.HEADING)


def wants_fix(finding: Finding) -> bool:
    """Return True when there is something to fix, and how is known."""
    return bool(finding.fix) and finding.severity is not Severity.OK


def entry_blocks(entry: Entry) -> Iterator[Block]:
    """Return a finding's title, why it matters, which verifiers reject it, and how to fix it."""
    head = f"{entry.code}  {entry.title} ({entry.severity.value})"
    yield Prose(head, indent=2, text_tone=severity_tone(entry.severity))
    yield paragraph(entry.meaning, 2, breaks_words=True)
    if entry.verifiers:
        yield paragraph(f"verifiers: {entry.verifiers}", 2, breaks_words=True)
    if entry.fix:
        yield paragraph(f"fix: {entry.fix}", 2, breaks_words=True)
