"""Ctrl-C at a good moment: not in the middle of a line that a program is to read."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a SIGINT that comes inside the block wait for its end.

    Not a handler that takes a note: an interrupted write would be a short one, and Python's unbuffered streams
    (PYTHONUNBUFFERED) lose the rest of it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
