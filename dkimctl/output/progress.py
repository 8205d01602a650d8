"""How far long work has come, on stderr: a bar on a terminal, a line now and then elsewhere."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TypeVar

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.output.terminal import Terminal

T = TypeVar("T")
_SHORT = 1.0  # seconds: shorter work shows no bar, and does not wait for the library that draws it
_LINE_EVERY = 15.0  # seconds between two lines where there is no terminal


class Meter:
    """How far work has come. Nothing is shown with -q, nor a bar for what is done within a second.

    `what` it consists of, in the plural; `total` how many, where it is known.
    """

    def __init__(self, terminal: Terminal, what: str, *, total: int | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._terminal, self._what, self._total, self._clock = terminal, what, total, clock
        self._on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._due = clock.monotonic() + (_SHORT if self._on_terminal else _LINE_EVERY)
        self._count = 0
        self._show: Callable[[int], None] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, size: int) -> None:
        """So many more are done; none, where something has happened all the same."""
        self._count += size
        if self._terminal.verbosity < 0 or self._clock.monotonic() < self._due:
            return
        self._show = self._show or self._opened()
        self._show(self._count)
        self._due = self._clock.monotonic() + (0 if self._on_terminal else _LINE_EVERY)

    def _opened(self) -> Callable[[int], None]:
        if self._on_terminal:
            return _bar(self._stack, self._what, self._total)
        return _lines(self._terminal, self._what, self._total)


def watched(
    items: Iterable[T],
    terminal: Terminal,
    what: str,
    *,
    total: int | None = None,
    size: Callable[[T], int] = lambda _: 1,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[T]:
    """The items as they come, unchanged. `size`: how many an item stands for; the rest as `Meter` says."""
    with Meter(terminal, what, total=total, clock=clock) as meter:
        for item in items:
            yield item
            meter.add(size(item))


def _lines(terminal: Terminal, what: str, total: int | None) -> Callable[[int], None]:
    of = f" of {total}" if total is not None else ""
    return lambda count: terminal.note(f"{count}{of} {what}")


def _bar(stack: ExitStack, what: str, total: int | None) -> Callable[[int], None]:
    """A bar that goes away at the end; lines that are printed meanwhile stand above it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(TextColumn):
        """How many a second, over the last while."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f}/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(""), TimeRemainingColumn())
    # results may go through the bar's console only where they end up on the same terminal
    progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
    stack.enter_context(progress)
    task = progress.add_task(what, total=total)
    return lambda count: progress.update(task, completed=count)
