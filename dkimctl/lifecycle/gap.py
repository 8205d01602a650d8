"""What a run says of the time: after a gap longer than the keep time, and under a clock that it does not trust."""

from dkimctl.errors import shell_word
from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.machine import STATE
from dkimctl.lifecycle.notes import at_text
from dkimctl.lifecycle.policy import CARE
from dkimctl.lifecycle.steps import TO_BE_CONTINUED, RotationStep, StepOutcome


def about_time(machine: Machine) -> RotationStep | None:
    """Return what such a run says of itself; None for any other run."""
    if machine.clock_problem:
        hint = f"set the clock (chrony); if it is right: rm {shell_word(STATE)}"
        said = f"{machine.clock_problem}: nothing is changed"
        return RotationStep("", "", None, StepOutcome.WAITS, said, hint, exit_code=TO_BE_CONTINUED)
    if not machine.gap or machine.returned is None:
        return None
    until = at_text(machine.returned + CARE)
    said = (
        f"{machine.gap}, longer ago than keep_after: this run proves what is there and puts back what is missing; "
        "new keys and switches wait for a later run, and nothing is taken away"
    )
    return RotationStep("", "", None, StepOutcome.WAITS, said, until=until)
