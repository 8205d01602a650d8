"""What undoing an installation did, or would do, for people."""

from dkimctl.install.undo import Undone
from dkimctl.output.layout import Line
from dkimctl.output.rendering import show_reload
from dkimctl.output.terminal import Terminal


def show_undone(undone: Undone, terminal: Terminal, *, dry_run: bool = False) -> None:
    """Show the restored files, then how the daemons were reloaded."""
    terminal.show(Line(f"{path}: {'would be as it was' if dry_run else 'as it was'}") for path in undone.files)
    if undone.backup:
        terminal.note(f"the copies stay in {undone.backup}")
    for told in undone.daemons:
        show_reload(told, terminal)
