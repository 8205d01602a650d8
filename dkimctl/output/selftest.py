"""The selftest as text for people: a line for each message, more where something is wrong."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from dkimctl.names import printable
from dkimctl.output.findings import WIDTH
from dkimctl.selftest.attempt import Attempt, State
from dkimctl.selftest.person import Sent
from dkimctl.selftest.probing import Selftest

_INDENT = " " * 10


def selftest_text(result: Selftest) -> str:
    """For each domain the messages, those together that ended alike; then what holds for all, then the sum."""
    lines = [f"{len(result.attempts)} messages through {result.where}\n"]
    for domain, attempts in groupby(result.attempts, key=lambda a: a.domain):
        lines.append(f"{domain}\n")
        alike: dict[tuple[object, ...], list[Attempt]] = {}
        for attempt in attempts:
            alike.setdefault((attempt.state, attempt.seen, attempt.hint, attempt.remarks), []).append(attempt)
        lines += [_attempts_text(some) for some in alike.values()]
    lines += [_paragraph(f"note: {note}", "") for note in result.notes]
    counts = Counter(attempt.state for attempt in result.attempts)
    lines.append(", ".join(f"{counts[state]} {state.value}" for state in State if counts[state]) + "\n")
    return "".join(lines)


def _attempts_text(attempts: Sequence[Attempt]) -> str:
    """Messages that ended alike: how, and what was seen."""
    first = attempts[0]
    names = ", ".join(attempt.case for attempt in attempts)
    head = textwrap.fill(f"  {first.state.value:8}{names}", WIDTH, subsequent_indent=_INDENT)
    more = [printable(first.seen, 600), *first.remarks, *([f"hint: {first.hint}"] if first.hint else [])]
    return head + "\n" + "".join(_paragraph(text) for text in more)


def sent_text(sent: Sent) -> str:
    """What the relay said, and how to go on."""
    encrypted = ", encrypted" if sent.encrypted else ""
    return (
        _paragraph(f"sent from {sent.sender} to {sent.recipient} through {sent.relay}{encrypted}", "")
        + f"  Message-ID: {sent.message_id}\n"
        + _paragraph(f"the relay said: {printable(sent.answer, 300)}", "  ")
        + _paragraph(
            "whether it is signed shows where it arrives: save it there as it was received, then "
            "`dkimctl inspect message.eml`",
            "  ",
        )
    )


def _paragraph(text: str, indent: str = _INDENT) -> str:
    later = indent or "  "
    return (
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=later,
            break_on_hyphens=False,
            break_long_words=False,
        )
        + "\n"
    )
