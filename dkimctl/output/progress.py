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


def watched(
    items: Iterable[T],
    terminal: Terminal,
    what: str,
    *,
    total: int | None = None,
    size: Callable[[T], int] = lambda _: 1,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[T]:
    """The items as they come, unchanged. `what` they are, in the plural; `total` how many, where it is known.

    `size`: how many an item stands for.
    """
    if terminal.verbosity < 0:
        yield from items
        return
    on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    with ExitStack() as stack:
        show: Callable[[int], None] | None = None if on_terminal else _lines(terminal, what, total)
        due = clock.monotonic() + (_SHORT if on_terminal else _LINE_EVERY)
        count = 0
        for item in items:
            count += size(item)
            yield item
            if clock.monotonic() < due:
                continue
            show = show or _bar(stack, what, total)
            show(count)
            due = clock.monotonic() + (0 if on_terminal else _LINE_EVERY)


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
