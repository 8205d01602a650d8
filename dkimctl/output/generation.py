"""The keys that were made, a line each, as they are made."""

from collections.abc import Iterable
from dataclasses import dataclass

from dkimctl.errors import shell_word
from dkimctl.lifecycle.generation import Failed, Generated, GenerationOutcome
from dkimctl.output.layout import message
from dkimctl.output.progress import watched
from dkimctl.output.terminal import Terminal


def show_outcomes(outcomes: Iterable[GenerationOutcome], terminal: Terminal, total: int) -> int:
    """Show each outcome and, at the end, the next command. Return the exit code: 0, or the worst of the failures."""
    shown: list[object] = []
    code = 0
    made: list[str] = []
    for outcome in watched(outcomes, terminal, "keys", total=total):
        shown.append(_value(outcome))
        if isinstance(outcome, Failed):
            terminal.failure(outcome.error)
            code = max(code, outcome.error.exit_code)
        else:
            terminal.show([message(_line(outcome))])
            made += [outcome.domain] if isinstance(outcome, Generated) else []
    terminal.document("keys", shown, changed=bool(made))
    if made:
        count = "a key" if len(made) == 1 else f"{len(made)} keys"
        domains = shell_word(made[0]) if len(made) == 1 else ""
        terminal.note(f"made {count}; next: " + f"dkimctl record {domains}".strip())
    return code


def _line(outcome: GenerationOutcome) -> str:
    if isinstance(outcome, Generated):
        size = f" {outcome.bits}" if outcome.algorithm == "rsa" else ""
        return f"{outcome.domain}: made {outcome.selector} ({outcome.algorithm}{size}) {outcome.path}"
    return f"{outcome.domain}: kept {outcome.selector}"


@dataclass(frozen=True, slots=True)
class FailureValue:
    """Why a key was not made."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key that is there now."""

    domain: str
    selector: str
    result: str
    """made, or kept where it was there before."""
    path: str
    """The private key."""


@dataclass(frozen=True, slots=True)
class FailedKeyValue:
    """A key that was not made."""

    domain: str
    selector: str
    result: str
    """failed."""
    error: FailureValue


def _value(outcome: GenerationOutcome) -> KeyValue | FailedKeyValue:
    if isinstance(outcome, Failed):
        error = FailureValue(outcome.error.message, outcome.error.hint)
        return FailedKeyValue(outcome.domain, outcome.selector, "failed", error)
    result = "made" if isinstance(outcome, Generated) else "kept"
    return KeyValue(outcome.domain, outcome.selector, result, outcome.path)
