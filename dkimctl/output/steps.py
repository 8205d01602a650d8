"""Steps of a procedure for people: state, name and proof in columns, at most 80 wide; then what to type."""

import textwrap

from dkimctl.errors import CheckFailed
from dkimctl.output.terminal import Terminal
from dkimctl.setup.steps import State, Step

_WIDTH = 80
_STATE = 9  # columns: the longest state and two blanks
_NAME = 11
_INDENT = " " * (_STATE + _NAME)


def show_step(step: Step, terminal: Terminal) -> None:
    """The step on stdout; why it failed, and warnings, on stderr as from every command."""
    if step.state is State.WARNING:
        terminal.warning(step.proof, step.hint)
        return
    terminal.step(step_text(step))
    if step.state is State.FAILED:
        terminal.failure(CheckFailed(step.proof, hint=step.hint))


def step_text(step: Step) -> str:
    """`done     key        domain.tld: dk202611 (rsa 2048)`, then the details and the hint below the proof.

    Of a failed step only what failed: the reason is an error of its own.
    """
    head = f"{step.state.value:<{_STATE}}{step.name:<{_NAME}}"
    if step.state is State.FAILED:
        return f"{head}{step.subject}".rstrip() + "\n"
    lines = _wrapped(f"{step.subject}: {step.proof}" if step.subject else step.proof, head)
    lines += [_INDENT + detail for detail in step.details]
    if step.hint:
        lines += _wrapped(f"-> {step.hint}", _INDENT)
    return "\n".join(lines) + "\n"


def _wrapped(text: str, head: str) -> list[str]:
    """Long paths and commands stay whole, so that they can be copied."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
