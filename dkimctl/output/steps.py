"""Steps of a procedure for people: state, name and proof in columns, then the command to type next."""

from collections.abc import Iterator

from dkimctl.errors import CheckFailed
from dkimctl.output.layout import Block, Line, Prose, Tone
from dkimctl.output.terminal import Terminal
from dkimctl.setup.steps import SetupStep, StepState

_STATE = 9  # columns: the longest state and two blanks
_NAME = 11
_INDENT = _STATE + _NAME
_TONES = {
    StepState.DONE: Tone.OK,
    StepState.ALREADY: Tone.OK,
    StepState.TODO: Tone.INFO,
    StepState.WARNING: Tone.WARNING,
    StepState.FAILED: Tone.ERROR,
}


def show_step(step: SetupStep, terminal: Terminal) -> None:
    """Show the step on stdout; the reason of a failure, and warnings, on stderr as from every command."""
    if step.state is StepState.WARNING:
        terminal.warning(step.proof, step.hint)
        return
    terminal.step(step_blocks(step))
    if step.state is StepState.FAILED:
        terminal.failure(CheckFailed(step.proof, hint=step.hint))


def step_blocks(step: SetupStep) -> Iterator[Block]:
    """Return `done     key        domain.tld: dk202611 (rsa 2048)`, then details and hint below the proof.

    Of a failed step only what failed: the reason is an error of its own.
    """
    head = f"{step.state.value:<{_STATE}}{step.name:<{_NAME}}"
    tone = _TONES[step.state]
    if step.state is StepState.FAILED:
        yield Line(f"{head}{step.subject}".rstrip(), tone)
        return
    yield Prose(f"{step.subject}: {step.proof}" if step.subject else step.proof, head, _INDENT, tone)
    for detail in step.details:
        yield Line(f"{'':{_INDENT}}{detail}")
    if step.hint:
        yield Prose(f"-> {step.hint}", " " * _INDENT, _INDENT, text_tone=Tone.HINT)
