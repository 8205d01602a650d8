"""A rotation for people: each step with its proof, what is waited for, the calendar."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dkimctl.errors import shell_word
from dkimctl.lifecycle.steps import RotationStep, StepOutcome
from dkimctl.names import counted
from dkimctl.output.layout import Block, Table

if TYPE_CHECKING:
    from dkimctl.keys.store import Key
    from dkimctl.lifecycle.calendar import Appointment
    from dkimctl.lifecycle.revoke import Exposed, Revocation
    from dkimctl.lifecycle.steps import Rotated
    from dkimctl.output.terminal import Terminal


def show_step(step: RotationStep, terminal: "Terminal") -> None:
    """Show a step as it ends; a failed one as an error with its hint."""
    subject = " ".join(filter(None, (step.domain, step.selector)))
    subject = f"{subject}: " if subject else ""  # what concerns the whole machine has none
    action = f"{step.action}: " if step.action else ""
    if step.outcome is StepOutcome.FAILED:
        terminal.warning(f"{subject}{action}{step.proof}", step.hint)
    elif step.outcome is StepOutcome.DONE:
        terminal.message_step(f"{subject}{action}{step.proof}")
    elif step.outcome is StepOutcome.PLANNED:
        terminal.message_step(f"{subject}would {action}{step.proof}")
    elif step.exit_code:
        terminal.warning(f"{subject}{action}waits: {step.proof}", step.hint)
    elif step.until and not step.domain:
        terminal.note(f"{step.proof}, until {step.until}")
    else:
        terminal.detail(f"{subject}{action}waits: {step.proof}")


def show_result(result: "Rotated", terminal: "Terminal", *, is_asked: bool = False) -> None:
    """Show what the domains of a run wait for: what needs a person always, else where anything was done or `is_asked`.

    `is_asked`: a person asked for a rotation, or for a step of one.
    """
    for wait in result.waits:
        until = f", until {wait.until}" if wait.until else ""
        text = f"{wait.domain}: waits: {wait.proof}{until}"
        if wait.exit_code:
            terminal.warning(text, wait.hint)
        elif result.steps or is_asked:
            terminal.note(text)


def show_waits(steps: "Sequence[RotationStep]", terminal: "Terminal") -> None:
    """Show what is left until later, and until when."""
    for step in steps:
        if step.outcome is StepOutcome.WAITS:
            until = f", until {step.until}" if step.until else ""
            terminal.note(f"{step.domain} {step.selector}: {step.action} waits: {step.proof}{until}")


def show_next(result: "Rotated", terminal: "Terminal") -> None:
    """Show what comes next, and when."""
    if result.next:
        terminal.message_step(f"next: {result.next}")
    elif result.due:
        terminal.message_step(f"next: nothing before {result.due}")


def show_revocation(result: "Revocation", terminal: "Terminal") -> None:
    """Show of each leaked key what remains exposed, and until when."""
    for one in result.exposed:
        subject = f"{one.domain} {one.selector}"
        if not one.revoked:
            again = "run the same command again: it continues from here"
            terminal.warning(f"{subject}: name servers still give the leaked key", again)
        elif one.until:
            why = " (its TTL was never seen: a day is assumed)" if one.is_assumed else ""
            terminal.message_step(f"{subject}: revoked; resolvers may believe its old record until {one.until}{why}")
        else:
            terminal.message_step(f"{subject}: revoked")
        terminal.message_step(f"{subject}: {_queued(one)}")


def show_later(keys: "Sequence[Key]", leaked: str, terminal: "Terminal") -> None:
    """Name the keys that took the place of leaked ones, which the same command again does not touch."""
    for key in keys:
        named = f"dkimctl revoke {shell_word(key.domain)} {shell_word(key.selector)} --leaked {shell_word(leaked)}"
        terminal.warning(
            f"{key.domain} {key.selector}: not revoked: it is newer than the leak that was declared before",
            f"if it leaked as well: {named}",
        )


def _queued(one: "Exposed") -> str:
    """Return what is known of mail that fails now, and what is not."""
    beyond = "mail that other servers have already accepted fails as well; how much is not known here"
    if one.queued is None:
        return f"mail in the queue that was signed with this key fails, and could not be counted; {beyond}"
    count = counted(one.queued, "message") if one.queued else "no message"
    return f"{count} in the queue from this domain (by the envelope) may have its signature and fail; {beyond}"


def calendar_blocks(found: "Sequence[Appointment]") -> Iterator[Block]:
    """Return a table with a row for each step to come."""
    rows = [(one.at[:16].replace("T", " "), one.domain, one.selector or "-", one.step) for one in found]
    yield Table(("WHEN (UTC)", "DOMAIN", "SELECTOR", "STEP"), rows, {})
