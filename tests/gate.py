"""A TCP port that can be shut: in front of the sandbox it makes "connection refused" out of nothing else."""

import socket
import threading
from contextlib import suppress

from tests.ports import free_port_everywhere


class Gate:
    """Forwards 127.0.0.1:port to another port of this machine while it is open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port = free_port_everywhere("127.0.0.1")  # one that nobody else takes while it is shut
        self._listener = self._listen(self.port)
        self.is_open = True

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def shut(self) -> None:
        """Close every connection, and refuse new ones."""
        with self._lock:
            self.is_open = False
            for one in (self._listener, *self._pairs):
                _close(one)
            self._pairs = []

    def open(self) -> None:
        """Listen again, at the same port."""
        if not self.is_open:
            self._listener = self._listen(self.port)
            self.is_open = True

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    if listener.fileno() < 0:  # shut meanwhile
                        _close(client)
                        _close(server)
                        return
                    self._pairs += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=_forward, args=(one, other), daemon=True).start()


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
