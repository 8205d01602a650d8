"""Log records of the layers below, shown on stderr: details with -v, delays always."""

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
    """Show the log records of dkimctl, and of no library, inside the block."""
    log = logging.getLogger("dkimctl")
    handler = _Shown(terminal)
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
