"""What `init` put in place, or took away, for people."""

from dkimctl.config.load import DEFAULT_FILE
from dkimctl.output.layout import Line, Tone
from dkimctl.output.terminal import Terminal
from dkimctl.timer.init import Done, Outcome

_TONES = {Outcome.KEPT: Tone.WARNING, Outcome.UNCHANGED: Tone.INFO}


def show_init(done: Done, terminal: Terminal) -> None:
    """Show each file with what became of it, then the timer; what a person has to do as a warning."""
    terminal.show(Line(f"{file.outcome:<9} {file.path}", _TONES.get(file.outcome, Tone.OK)) for file in done.files)
    if not done.files:
        terminal.note("init has nothing in place")
    for file in done.files:
        if file.outcome is Outcome.KEPT and file.path != DEFAULT_FILE:  # that one is meant to be edited
            terminal.warning(f"{file.path} was written or changed by a person, and stays as it is")
    if done.is_by_hand:
        terminal.warning(done.timer)
    elif done.timer:
        terminal.note(done.timer)
    if done.first:
        terminal.warning("nothing is installed for the signer yet, and the timer may not do it", done.first)
