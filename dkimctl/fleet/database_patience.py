"""Connections that are cut when the server says nothing for too long.

`statement_timeout` is for a server that works: one whose process is stopped, or whose disk hangs, never looks at it,
and its kernel goes on answering keepalives.
"""

import os
from contextlib import suppress
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Any

from psycopg import Connection


def impatient(patience: float) -> type["Connection[Any]"]:
    """Return the class of connections of which no answer takes longer than so many seconds."""

    class Impatient(Connection[Any]):
        def wait(self, *args: Any, **kwargs: Any) -> Any:
            """Wait for the server: whatever is asked of it goes through here."""
            cutter = Timer(patience, _cut, (self.fileno(),))
            cutter.daemon = True
            cutter.start()
            try:
                return super().wait(*args, **kwargs)
            finally:
                cutter.cancel()

    return Impatient


def _cut(descriptor: int) -> None:
    with suppress(OSError), socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(SHUT_RDWR)
