"""The event loop for all sockets, and a TCP server whose connections can be ended."""

import contextlib
import heapq
import itertools
import selectors
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


class Loop:
    """A thread that calls a function when its socket is readable, or after a time."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._thread = threading.Thread(target=self._run, name="dkimctl-sandbox", daemon=True)

    def watch(self, source: Any, call: Callable[[], None]) -> None:
        """Call a function whenever a socket (or a server) is readable; only before `start`."""
        self._selector.register(source, selectors.EVENT_READ, call)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call a function after some time; only from within the loop."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), call))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the watched sockets stay open."""
        self._waker.send(b"x")
        self._thread.join()
        self._selector.close()
        self._wake.close()
        self._waker.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._timeout()):
                if key.data is None:
                    return
                key.data()
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()

    def _timeout(self) -> float | None:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None


class ConnectionServer(socketserver.ThreadingTCPServer):
    """A TCP server with one thread for each connection; `Loop` accepts for it, and `stop` ends its connections."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        self.stopping = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._connections_lock = threading.Lock()
        super().__init__(address, handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and register it for `stop` meanwhile."""
        with self._connections_lock:
            self._connections[request] = threading.current_thread()
        if self.stopping.is_set():
            self.shutdown_request(request)
        else:
            super().process_request_thread(request, client_address)
        with self._connections_lock:
            del self._connections[request]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed the connection; report anything else, which is a bug of the sandbox."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Close the listening socket and every connection, and wait for their threads."""
        self.stopping.set()
        self.server_close()
        with self._connections_lock:
            connections = dict(self._connections)
        for connection, thread in connections.items():
            with contextlib.suppress(OSError):  # the client may have closed it already
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
