"""Progress of long work, on stderr: a bar or a spinner on a terminal, a line now and then elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.output.terminal import Terminal, is_screen

if TYPE_CHECKING:
    from dkimctl.output.bar import Bar

T = TypeVar("T")
_SHORT = 1.0  # seconds: shorter work shows no bar, and does not load the library that draws it
_LINE_EVERY = 15.0  # seconds between two lines where there is no terminal
_FEW = 3  # of so many the steps are printed, of more they are shown below the bar


class Meter:
    """Progress of long work. Nothing is shown with -q, and no bar for work that takes less than a second.

    `what` is counted, in the plural; `total`: how many, where that is known. A total of 1 is shown as a spinner.
    """

    def __init__(self, terminal: Terminal, what: str, *, total: int | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._terminal, self._what, self._total, self._clock = terminal, what, total, clock
        self._on_screen = is_screen(sys.stderr)
        self._due = clock.monotonic() + (_SHORT if self._on_screen else _LINE_EVERY)
        self._count = 0
        self._status = ""
        self._bar: Bar | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def _is_quiet(self) -> bool:
        return self._terminal.verbosity < 0

    def advance(self, size: int) -> None:
        """Advance by `size`; 0 only refreshes."""
        self._count += size
        if self._is_quiet or self._clock.monotonic() < self._due:
            return
        if self._on_screen:
            self._show()
            return
        of = f" of {self._total}" if self._total is not None else ""
        self._terminal.note(f"{self._count}{of} {self._what}")
        self._due = self._clock.monotonic() + _LINE_EVERY

    def step(self, text: str) -> None:
        """Report a step inside the work: as a note, or below the bar where a terminal shows many items."""
        if not self._on_screen or self._total is None or self._total <= _FEW:
            self._terminal.note(text)
        self.wait_for(text)

    def wait_for(self, text: str) -> None:
        """Show on a terminal what the work waits for from now on, and for how long; empty: it waits no more."""
        self._status = text
        if not self._on_screen or self._is_quiet:
            return
        if not text:
            self._close()
        elif self._bar:
            self._show()
        elif self._timer is None:
            self._timer = threading.Timer(max(0.0, self._due - self._clock.monotonic()), self._show)
            self._timer.daemon = True
            self._timer.start()

    def _close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer.join()
            self._timer = None
        if self._bar:
            self._bar.close()
            self._bar = None

    def _show(self) -> None:
        with self._lock:
            if self._bar is None:
                from dkimctl.output.bar import Bar

                self._bar = Bar(self._what, self._total)
            self._bar.update(self._count, self._status)


def watched(
    items: Iterable[T],
    terminal: Terminal,
    what: str,
    *,
    total: int | None = None,
    size: Callable[[T], int] = lambda _: 1,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[T]:
    """Yield the items unchanged while a Meter shows how many there were. `size`: how many an item counts for."""
    with Meter(terminal, what, total=total, clock=clock) as meter:
        for item in items:
            yield item
            meter.advance(size(item))
