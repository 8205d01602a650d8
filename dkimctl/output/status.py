"""The state of every key, as a table for people."""

from collections import Counter
from collections.abc import Iterator, Sequence

from dkimctl.errors import shell_word
from dkimctl.findings import severity_order
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
    """Return the findings, the worst first, then a table with a row for each key."""
    for found in sorted(status.findings, key=severity_order):
        yield from finding_blocks(found)
    yield Table(_HEAD, [*map(_row, status.keys), *map(_row, status.keyless)], _TONES)


def _row(line: KeyStatus | Keyless) -> tuple[str, ...]:
    if isinstance(line, Keyless):
        return (line.domain, _NONE, _NONE, _KEYLESS, *(3 * [_NONE]))
    kind = f"rsa {line.bits}" if line.algorithm == "rsa" else line.algorithm
    age = _NONE if line.age is None else f"{line.age} d"
    since = (line.since or _NONE)[:10]
    return (line.domain, line.selector, kind, line.phase, since, line.provider or _NONE, age)


def next_lines(status: Status) -> list[str]:
    """Return the next command for the keys that do not sign yet: a line for each kind of them and each provider."""
    waiting: dict[tuple[str, str], dict[str, None]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    lines: tuple[KeyStatus | Keyless, ...] = (*status.keyless, *status.keys)
    for line in lines:
        if line.next is not None:
            state = "have no key" if isinstance(line, Keyless) else _STATES[line.phase]
            kind = (state, _options(line.domain, line.next))
            waiting.setdefault(kind, {})[line.domain] = None
            counts[kind] += 1
    return [
        f"{_subject(state, counts[state, options])}: {_command(state, list(domains), options)}"
        for (state, options), domains in waiting.items()
    ]


def _options(domain: str, command: str) -> str:
    """Return what follows the domain in its command, such as ` --provider manual`."""
    return command.partition(f" {shell_word(domain)}")[2]


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


def _command(state: str, domains: Sequence[str], options: str) -> str:
    command = _COMMANDS[state]
    if len(domains) <= _NAMED:
        return f"{command} {' '.join(map(shell_word, domains))}{options}"
    if command == "dkimctl publish" and not options:
        return command  # alone it means all of them
    return f"{command} {shell_word(domains[0])}{options} …"
