"""What `adopt` found and did, for people."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

from dkimctl.adopt.candidates import Left
from dkimctl.adopt.plan import Adoption, Taken
from dkimctl.findings import Severity
from dkimctl.install.compare import Difference
from dkimctl.install.install import Proven
from dkimctl.output.findings import INDENT, finding_blocks
from dkimctl.output.layout import Block, Line, Tone, labelled, paragraph
from dkimctl.output.rendering import show_notices
from dkimctl.output.terminal import Terminal

_SHOWN = 20


def show_adoption(adoption: Adoption, terminal: Terminal) -> None:
    """Show what is taken over, what stays and why, and findings about keys; notices as warnings."""
    terminal.show(adoption_blocks(adoption))
    for unread in adoption.unread:
        terminal.warning(unread.why, unread.hint)
    show_notices(adoption.rendering.notices, terminal)


def adoption_blocks(adoption: Adoption) -> Iterator[Block]:
    """Return a block for each key, for each row that stays, for each reason, and the findings."""
    yield from _few([[_taken(taken)] for taken in adoption.taken])
    yield from _few([[_left(left)] for left in adoption.left])
    if not adoption.taken:
        yield Line("nothing to take over")
    for reason in adoption.reasons:
        yield labelled("why", f"{reason.what}: {reason.why}", INDENT)
    yield from _few([finding_blocks(f) for f in adoption.findings if f.severity not in (Severity.OK, Severity.INFO)])


def _taken(taken: Taken) -> Block:
    size = f"{taken.algorithm} {taken.bits}"
    whole = " and all below it" if taken.subdomains else ""
    shared = f", shared by {taken.shared_by} domains" if taken.shared_by > 1 else ""
    managed = "" if taken.is_new else "; the key is managed already, its table lines become dkimctl's"
    text = f"{taken.domain}{whole}: {taken.selector} ({size}) {taken.path}{shared}{managed}"
    return labelled("take over", text, INDENT, tone=Tone.OK)


def _left(left: Left) -> Block:
    hint = f"; {left.hint}" if left.hint else ""
    return labelled("stays", f"{left.where}: {left.what}: {left.why}{hint}", INDENT, tone=Tone.INFO)


def _few(groups: Sequence[Sequence[Block]]) -> Iterator[Block]:
    for group in groups[:_SHOWN]:
        yield from group
    if len(groups) > _SHOWN:
        yield paragraph(f"… and {len(groups) - _SHOWN} more; --json lists them all", INDENT)


def adoption_document(adoption: Adoption, change: Difference | Proven | None) -> dict[str, object]:
    """Return what `--json` shows: the plan, its notices, and what differs or was done."""
    plan = {f.name: getattr(adoption, f.name) for f in fields(adoption) if f.name not in ("rendering", "settings")}
    return {**plan, "notices": adoption.rendering.notices, "change": change}
