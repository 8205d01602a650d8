"""Milters that misbehave in one way each, on loopback: what an admin's relay may have beside opendkim."""

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dkimctl.opendkim.sockets import MilterSocket

Packet = tuple[bytes, bytes]
Answer = Callable[[bytes], list[Packet]]
"""Gets the body of the message; the packets to send at its end."""

CONTINUE: Packet = (b"c", b"")
ACCEPT: Packet = (b"a", b"")
TEMPFAIL: Packet = (b"t", b"")
_ALL_ACTIONS = 0x1FF


def with_footer(body: bytes) -> list[Packet]:
    """Adds a line to the body."""
    return [(b"b", body + b"-- \r\nscanned by a milter\r\n"), CONTINUE]


def with_field(name: str, value: str) -> Answer:
    """Adds a header field at the end of the header."""
    return lambda _: [(b"h", f"{name}\0 {value}\0".encode()), CONTINUE]


def rejecting(text: str) -> Answer:
    """Rejects the message with this SMTP reply."""
    return lambda _: [(b"y", text.encode() + b"\0")]


@contextmanager
def milter(answer: Answer, port: int = 0) -> Iterator[MilterSocket]:
    """A milter that answers so at the end of every message; at a port of its own unless one is named."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            body = b""
            while head := self.rfile.read(4):
                packet = self.rfile.read(struct.unpack("!I", head)[0])
                command, data = packet[:1], packet[1:]
                if command == b"O":
                    self._send(b"O", struct.pack("!III", 6, _ALL_ACTIONS, 0))
                elif command == b"B":
                    body += data
                    self._send(*CONTINUE)
                elif command == b"E":
                    for reply in answer(body):
                        self._send(*reply)
                    body = b""
                elif command == b"Q":
                    return
                elif command not in b"DAK":  # macros, abort and "quit, new connection" get no answer
                    self._send(*CONTINUE)

        def _send(self, command: bytes, data: bytes) -> None:
            self.wfile.write(struct.pack("!I", len(data) + 1) + command + data)

    with _serving(Session, port) as own:
        yield MilterSocket(port=own, host="127.0.0.1")


@contextmanager
def saying(text: bytes) -> Iterator[MilterSocket]:
    """Something that is no milter: says `text` and then nothing, until the other side hangs up."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(text)
            while self.request.recv(4096):
                pass

    with _serving(Session) as port:
        yield MilterSocket(port=port, host="127.0.0.1")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@contextmanager
def _serving(session: type[socketserver.BaseRequestHandler], port: int = 0) -> Iterator[int]:
    with _Server(("127.0.0.1", port), session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
