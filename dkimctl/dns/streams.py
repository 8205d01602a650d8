"""One question over TCP, for answers that do not fit a datagram (RFC 7766)."""

import os
import select
import socket

from dkimctl.dns.codec import answers_to, query
from dkimctl.dns.questions import Question


class Stream:
    """A connection that is opened, asked through and read without waiting; `move` is called when it is ready."""

    def __init__(self, asked_for: Question, asked: bytes, *, edns: bool) -> None:
        """Begin to connect. Raises OSError."""
        self._asked = asked
        self._identity = int.from_bytes(os.urandom(2), "big")
        data = query(
            self._identity,
            asked,
            recursive=asked_for.recursive,
            edns=edns,
            checking_disabled=asked_for.checking_disabled,
        )
        self._outgoing = len(data).to_bytes(2, "big") + data
        self._incoming = b""
        endpoint = asked_for.endpoint
        self._socket = socket.socket(endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect((endpoint.address, endpoint.port))
        except BlockingIOError:
            pass
        except OSError:
            self._socket.close()
            raise

    @property
    def descriptor(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    @property
    def wants(self) -> int:
        """The events to wait for: EPOLLOUT while there is something to send, then EPOLLIN."""
        return select.EPOLLOUT if self._outgoing else select.EPOLLIN

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def move(self) -> bytes | None:
        """Send or receive what is possible now; the answer when it is whole. Raises OSError."""
        try:
            if self._outgoing:
                self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
                return None
            received = self._socket.recv(65535)
        except BlockingIOError:
            return None
        if not received:
            raise ConnectionResetError("closed before the answer was whole")
        self._incoming += received
        size = int.from_bytes(self._incoming[:2], "big")
        if len(self._incoming) < 2 or len(self._incoming) < 2 + size:
            return None
        data = self._incoming[2 : 2 + size]
        if int.from_bytes(data[:2], "big") != self._identity or not answers_to(data, self._asked):
            raise ConnectionResetError("an answer to another question")
        return data
