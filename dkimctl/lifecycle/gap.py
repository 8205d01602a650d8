"""What the first run says after a gap longer than the keep time, or after a jump of the clock."""

from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.notes import at_text
from dkimctl.lifecycle.policy import CARE
from dkimctl.lifecycle.steps import RotationStep, StepOutcome


def after_gap(machine: Machine) -> RotationStep | None:
    """Return what such a run says of itself; None for any other run."""
    if not machine.gap or machine.returned is None:
        return None
    until = at_text(machine.returned + CARE)
    said = (
        f"{machine.gap}, longer ago than keep_after: this run proves what is there and puts back what is missing; "
        "new keys and switches wait for a later run, and nothing is taken away"
    )
    return RotationStep("", "", None, StepOutcome.WAITS, said, until=until)
