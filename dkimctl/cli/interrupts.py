"""Delay Ctrl-C to the end of a line that a program reads."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Block SIGINT inside the block, and deliver it at its end.

    A handler that sets a flag would not do: the interrupted write would be short, and Python's unbuffered streams
    (PYTHONUNBUFFERED) lose the rest.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
