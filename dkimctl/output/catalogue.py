"""Entries of the catalogue of findings as text for people."""

import textwrap

from dkimctl.findings import Entry

_WIDTH = 80


def entry_text(entry: Entry) -> str:
    """One finding explained: what it is called, why it matters, which verifiers mind, what to do."""
    head = f"{entry.code}  {entry.title} ({entry.severity.value})"
    blocks = [textwrap.fill(head, _WIDTH, subsequent_indent="  "), _paragraph(entry.meaning)]
    if entry.verifiers:
        blocks.append(_paragraph(f"verifiers: {entry.verifiers}"))
    if entry.fix:
        blocks.append(_paragraph(f"fix: {entry.fix}"))
    return "\n".join(blocks) + "\n"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
