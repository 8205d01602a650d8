"""What `render-config` found and did, for people."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from dkimctl.install.compare import Change, Difference
from dkimctl.install.install import Proven
from dkimctl.install.switch import Switched
from dkimctl.output.layout import Block, Line, Tone, message
from dkimctl.output.terminal import Terminal
from dkimctl.signers.rendered import Notice, Rendering
from dkimctl.signers.service import ReloadResult

_TONES = {"+": Tone.ADDED, "-": Tone.REMOVED, "@": Tone.PLACE}
_WORDS = {Change.NEW: "new", Change.CONTENT: "changed", Change.MODE: "other mode or owner"}


def show_notices(notices: Iterable[Notice], terminal: Terminal) -> None:
    """Show each as a warning with its hint."""
    for notice in notices:
        terminal.warning(notice.message, notice.hint, notice.lines)


def with_notices(value: Difference | Switched, rendering: Rendering) -> dict[str, object]:
    """Return what `--json` shows: the fields of a result, and the notices."""
    return {**{f.name: getattr(value, f.name) for f in fields(value)}, "notices": rendering.notices}


def show_diff(lines: Iterable[str], terminal: Terminal) -> None:
    """Show a unified diff while it is made, in colours on a terminal."""
    terminal.show(_diff_line(line.removesuffix("\n")) for line in lines)


def _diff_line(line: str) -> Line:
    is_file = line.startswith(("--- ", "+++ "))
    return Line(line, Tone.HEADING if is_file else _TONES.get(line[:1], Tone.NONE))


def difference_blocks(difference: Difference) -> Sequence[Block]:
    """Return what differs, a line each; one line when nothing does."""
    if difference.is_empty:
        return [Line("nothing to change: everything is as it should be", Tone.OK)]
    lines = [f"{made.path}: {_WORDS[made.change]}" for made in difference.directories]
    lines += [f"{file.path}: {_WORDS[file.change]}" for file in difference.files]
    lines += [f"main.cf: {setting.name} = {setting.wanted}" for setting in difference.postfix]
    lines += [f"{path}: removed, because its key is revoked" for path in difference.removed]
    return [message(line) for line in lines]


def installed_document(proven: Proven, rendering: Rendering) -> dict[str, object]:
    """Return what `--json` shows of an installation, with its proof."""
    return {**with_notices(proven.switched, rendering), "proof": proven.proof}


def show_installation(proven: Proven, terminal: Terminal) -> None:
    """Show what was done, and the proof as a note."""
    show_switch(proven.switched, terminal)
    if proven.proof:
        terminal.note(proven.proof)


def show_switch(switched: Switched, terminal: Terminal) -> None:
    """Show the changes as the result; where the old files are and what the daemons do as notes."""
    terminal.show(difference_blocks(switched.installed.changed))
    if switched.installed.backup:
        terminal.note(f"the old files are in {switched.installed.backup}")
    for note in switched.installed.notes:
        terminal.note(note)
    if switched.dry_run:
        terminal.note(switched.dry_run)
    for result in (switched.daemon, switched.postfix):
        if result is not None:
            show_reload(result, terminal)


def show_reload(result: ReloadResult, terminal: Terminal) -> None:
    """Show how a daemon was reloaded: as a warning where a person has to do it."""
    if result.done:
        terminal.note(result.message)
    else:
        terminal.warning(result.message, result.hint)
