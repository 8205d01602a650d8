"""Questions and answers over UDP: a few sockets at random ports, random ids; packets from elsewhere are dropped."""

import select
import socket
from collections.abc import Iterator

from dkimctl.dns.codec import answers_to, query
from dkimctl.dns.exchange import Exchange
from dkimctl.dns.questions import Trouble
from dkimctl.dns.sockets import SOCKETS, random_identities, udp_socket

_BURST = 1024  # more than the buffer holds
_ERRORS_V4 = (socket.IPPROTO_IP, 11)  # IP_RECVERR, ip(7)
_ERRORS_V6 = (socket.IPPROTO_IPV6, 25)  # IPV6_RECVERR, ipv6(7)


class _Socket:
    """A socket at a port of the kernel's choice, and the questions asked through it."""

    def __init__(self, family: socket.AddressFamily, poll: select.epoll) -> None:
        self.socket = udp_socket(family)
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
        self._identities = random_identities()

    def close(self) -> None:
        """Close every socket."""
        for one in self._by_descriptor.values():
            one.socket.close()

    def register(self, exchange: Exchange) -> None:
        """Choose a socket and a free random id for a new exchange; neither where this machine lacks the family."""
        sockets = self._sockets(exchange.question.endpoint.family)
        if not sockets:
            return
        self._turn += 1
        chosen = sockets[self._turn % len(sockets)]
        exchange.descriptor = chosen.socket.fileno()
        self._identify(exchange, chosen)

    def register_again(self, exchange: Exchange) -> None:
        """Choose another id for a repetition, so that it is known which sending is answered; all ids stay valid."""
        one = self._by_descriptor.get(exchange.descriptor)
        if one is not None:
            exchange.earlier = (*exchange.earlier, exchange.identity)
            self._identify(exchange, one)

    def _identify(self, exchange: Exchange, one: _Socket) -> None:
        identity = int.from_bytes(next(self._identities), "big")
        while identity in one.pending:
            identity = int.from_bytes(next(self._identities), "big")
        exchange.identity = identity
        one.pending[identity] = exchange

    def _sockets(self, family: socket.AddressFamily) -> list[_Socket]:
        if family not in self._by_family:
            try:
                self._by_family[family] = [_Socket(family, self._poll) for _ in range(SOCKETS)]
            except OSError:
                self._by_family[family] = []
            self._by_descriptor |= {one.socket.fileno(): one for one in self._by_family[family]}
        return self._by_family[family]

    def send(self, exchange: Exchange) -> Trouble | None:
        """Send the question of an exchange. Return why it cannot be sent, or None."""
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
                return None  # the buffer is full: counts as lost, and is sent again
            except ConnectionRefusedError:
                continue  # an earlier packet's error, reported here first
            except OSError:
                return Trouble.NO_ROUTE
            return None
        return None

    def forget(self, exchange: Exchange) -> None:
        """Ignore what may still arrive for an exchange."""
        one = self._by_descriptor.get(exchange.descriptor)
        if one is None:
            return
        for identity in (exchange.identity, *exchange.earlier):
            if one.pending.get(identity) is exchange:
                del one.pending[identity]
        exchange.earlier = ()

    def receive(self, descriptor: int) -> Iterator[tuple[Exchange, bytes | Trouble]]:
        """Yield what has arrived: the exchange, and the bytes of the answer or why there is none."""
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
