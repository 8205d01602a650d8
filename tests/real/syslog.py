"""The syslog socket /dev/log: opendkim and Postfix log there and nowhere else."""

import re
import socket
import threading
import time
from pathlib import Path


class Syslog:
    """Collects every line that the daemons log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._collect, daemon=True)

    def start(self) -> None:
        """Listen; everybody may write."""
        self._socket.bind(str(self._path))
        self._path.chmod(0o666)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()

    def wait_for(self, pattern: str, seconds: float = 20) -> str:
        """The first line that the pattern is found in; waits for it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"nothing like {pattern!r} was logged\n{self}")

    def _collect(self) -> None:
        while data := self._socket.recv(65536):
            self.lines.append(re.sub(r"^<\d+>", "", data.rstrip(b"\0\n").decode("utf-8", "replace")))

    def __str__(self) -> str:
        return "\n".join(["logged:", *self.lines])
