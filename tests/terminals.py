"""A terminal of a chosen width, on which a command runs as a person sees it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

from tests.conftest import Scratch

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07)")


@dataclass(frozen=True)
class Seen:
    """What a terminal received, and how the command ended."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        """The raw text without escape sequences."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """The lines without escape sequences and trailing blanks."""
        return [line.rstrip() for line in self.text.splitlines()]


def on_terminal(
    scratch: Scratch, *arguments: object, columns: int = 80, env: dict[str, str] | None = None, timeout: float = 60
) -> Seen:
    """Run dkimctl with stdin, stdout and stderr on a terminal that is so many columns wide."""
    environment = {**scratch.environment({"TERM": "xterm-256color", **(env or {})})}
    environment.pop("COLUMNS")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "dkimctl", *map(str, arguments)],
        env=environment,
        cwd=scratch.home,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        raw = _read_to_the_end(ours, time.monotonic() + timeout)
        return Seen(process.wait(timeout), raw)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_to_the_end(terminal: int, deadline: float) -> str:
    raw = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        try:
            part = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the other end open
            return raw.decode()
        if not part:
            return raw.decode()
        raw += part
    raise TimeoutError(f"the command did not end; it wrote {raw[-500:]!r}")
