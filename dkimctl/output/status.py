"""The state of every key, as a table for people."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.status import Keyless, KeyStatus, Status
from dkimctl.output.findings import finding_blocks
from dkimctl.output.layout import Block, Table, Tone

_HEAD = ("DOMAIN", "SELECTOR", "KEY", "PHASE", "SINCE", "PROVIDER", "AGE")
_NONE = "-"
_KEYLESS = "no key"
_TONES = {
    _KEYLESS: Tone.ERROR,
    Phase.GENERATED: Tone.WARNING,
    Phase.PUBLISHED: Tone.WARNING,
    Phase.VERIFIED: Tone.INFO,
    Phase.ACTIVE: Tone.OK,
    Phase.RETIRING: Tone.INFO,
    Phase.REVOKED: Tone.FAINT,
    Phase.PURGED: Tone.FAINT,
}
_NAMED = 3  # domains in a line that says what is next


def status_blocks(status: Status) -> Iterator[Block]:
    """Return a table with a row for each key, then the findings."""
    yield Table(_HEAD, [*map(_row, status.keys), *map(_row, status.keyless)], _TONES)
    for found in status.findings:
        yield from finding_blocks(found)


def _row(line: KeyStatus | Keyless) -> tuple[str, ...]:
    if isinstance(line, Keyless):
        return (line.domain, _NONE, _NONE, _KEYLESS, *(3 * [_NONE]))
    kind = f"rsa {line.bits}" if line.algorithm == "rsa" else line.algorithm
    age = _NONE if line.age is None else f"{line.age} d"
    since = (line.since or _NONE)[:10]
    return (line.domain, line.selector, kind, line.phase, since, line.provider or _NONE, age)


def next_lines(status: Status) -> list[str]:
    """Return the next command for the keys that do not sign yet: a line for each kind of them."""
    waiting: dict[str, dict[str, None]] = {}
    counts: Counter[str] = Counter()
    lines: tuple[KeyStatus | Keyless, ...] = (*status.keyless, *status.keys)
    for line in lines:
        if line.next is not None:
            state = "have no key" if isinstance(line, Keyless) else _STATES[line.phase]
            waiting.setdefault(state, {})[line.domain] = None
            counts[state] += 1
    return [f"{_subject(state, counts[state])}: {_command(state, list(waiting[state]))}" for state in waiting]


_STATES = {
    Phase.GENERATED: "not published yet",
    Phase.PUBLISHED: "not seen at every name server yet",
    Phase.VERIFIED: "not signing yet",
}
_COMMANDS = {
    "have no key": "dkimctl genkey",
    "not published yet": "dkimctl publish",
    "not seen at every name server yet": "dkimctl publish",
    "not signing yet": "sudo dkimctl setup",
}


def _subject(state: str, count: int) -> str:
    noun = "domain" if state == "have no key" else "key"
    words = state.replace("have", "has") if count == 1 else state
    return f"{count} {noun}{'' if count == 1 else 's'} {words}"


def _command(state: str, domains: Sequence[str]) -> str:
    command = _COMMANDS[state]
    if len(domains) <= _NAMED:
        return f"{command} {' '.join(domains)}"
    return command if command == "dkimctl publish" else f"{command} {domains[0]} …"  # publish alone means all of them
