"""The selftest for people: a line for each message, more where something is wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from dkimctl.names import printable
from dkimctl.output.layout import Block, Line, Prose, Tone, heading, message, paragraph
from dkimctl.selftest.attempt import Attempt, State
from dkimctl.selftest.person import Sent
from dkimctl.selftest.probing import Selftest

_INDENT = 10
_TONES = {
    State.SIGNED: Tone.OK,
    State.WARNING: Tone.WARNING,
    State.WRONG: Tone.ERROR,
    State.UNKNOWN: Tone.UNKNOWN,
}


def selftest_blocks(result: Selftest) -> Iterator[Block]:
    """Return for each domain its messages, those with the same result together; then the notes and the counts."""
    yield message(f"{len(result.attempts)} messages through {result.where}")
    for domain, attempts in groupby(result.attempts, key=lambda a: a.domain):
        yield heading(domain)
        alike: dict[tuple[object, ...], list[Attempt]] = {}
        for attempt in attempts:
            alike.setdefault((attempt.state, attempt.seen, attempt.hint, attempt.remarks), []).append(attempt)
        for some in alike.values():
            yield from _attempts(some)
    for note in result.notes:
        yield Prose(f"note: {note}", indent=2)
    counts = Counter(attempt.state for attempt in result.attempts)
    worst = max((state for state in State if counts[state]), key=list(State).index, default=State.UNKNOWN)
    yield heading(", ".join(f"{counts[state]} {state.value}" for state in State if counts[state]), _TONES[worst])


def _attempts(attempts: Sequence[Attempt]) -> Iterator[Block]:
    """Return messages with the same result: which, and what was seen."""
    first = attempts[0]
    names = ", ".join(attempt.case for attempt in attempts)
    yield Prose(names, f"  {first.state.value:8}", _INDENT, _TONES[first.state])
    for text in (printable(first.seen, 600), *first.remarks):
        yield paragraph(text, _INDENT)
    if first.hint:
        yield paragraph(f"hint: {first.hint}", _INDENT)


def sent_blocks(sent: Sent) -> Iterator[Block]:
    """Return what the relay said, and the next step."""
    encrypted = ", encrypted" if sent.encrypted else ""
    yield Prose(f"sent from {sent.sender} to {sent.recipient} through {sent.relay}{encrypted}", indent=2)
    yield Line(f"  Message-ID: {sent.message_id}")
    yield paragraph(f"the relay said: {printable(sent.answer, 300)}", 2)
    yield paragraph(
        "whether it is signed shows where it arrives: save it there as it was received, then "
        "`dkimctl inspect message.eml`",
        2,
    )
