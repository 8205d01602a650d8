"""HTTP servers on loopback that answer byte for byte as a test wants, and record the requests."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Respond = Callable[[socket.socket, str], None]
"""Gets the connection and the head of a request; writes the answer. The connection is closed afterwards."""

TIME = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n1700000000"


@dataclass
class HostileServer:
    """A running server. `heads`: request line and headers of each request, as one text."""

    port: int
    heads: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"http://127.0.0.1:{self.port}/1.0"


@contextmanager
def hostile_server(respond: Callable[[HostileServer], Respond]) -> Iterator[HostileServer]:
    """Answer each connection in a thread of its own, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = HostileServer(listening.getsockname()[1])
        answer = respond(server)

        def serve(connection: socket.socket) -> None:
            with connection:
                head = _head(connection)
                if head:
                    server.heads.append(head)
                    with suppress(OSError):  # the client has gone, as it should
                        answer(connection, head)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            break
        head += piece
    return head.decode("latin-1")


def answer(body: bytes, *headers: str, status: str = "200 OK") -> Respond:
    """Give every request the same answer, except `/auth/time`, which gets the time."""
    return after_time(fixed(body, *headers, status=status))


def fixed(body: bytes, *headers: str, status: str = "200 OK") -> Respond:
    """Give every request the same answer."""
    lines = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "Connection: close"))

    def respond(connection: socket.socket, _: str) -> None:
        connection.sendall(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return respond


def after_time(other: Respond) -> Respond:
    """Answer `/auth/time` as the API does, and everything else with `other`."""

    def respond(connection: socket.socket, head: str) -> None:
        if head.startswith("GET /1.0/auth/time "):
            connection.sendall(TIME)
        else:
            other(connection, head)

    return respond


def dripping(server: HostileServer, start: bytes, drop: bytes) -> Respond:
    """Write the start, then a drop ten times a second, for ever."""

    def respond(connection: socket.socket, _: str) -> None:
        connection.sendall(start)
        while not server.stopping.wait(0.1):
            connection.sendall(drop)

    return respond


def flooding(server: HostileServer, start: bytes) -> Respond:
    """Write the start, then zeros as fast as they are read, for ever."""

    def respond(connection: socket.socket, _: str) -> None:
        connection.sendall(start)
        while not server.stopping.is_set():
            connection.sendall(b" " * 65536)

    return respond
