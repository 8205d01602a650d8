"""A progress bar or a spinner at the bottom of a terminal, drawn by `rich`. Imported only when one is shown."""

import sys
from collections.abc import Iterable
from textwrap import shorten

from rich.cells import cell_len
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from dkimctl.output.screen import console_of, live

_NARROW = 60  # columns; below, the bar shows fewer figures


class Bar:
    """Shown until `close`, which removes it; what is printed meanwhile appears above it."""

    def __init__(self, what: str, total: int | None) -> None:
        console = console_of(sys.stderr)
        # results may go through the bar's console only where they end up on the same terminal
        columns = _SPINNER if total == 1 else _NARROW_BAR if console.width < _NARROW else _BAR
        kind = Progress if total == 1 else _WithStatus
        self._progress = kind(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
        self._progress.start()
        live.append(console)
        self._what = what
        self._task = self._progress.add_task(what, total=total, status=what)

    def update(self, count: int, status: str) -> None:
        """Show how many are done, and what is waited for."""
        self._progress.update(self._task, completed=count, status=status or self._what)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        live.pop()
        self._progress.stop()


class _WithStatus(Progress):
    """A bar with a line below it that says what is waited for."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what is drawn, line by line."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["status"] != task.description:
                yield Text(shortened(task.fields["status"], self.console.width), style="dim", no_wrap=True)


def shortened(text: str, width: int) -> str:
    """Return a text that fits the width; one that is longer ends after a word, with an ellipsis."""
    return shorten(text, width, placeholder=" …") if cell_len(text) > width else text


class _Rate(ProgressColumn):
    """The rate: items done in a second."""

    def render(self, task: Task) -> Text:
        """Return the mean over the last while."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "")


class _Time(ProgressColumn):
    """The time so far, and the time that remains where that is known."""

    def render(self, task: Task) -> Text:
        """Return both in minutes and seconds."""
        left = f", {_minutes(task.time_remaining)} left" if task.time_remaining else ""
        return Text(_minutes(task.elapsed or 0) + left, style="cyan")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


_NAME = TextColumn("{task.description}", markup=False)
_STATUS = TextColumn("{task.fields[status]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
_SPINNER = (SpinnerColumn("line"), _Time(), _STATUS)
_NARROW_BAR = (_NAME, BarColumn(bar_width=10), MofNCompleteColumn())
_BAR = (_NAME, BarColumn(), MofNCompleteColumn(), _Rate(), _Time())
