"""What `uninstall` took out, or would take out, for people."""

from collections.abc import Iterable

from dkimctl.install.uninstall import Removed
from dkimctl.output.initial import show_init
from dkimctl.output.layout import Line
from dkimctl.output.rendering import show_reload
from dkimctl.output.terminal import Terminal
from dkimctl.timer.init import Done


def show_removal(
    removed: Removed, timer: Done | None, timer_files: Iterable[str], timer_units: Iterable[str], terminal: Terminal
) -> None:
    """Show each file and setting, then how the daemons were reloaded.

    `timer`: None for a dry run, with what would be removed and stopped.
    """
    would = "would be " if timer is None else ""
    terminal.show(Line(f"{taken.path}: {would}{taken.outcome}") for taken in removed.files)
    terminal.show(
        Line(f"main.cf: {name} {would}{'unset' if value is None else f'= {value}'}")
        for name, value in removed.postfix.items()
    )
    terminal.show(Line(f"{path}: would be removed") for path in timer_files)
    terminal.show(Line(f"{unit}: would be stopped and disabled") for unit in timer_units)
    if removed.is_empty:
        terminal.note("nothing of dkimctl is in the configuration of opendkim and Postfix")
    if removed.backup:
        terminal.note(f"the files as they were are in {removed.backup}")
    for told in removed.daemons:
        show_reload(told, terminal)
    if timer is not None:
        show_init(timer, terminal)
