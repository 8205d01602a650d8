"""What the layers below note about their work, shown on stderr: the details with -v, what holds it up always."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dkimctl.output.terminal import Terminal


class _Shown(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Show one note."""
        show = self._terminal.note if record.levelno >= logging.WARNING else self._terminal.detail
        show(record.getMessage())


@contextmanager
def notes_shown(terminal: Terminal) -> Iterator[None]:
    """Inside the block the notes of every module of dkimctl appear, and of no library."""
    log = logging.getLogger("dkimctl")
    handler = _Shown(terminal)
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
