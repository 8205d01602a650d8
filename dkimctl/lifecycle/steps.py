"""What a rotation says of each of its steps."""

from dataclasses import dataclass
from enum import StrEnum

from dkimctl.errors import DkimctlError
from dkimctl.lifecycle.notes import at_text
from dkimctl.lifecycle.plan import Do, Wait

TO_BE_CONTINUED = 3
"""The exit code of what waits for a person."""


class StepOutcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    WAITS = "waits"
    FAILED = "failed"
    PLANNED = "planned"
    """Only shown: it would be done."""


class Ending(StrEnum):
    """What a person alone begins."""

    STOP = "stop"
    """The signer signs with a key no more, and no other takes its place."""


@dataclass(frozen=True, slots=True)
class RotationStep:
    """One step of one key's life, with its proof."""

    domain: str
    selector: str
    action: Do | Ending | None
    """None for what a domain waits for."""
    outcome: StepOutcome
    proof: str
    """What was read back; of a failed step what is wrong, else what is waited for."""
    hint: str = ""
    until: str | None = None
    """When it goes on by itself: RFC 3339, UTC."""
    exit_code: int = 0

    @property
    def is_change(self) -> bool:
        """Return True for what was done in DNS, on the disk or to the signer; looking and proving change nothing."""
        return self.outcome is StepOutcome.DONE and self.action not in (Do.LOOK, Do.PROVE)


def failed_step(domain: str, selector: str, action: Do | Ending | None, error: DkimctlError) -> RotationStep:
    """Return the step that ended with this error."""
    return RotationStep(
        domain, selector, action, StepOutcome.FAILED, error.message, hint=error.hint, exit_code=error.exit_code
    )


def waiting_step(domain: str, wait: Wait, hint: str) -> RotationStep:
    """Return what a domain waits for; `hint`: what a person does about it, where the wait does not say it."""
    code, shown = (TO_BE_CONTINUED, hint or wait.hint) if wait.needs_person else (0, "")
    return RotationStep(domain, "", None, StepOutcome.WAITS, wait.on, shown, when_text(wait.until), code)


def when_text(at: int | None) -> str | None:
    """Return an instant as in JSON."""
    return None if at is None else at_text(at)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The result of a run."""

    steps: tuple[RotationStep, ...]
    waits: tuple[RotationStep, ...]
    """What the domains of this run wait for now."""
    due: str | None
    """When a run has something to do again, if nothing happens until then: RFC 3339, UTC."""
    next: str | None = None
    """The step that comes next, where one is due: after `single`, or left for the next run."""

    @property
    def exit_code(self) -> int:
        """The worst of the steps and waits."""
        return max((step.exit_code for step in (*self.steps, *self.waits)), default=0)
