"""Where probe mail ends: an SMTP server on loopback that keeps every message and delivers none."""

import socketserver
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_MOST = 1 << 22  # octets of one message; probes are small


class Sink:
    """Use as a context manager; mail that comes to `port` on 127.0.0.1 is kept."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._messages: list[bytes] = []
        self._server = _Server(self._keep)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, mark: str, seconds: float) -> tuple[bytes, ...]:
        """Every message with `mark` in it; waits for the first, and empty when none has come in that time."""
        wanted, deadline = mark.encode(), time.monotonic() + seconds
        with self._arrived:
            while True:
                found = tuple(message for message in self._messages if wanted in message)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._arrived.wait(left)

    def _keep(self, message: bytes) -> None:
        with self._arrived:
            self._messages.append(message)
            self._arrived.notify_all()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.keep = keep


class _Session(socketserver.StreamRequestHandler):
    """Just enough of RFC 5321 for Postfix; 8BITMIME as nearly every receiver has it (RFC 6152)."""

    def handle(self) -> None:
        self._say("220 dkimctl ESMTP")
        while line := self.rfile.readline(_MOST):
            verb = line[:4].upper().strip()
            if verb == b"QUIT":
                self._say("221 bye")
                return
            if verb == b"EHLO":
                self._say("250-dkimctl")
                self._say("250 8BITMIME")
                continue
            if verb == b"DATA":
                self._say("354 go on")
                self._data()
            self._say("250 ok")

    def _data(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline(_MOST)) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        assert isinstance(self.server, _Server)
        self.server.keep(b"".join(lines))

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
