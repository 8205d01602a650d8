"""The state of every key, as a table for people."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice

from dkimctl.errors import shell_word
from dkimctl.findings import severity_order
from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.key_status import Keyless, KeyStatus, by_domain
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.status import Status
from dkimctl.names import counted
from dkimctl.output.findings import finding_blocks
from dkimctl.output.layout import Block, Made, Prose, Table, Tone, message

_HEAD = ("DOMAIN", "SELECTOR", "KEY", "PHASE", "AGE", "NEXT STEP")
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
_NAMED = 3  # domains in a command that is next
_MOST_WAITS = 20  # domains that wait for something, a line each


def status_blocks(status: Status) -> Iterator[Block]:
    """Return the findings, the worst first, then what waits for a person, a row for each key, and what else waits."""
    for found in sorted(status.findings, key=severity_order):
        yield from finding_blocks(found)
    yield from _wait_lines(step for step in chain(status.steps, status.others) if step.needs_person)
    if status.keys or status.keyless:
        yield Table(_HEAD, Made(len(status.keys) + len(status.keyless), partial(_rows, status)), _TONES)
    waits = (step for step in chain(status.steps, status.others) if step.waits_for and not step.needs_person)
    yield from _wait_lines(waits)


def _rows(status: Status) -> Iterator[tuple[str, ...]]:
    steps = iter(status.steps)  # in the order of the domains, as the keys
    step = next(steps, None)
    for domain, keys in by_domain(status.keys):
        own = step if step is not None and step.domain == domain else None
        if own is not None:
            step = next(steps, None)
        for key in keys:
            kind = f"rsa {key.bits}" if key.algorithm == "rsa" else key.algorithm
            age = _NONE if key.age is None else f"{key.age} d"
            shown = _NONE
            if own is not None and own.selector in ("", key.selector):
                shown, own = _step_text(own), None
            yield (key.domain, key.selector, kind, key.phase, age, shown)
    yield from map(_keyless_row, status.keyless)


def _keyless_row(line: Keyless) -> tuple[str, ...]:
    return (line.domain, _NONE, _NONE, _KEYLESS, _NONE, _NONE)


def _step_text(step: NextStep) -> str:
    if step.step is None:
        return "by hand" if step.needs_person else "held"
    if step.needs_person:
        return f"{'stuck' if step.is_due else 'by hand'}: {step.step}"
    when = "due" if step.is_due else (step.at or "waits")[:10]
    return f"{when} {step.step}"


def _wait_lines(waits: Iterator[NextStep]) -> Iterator[Block]:
    """Yield a line for each domain that waits for something other than its time."""
    for step in islice(waits, _MOST_WAITS):
        subject = " ".join(filter(None, (step.domain, step.selector)))
        until = f", until {step.at[:16].replace('T', ' ')} UTC" if step.at else ""
        what = f"{step.step} waits:" if step.step else f"{step.reason}:"
        tone = Tone.WARNING if step.needs_person else Tone.INFO
        what = f"{step.reason}; {what}" if step.step and step.reason and not step.is_due else what
        yield Prose(f"{subject}: {what} {step.waits_for}{until}", indent=2, text_tone=tone, one_line_in_pipes=True)
    if more := sum(1 for _ in waits):
        yield message(f"and {counted(more, 'more domain')} (--json lists all)")


def next_lines(status: Status) -> list[str]:
    """Return the next command for the keys that do not sign yet: a line for each kind of them and each provider."""
    waiting: dict[tuple[str, str | None], dict[str, None]] = {}
    counts: Counter[tuple[str, str | None]] = Counter()
    lines: Iterator[KeyStatus | Keyless] = chain(status.keyless, status.keys)
    for line in lines:
        if line.next is not None:
            state = "have no key" if isinstance(line, Keyless) else _STATES[line.phase]
            kind = (state, None if isinstance(line, Keyless) else line.option)
            waiting.setdefault(kind, {})[line.domain] = None
            counts[kind] += 1
    alike = not any(provider for _, provider in waiting)
    return [
        f"{_subject(state, counts[state, provider])}{_command(state, list(domains), provider, alike=alike)}"
        for (state, provider), domains in waiting.items()
    ]


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
    return f"{counted(count, noun)} {words}"


def _command(state: str, domains: Sequence[str], provider: str | None, *, alike: bool) -> str:
    """Return the command, which runs as it is printed: for all of them, or for the first few.

    `alike`: no command has to name a provider.
    """
    command = _COMMANDS[state]
    option = f" --provider {shell_word(provider)}" if provider else ""
    if len(domains) > _NAMED and command == "dkimctl publish" and alike:
        return f": {command}"  # without a domain it means all of them
    first = "" if len(domains) <= _NAMED else f", the first {_NAMED}"
    return f"{first}: {command} {' '.join(map(shell_word, domains[:_NAMED]))}{option}"
