"""The selftest for people: a line for each message, more where something is wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from dkimctl.names import counted, printable
from dkimctl.output.layout import Block, Line, Prose, Tone, heading, message, paragraph
from dkimctl.selftest.attempt import Attempt, AttemptState
from dkimctl.selftest.person import Sent
from dkimctl.selftest.probing import Selftest

_INDENT = 10
_TONES = {
    AttemptState.SIGNED: Tone.OK,
    AttemptState.WARNING: Tone.WARNING,
    AttemptState.WRONG: Tone.ERROR,
    AttemptState.UNKNOWN: Tone.UNKNOWN,
}


def selftest_blocks(result: Selftest) -> Iterator[Block]:
    """Return for each domain its messages, those with the same result together; then the notes and the counts."""
    yield message(f"{counted(len(result.attempts), 'message')} through {result.where}")
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
    ended = [state for state in AttemptState if counts[state]]  # the best first
    worst = ended[-1] if ended else AttemptState.UNKNOWN
    yield heading(", ".join(f"{counts[state]} {state.value}" for state in ended), _TONES[worst])


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
