"""Processes that no test leaves behind, whatever fails in it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(command: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that is killed, and its pipes closed, at the end of the block unless it has ended by itself."""
    with subprocess.Popen(command, text=True, **options) as running:
        try:
            yield running
        finally:
            running.kill()
