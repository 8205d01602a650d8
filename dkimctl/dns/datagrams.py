"""Questions and answers over UDP: a handful of sockets at random ports, random ids, strangers' packets dropped."""

import os
import select
import socket
from collections.abc import Iterator

from dkimctl.dns.exchange import Exchange
from dkimctl.dns.message import answers_to, query
from dkimctl.dns.questions import Trouble

_SOCKETS = 4  # of each family: more ports to guess, more buffer to hold a burst of answers
_BUFFER = 1 << 20
_BURST = 1024  # more than the buffer holds
_ERRORS_V4 = (socket.IPPROTO_IP, 11)  # IP_RECVERR, ip(7)
_ERRORS_V6 = (socket.IPPROTO_IPV6, 25)  # IPV6_RECVERR, ipv6(7)


class _Socket:
    """A socket at a port of the kernel's choice, and what was asked through it."""

    def __init__(self, family: socket.AddressFamily, poll: select.epoll) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        # an ICMP "port unreachable" then comes back as an error that names the question
        self.socket.setsockopt(*(_ERRORS_V6 if family == socket.AF_INET6 else _ERRORS_V4), 1)
        self.socket.bind(("", 0))
        self.pending: dict[int, Exchange] = {}
        poll.register(self.socket.fileno(), select.EPOLLIN)


class Datagrams:
    """All UDP sockets of an engine."""

    def __init__(self, poll: select.epoll) -> None:
        self._poll = poll
        self._by_family: dict[int, list[_Socket]] = {}
        self._by_descriptor: dict[int, _Socket] = {}
        self._turn = 0

    def close(self) -> None:
        """Close every socket."""
        for one in self._by_descriptor.values():
            one.socket.close()

    def register(self, exchange: Exchange) -> None:
        """Choose a socket and a free random id for a new exchange; none where this machine lacks the family."""
        sockets = self._sockets(exchange.question.endpoint.family)
        if not sockets:
            return
        self._turn += 1
        chosen = sockets[self._turn % len(sockets)]
        exchange.descriptor = chosen.socket.fileno()
        self._identify(exchange, chosen)

    def register_again(self, exchange: Exchange) -> None:
        """Another id for another sending, so that it is known which of them an answer belongs to; all are good."""
        one = self._by_descriptor.get(exchange.descriptor)
        if one is not None:
            exchange.earlier = (*exchange.earlier, exchange.identity)
            self._identify(exchange, one)

    def _identify(self, exchange: Exchange, one: _Socket) -> None:
        identity = int.from_bytes(os.urandom(2), "big")
        while identity in one.pending:
            identity = int.from_bytes(os.urandom(2), "big")
        exchange.identity = identity
        one.pending[identity] = exchange

    def _sockets(self, family: socket.AddressFamily) -> list[_Socket]:
        if family not in self._by_family:
            try:
                self._by_family[family] = [_Socket(family, self._poll) for _ in range(_SOCKETS)]
            except OSError:
                self._by_family[family] = []
            self._by_descriptor |= {one.socket.fileno(): one for one in self._by_family[family]}
        return self._by_family[family]

    def send(self, exchange: Exchange) -> Trouble | None:
        """Send the question of an exchange; what hinders it, or None."""
        one = self._by_descriptor.get(exchange.descriptor)
        if one is None:
            return Trouble.NO_ROUTE
        asked_for = exchange.question
        address, port = asked_for.endpoint.address, asked_for.endpoint.port
        data = query(
            exchange.identity,
            exchange.asked,
            recursive=asked_for.recursive,
            edns=exchange.edns,
            checking_disabled=asked_for.checking_disabled,
        )
        for _ in range(3):
            try:
                one.socket.sendto(data, (address, port))
            except BlockingIOError:
                return None  # the buffer is full: as good as lost on the way, and sent again
            except ConnectionRefusedError:
                continue  # an earlier packet's error, reported here first
            except OSError:
                return Trouble.NO_ROUTE
            return None
        return None

    def forget(self, exchange: Exchange) -> None:
        """Drop whatever may still come for an exchange."""
        one = self._by_descriptor.get(exchange.descriptor)
        if one is None:
            return
        for identity in (exchange.identity, *exchange.earlier):
            if one.pending.get(identity) is exchange:
                del one.pending[identity]
        exchange.earlier = ()

    def receive(self, descriptor: int) -> Iterator[tuple[Exchange, bytes | Trouble]]:
        """What came in: the exchange, and the answer's bytes or what hindered it."""
        one = self._by_descriptor[descriptor]
        for _ in range(_BURST):
            try:
                data, source = one.socket.recvfrom(65535)
            except BlockingIOError:
                break
            except OSError:
                break  # an error that the queue below explains
            found = one.pending.get(data[0] << 8 | data[1]) if len(data) >= 12 else None
            if found is None:
                continue
            endpoint = found.question.endpoint
            if source[1] == endpoint.port and source[0] == endpoint.address and answers_to(data, found.asked):
                yield found, data
        yield from self._unreachable(one)

    def _unreachable(self, one: _Socket) -> Iterator[tuple[Exchange, Trouble]]:
        while True:
            try:
                data = one.socket.recvmsg(512, 512, socket.MSG_ERRQUEUE)[0]
            except OSError:
                return
            found = one.pending.get(data[0] << 8 | data[1]) if len(data) >= 12 else None
            if found is not None:
                yield found, Trouble.CLOSED
