"""A rotation for people: each step with its proof, what is waited for, the calendar."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dkimctl.lifecycle.steps import RotationStep, StepOutcome
from dkimctl.output.layout import Block, Table, Tone

if TYPE_CHECKING:
    from dkimctl.lifecycle.calendar import Appointment
    from dkimctl.lifecycle.revoke import Exposed, Revocation
    from dkimctl.lifecycle.rotate import Rotated
    from dkimctl.output.terminal import Terminal

_TONES = {StepOutcome.DONE: Tone.OK, StepOutcome.WAITS: Tone.INFO, StepOutcome.FAILED: Tone.ERROR}


def show_step(step: RotationStep, terminal: "Terminal") -> None:
    """Show a step as it ends; a failed one as an error with its hint."""
    subject = " ".join(filter(None, (step.domain, step.selector)))
    action = f"{step.action}: " if step.action else ""
    if step.outcome is StepOutcome.FAILED:
        terminal.warning(f"{subject}: {action}{step.proof}", step.hint)
    elif step.outcome is StepOutcome.DONE:
        terminal.line_step(f"{subject}: {action}{step.proof}")
    elif step.outcome is StepOutcome.PLANNED:
        terminal.line_step(f"{subject}: would {action}{step.proof}")
    elif step.exit_code:
        terminal.warning(f"{subject}: {action}waits: {step.proof}", step.hint)
    else:
        terminal.detail(f"{subject}: {action}waits: {step.proof}")


def show_result(result: "Rotated", terminal: "Terminal") -> None:
    """Show what the domains of a run wait for: always what needs a person, else as a note with -v."""
    for wait in result.waits:
        until = f", until {wait.until}" if wait.until else ""
        text = f"{wait.domain}: waits: {wait.proof}{until}"
        if wait.exit_code:
            terminal.warning(text, wait.hint)
        elif result.steps:
            terminal.note(text)


def show_next(result: "Rotated", terminal: "Terminal") -> None:
    """Show what comes after a single step, and when."""
    if result.next:
        terminal.line_step(f"next: {result.next}")
    elif result.due:
        terminal.line_step(f"next: nothing before {result.due}")


def show_revocation(result: "Revocation", terminal: "Terminal") -> None:
    """Show of each leaked key what remains exposed, and until when."""
    for one in result.exposed:
        subject = f"{one.domain} {one.selector}"
        if not one.revoked:
            again = "run the same command again: it goes on from here"
            terminal.warning(f"{subject}: name servers still give the leaked key", again)
        elif one.until:
            why = " (its TTL was never seen: a day is assumed)" if one.is_assumed else ""
            terminal.line_step(f"{subject}: revoked; resolvers may believe its old record until {one.until}{why}")
        else:
            terminal.line_step(f"{subject}: revoked")
        terminal.line_step(f"{subject}: {_queued(one)}")


def _queued(one: "Exposed") -> str:
    """Return what is known of mail that fails now, and what is not."""
    beyond = "what other servers have accepted already fails as well, and nobody here knows how much that is"
    if one.queued is None:
        return f"the queue could not be listed: mail in it that was signed with this key fails; {beyond}"
    count = f"{one.queued} message{'' if one.queued == 1 else 's'}" if one.queued else "no message"
    return f"{count} in the queue from this domain (by the envelope) may have its signature and fail; {beyond}"


def calendar_blocks(found: "Sequence[Appointment]") -> Iterator[Block]:
    """Return a table with a row for each step to come."""
    rows = [(one.at[:16].replace("T", " "), one.domain, one.selector or "-", one.step) for one in found]
    yield Table(("WHEN (UTC)", "DOMAIN", "SELECTOR", "STEP"), rows, {})
