"""Where the relay delivers to: an SMTP server on loopback that keeps every message."""

import socketserver
import threading
import time
from types import TracebackType
from typing import Self


class Sink:
    """Use as a context manager; `messages` are the mails as they arrived, CRLF line ends included."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.sink = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
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

    def wait_for(self, text: str, seconds: float = 30) -> bytes:
        """The message that holds `text`; waits until it has arrived."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in list(self.messages):
                if text.encode() in message:
                    return message
            time.sleep(0.02)
        raise AssertionError(f"no message with {text!r} arrived; there are {len(self.messages)}")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    sink: Sink


class _Session(socketserver.StreamRequestHandler):
    """Just enough of RFC 5321 for Postfix's smtp client."""

    def handle(self) -> None:
        self._say("220 sink ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"QUIT":
                self._say("221 bye")
                return
            if verb == b"DATA":
                self._say("354 go on")
                self._keep()
            self._say("250 ok")

    def _keep(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        server = self.server
        assert isinstance(server, _Server)
        server.sink.messages.append(b"".join(lines))

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
