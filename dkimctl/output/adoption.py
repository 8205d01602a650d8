"""What `adopt` found and did, for people."""

import textwrap
from collections.abc import Iterator
from dataclasses import fields

from dkimctl.adopt.journal import Undone
from dkimctl.adopt.plan import Adoption, Taken
from dkimctl.adopt.survey import Left
from dkimctl.findings import Severity
from dkimctl.install.compare import Difference
from dkimctl.install.install import Proven
from dkimctl.output.findings import WIDTH, finding_text
from dkimctl.output.terminal import Terminal

_SHOWN = 20
_INDENT = " " * 11


def show_adoption(adoption: Adoption, terminal: Terminal) -> None:
    """What is taken over, what stays and why, what is wrong with keys; notices as warnings."""
    terminal.result(adoption_text(adoption))
    for unread in adoption.unread:
        terminal.warning(unread.why, unread.hint)
    for notice in adoption.rendering.notices:
        terminal.warning(notice.message, notice.hint)


def adoption_text(adoption: Adoption) -> str:
    """A line or two for each key, then for each row that stays, then the findings."""
    lines = [*_few([_taken(taken) for taken in adoption.taken]), *_few([_left(left) for left in adoption.left])]
    if not adoption.taken:
        lines.append("nothing to take over\n")
    lines += [_wrapped("why", f"{reason.what}: {reason.why}") for reason in adoption.reasons]
    wrong = (finding_text(f) for f in adoption.findings if f.severity not in (Severity.OK, Severity.INFO))
    return "".join((*lines, *_few(list(wrong))))


def _taken(taken: Taken) -> str:
    size = f"{taken.algorithm} {taken.bits}"
    whole = " and all below it" if taken.subdomains else ""
    shared = f", shared by {taken.shared_by} domains" if taken.shared_by > 1 else ""
    managed = "" if taken.is_new else "; the key is managed already, its table lines become dkimctl's"
    return _wrapped("take over", f"{taken.domain}{whole}: {taken.selector} ({size}) {taken.path}{shared}{managed}")


def _left(left: Left) -> str:
    hint = f"; {left.hint}" if left.hint else ""
    return _wrapped("stays", f"{left.where}: {left.what}: {left.why}{hint}")


def _wrapped(word: str, text: str) -> str:
    return (
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=f"{word:<11}",
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )


def _few(blocks: list[str]) -> Iterator[str]:
    yield from blocks[:_SHOWN]
    if len(blocks) > _SHOWN:
        yield f"{'':11}… and {len(blocks) - _SHOWN} more; --json lists them all\n"


def show_undone(undone: Undone, terminal: Terminal) -> None:
    """The files, then what the daemons were told."""
    terminal.result("".join(f"{path}: as it was\n" for path in undone.files))
    if undone.backup:
        terminal.note(f"the copies stay in {undone.backup}")
    for told in undone.daemons:
        if told.done:
            terminal.note(told.message)
        else:
            terminal.warning(told.message, told.hint)


def adoption_document(adoption: Adoption, change: Difference | Proven | None) -> dict[str, object]:
    """What `--json` shows: the plan, its notices, and what differs or was done."""
    plan = {f.name: getattr(adoption, f.name) for f in fields(adoption) if f.name not in ("rendering", "settings")}
    return {**plan, "notices": adoption.rendering.notices, "change": change}
