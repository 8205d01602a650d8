"""Batched UDP queries: each is sent once, and the replies are handed on as raw bytes.

For a caller that knows what the answer must be and needs no decoded message: a fifth of the engine's work. No retries
and no TCP; what is not answered at once in a simple form is left to the engine.

Half of the time of a query is the system call that sends it, so queries of the same length are sent in one call (UDP
segmentation offload, udp(7)). On the wire they are ordinary datagrams.
"""

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from dkimctl.dns.codec import query
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.sockets import SOCKETS, random_identities, udp_socket

T = TypeVar("T")
_MOST_ADDRESSES = 64  # 256 descriptors of the usual 1,024
_SOL_UDP, _UDP_SEGMENT = 17, 103  # udp(7); Python has no names for them
_MOST_SEGMENTS = 64  # UDP_MAX_SEGMENTS in <linux/udp.h>
_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class _Socket(Generic[T]):
    """A connected socket at a random port: the kernel drops what comes from elsewhere."""

    __slots__ = ("_takes_many", "asked", "socket")

    def __init__(self, endpoint: Endpoint) -> None:
        self.socket = udp_socket(endpoint.family)
        try:
            self.socket.connect((endpoint.address, endpoint.port))
        except OSError:
            self.socket.close()
            raise
        self.asked: dict[bytes, tuple[bytes, T]] = {}
        self._takes_many = _takes_many(self.socket)

    def send(self, messages: list[bytes]) -> None:
        """Send messages of one length; a full buffer counts as a lost packet."""
        if self._takes_many and len(messages) > 1:
            with suppress(OSError):  # an interface without checksum offload takes them one by one
                self.socket.sendmsg(messages, ((_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", len(messages[0]))),))
                return
        for message in messages:
            with suppress(OSError):
                self.socket.send(message)

    def collect(self, into: list[tuple[T, bytes, bytes]]) -> None:
        """Collect all answers that have arrived; one that does not repeat its question octet for octet is dropped."""
        receive, asked = self.socket.recv, self.asked
        while True:
            try:
                data = receive(65535)
            except BlockingIOError:
                return
            except OSError:
                continue  # ICMP: nothing listens there; the question stays unanswered
            found = asked.get(data[:2])
            if found is not None and data.startswith(found[0], 12):
                del asked[data[:2]]
                into.append((found[1], found[0], data))
                if not asked:
                    return  # another recv costs as much as an answer


class QueryQueue(Generic[T]):
    """Queries waiting to be sent to one address; with `recursive` it is a resolver."""

    __slots__ = ("_head", "_identities", "_options", "_sockets", "_waiting")

    def __init__(self, sockets: list[_Socket[T]], identities: Iterator[bytes], *, recursive: bool) -> None:
        empty = query(0, b"", recursive=recursive)
        self._head, self._options = empty[2:12], empty[12:]
        self._sockets = sockets
        self._identities = identities
        self._waiting: dict[int, list[tuple[bytes, T]]] = {}

    def ask(self, asked: bytes, mark: T) -> None:
        """Queue a question section for the next `send`; `mark` comes back with its answer."""
        self._waiting.setdefault(len(asked), []).append((asked, mark))

    def send(self) -> None:
        """Send everything that is queued."""
        for questions in self._waiting.values():
            for at in range(0, len(questions), _MOST_SEGMENTS):
                self._send_together(questions[at : at + _MOST_SEGMENTS])
        self._waiting.clear()

    def _send_together(self, questions: list[tuple[bytes, T]]) -> None:
        one = self._sockets[next(self._identities)[0] % SOCKETS]
        messages = []
        for question in questions:
            identity = next(self._identities)
            while identity in one.asked:
                identity = next(self._identities)
            one.asked[identity] = question
            messages.append(identity + self._head + question[0] + self._options)
        one.send(messages)


class BatchedQueries(Generic[T]):
    """Queries to any number of addresses; `T` is the caller's mark on each."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._by_endpoint: dict[Endpoint, list[_Socket[T]]] = {}
        self._by_descriptor: dict[int, _Socket[T]] = {}
        self._queues: dict[tuple[Endpoint, bool], QueryQueue[T]] = {}
        self._identities = random_identities()

    def close(self) -> None:
        """Close all sockets."""
        for one in self._by_descriptor.values():
            one.socket.close()
        self._poll.close()

    def wake_for(self, descriptor: int) -> None:
        """Make `receive` return when this descriptor is readable, too."""
        self._poll.register(descriptor, select.EPOLLIN)

    def queue_to(self, endpoint: Endpoint, *, recursive: bool = False) -> QueryQueue[T] | None:
        """Return the queue to an address; None when there is no route to it. Raises OSError when sockets run out."""
        if endpoint not in self._by_endpoint:
            self._by_endpoint[endpoint] = self._open(endpoint)
        sockets = self._by_endpoint[endpoint]
        if not sockets:
            return None
        return self._queues.setdefault(
            (endpoint, recursive), QueryQueue(sockets, self._identities, recursive=recursive)
        )

    def _open(self, endpoint: Endpoint) -> list[_Socket[T]]:
        if len(self._by_endpoint) >= _MOST_ADDRESSES:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        opened: list[_Socket[T]] = []
        try:
            opened += (_Socket(endpoint) for _ in range(SOCKETS))
        except OSError as error:
            for one in opened:
                one.socket.close()
            if error.errno not in _NO_ROUTE:
                raise
            return []
        for one in opened:
            self._by_descriptor[one.socket.fileno()] = one
            self._poll.register(one.socket.fileno(), select.EPOLLIN)
        return opened

    def forget(self, is_over: Callable[[T], bool]) -> None:
        """Drop unanswered queries whose mark is over."""
        for one in self._by_descriptor.values():
            for identity in [i for i, (_, mark) in one.asked.items() if is_over(mark)]:
                del one.asked[identity]

    def send(self) -> None:
        """Send everything that is queued to any address."""
        for queue in self._queues.values():
            queue.send()

    def receive(self, seconds: float) -> list[tuple[T, bytes, bytes]]:
        """Wait for answers for at most so many seconds: the mark, question section and message of each."""
        found: list[tuple[T, bytes, bytes]] = []
        for descriptor, _ in self._poll.poll(seconds):
            one = self._by_descriptor.get(descriptor)
            if one is not None:
                one.collect(found)
        return found


def _takes_many(one: socket.socket) -> bool:
    """Return False before Linux 4.18, which would send all messages as one datagram."""
    try:
        one.setsockopt(_SOL_UDP, _UDP_SEGMENT, 0)
    except OSError:
        return False
    return True
