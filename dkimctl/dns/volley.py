"""Many plain questions at once: each is sent once, and what comes back is handed on as bytes.

For who knows what the answer must be and needs no message read: a fifth of the engine's work. No repetition, no TCP, no
second opinion; what is not answered at once and plainly is the engine's.
"""

import secrets
import select
import socket
from collections.abc import Iterator
from typing import Generic, TypeVar

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import query

T = TypeVar("T")
_EMPTY, _RECURSIVE = query(0, b""), query(0, b"", recursive=True)
_HEAD, _OPTIONS = _EMPTY[2:12], _EMPTY[12:]
_RECURSIVE_HEAD = _RECURSIVE[2:12]
_SOCKETS = 4  # for each address: more ports to guess, more buffer to hold a burst of answers
_BUFFER = 1 << 20


class _Socket(Generic[T]):
    """A socket at a random port, connected: what comes from elsewhere never gets here."""

    __slots__ = ("asked", "socket")

    def __init__(self, endpoint: Endpoint) -> None:
        self.socket = socket.socket(endpoint.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self.socket.connect((endpoint.address, endpoint.port))
        self.asked: dict[bytes, tuple[bytes, T]] = {}


class Volley(Generic[T]):
    """Questions on their way; `T` is the asker's own mark on each."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._by_endpoint: dict[Endpoint, list[_Socket[T]]] = {}
        self._by_descriptor: dict[int, _Socket[T]] = {}
        self._identities = _identities()

    def close(self) -> None:
        """Give the sockets back."""
        for one in self._by_descriptor.values():
            one.socket.close()
        self._poll.close()

    def wake_for(self, descriptor: int) -> None:
        """Let `receive` return when something comes in here, too."""
        self._poll.register(descriptor, select.EPOLLIN)

    def reaches(self, endpoint: Endpoint) -> bool:
        """True when this machine has a route there."""
        if endpoint not in self._by_endpoint:
            self._by_endpoint[endpoint] = []
            try:
                opened = [_Socket[T](endpoint) for _ in range(_SOCKETS)]
            except OSError:
                return False
            self._by_endpoint[endpoint] = opened
            for one in opened:
                self._by_descriptor[one.socket.fileno()] = one
                self._poll.register(one.socket.fileno(), select.EPOLLIN)
        return bool(self._by_endpoint[endpoint])

    def ask(self, endpoint: Endpoint, asked: bytes, mark: T, *, recursive: bool = False) -> None:
        """Send a question section to an address that `reaches` found; a full buffer is as good as a loss on the way."""
        identity = next(self._identities)
        one = self._by_endpoint[endpoint][identity[0] % _SOCKETS]
        while identity in one.asked:
            identity = next(self._identities)
        one.asked[identity] = (asked, mark)
        try:
            one.socket.send(identity + (_RECURSIVE_HEAD if recursive else _HEAD) + asked + _OPTIONS)
        except OSError:
            return

    def forget(self, is_over: set[T]) -> None:
        """Drop what carries one of these marks and was not answered."""
        for one in self._by_descriptor.values():
            for identity in [i for i, (_, mark) in one.asked.items() if mark in is_over]:
                del one.asked[identity]

    def receive(self, seconds: float) -> Iterator[tuple[T, bytes, bytes]]:
        """Wait for answers at most so long: mark, question section and message, which repeats that octet for octet."""
        for descriptor, _ in self._poll.poll(seconds):
            one = self._by_descriptor.get(descriptor)
            if one is not None:
                yield from self._answers(one)

    def _answers(self, one: _Socket[T]) -> Iterator[tuple[T, bytes, bytes]]:
        receive, asked = one.socket.recv, one.asked
        while True:
            try:
                data = receive(65535)
            except BlockingIOError:
                return
            except OSError:
                continue  # nothing listens there, says an ICMP message: the question stays unanswered
            found = asked.get(data[:2])
            if found is not None and data.startswith(found[0], 12):
                del asked[data[:2]]
                yield found[1], found[0], data


def _identities() -> Iterator[bytes]:
    while True:
        pool = secrets.token_bytes(4096)
        for at in range(0, len(pool), 2):
            yield pool[at : at + 2]
