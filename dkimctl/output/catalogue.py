"""Entries of the catalogue of findings for people."""

from collections.abc import Iterator

from dkimctl.findings import Entry
from dkimctl.output.layout import Block, Prose, paragraph, severity_tone


def entry_blocks(entry: Entry) -> Iterator[Block]:
    """Return a finding's title, why it matters, which verifiers reject it, and how to fix it."""
    head = f"{entry.code}  {entry.title} ({entry.severity.value})"
    yield Prose(head, indent=2, text_tone=severity_tone(entry.severity))
    yield paragraph(entry.meaning, 2, breaks_words=True)
    if entry.verifiers:
        yield paragraph(f"verifiers: {entry.verifiers}", 2, breaks_words=True)
    if entry.fix:
        yield paragraph(f"fix: {entry.fix}", 2, breaks_words=True)
