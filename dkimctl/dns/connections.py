"""Questions and answers over TCP, for answers that do not fit a datagram: a few connections, and a queue for them."""

import select
from collections import deque
from collections.abc import Iterator

from dkimctl.dns.exchange import Exchange
from dkimctl.dns.questions import Trouble
from dkimctl.dns.streams import Stream

_MOST = 64  # servers accept few: BIND 150, of all clients together


class Connections:
    """All TCP connections of an engine, one for each question."""

    def __init__(self, poll: select.epoll) -> None:
        self._poll = poll
        self._waiting: deque[Exchange] = deque()
        self._by_descriptor: dict[int, tuple[Exchange, Stream]] = {}

    def __contains__(self, descriptor: int) -> bool:
        """Return whether this is one of them."""
        return descriptor in self._by_descriptor

    def close(self) -> None:
        """Close every connection."""
        for _, stream in self._by_descriptor.values():
            stream.close()

    def wait(self, exchange: Exchange) -> None:
        """Queue an exchange until a connection is free."""
        self._waiting.append(exchange)

    def begin(self) -> Iterator[tuple[Exchange, Trouble | None]]:
        """Connect for queued exchanges while there is room; yield each, and why it failed or None."""
        while self._waiting and len(self._by_descriptor) < _MOST:
            exchange = self._waiting.popleft()
            try:
                stream = Stream(exchange.question, exchange.asked, edns=exchange.edns)
            except OSError:
                yield exchange, Trouble.STREAM_REFUSED
                continue
            exchange.stream = stream
            self._by_descriptor[stream.descriptor] = exchange, stream
            self._poll.register(stream.descriptor, stream.wants)
            yield exchange, None

    def move(self, descriptor: int) -> tuple[Exchange, bytes | Trouble | None]:
        """Send or receive what is possible now. Return the answer, why there is none, or None while it comes in."""
        exchange, stream = self._by_descriptor[descriptor]
        try:
            data = stream.move()
        except OSError:
            return exchange, Trouble.STREAM_REFUSED
        if data is None:
            self._poll.modify(descriptor, stream.wants)
        return exchange, data

    def forget(self, exchange: Exchange) -> None:
        """Close its connection, if it has one."""
        if exchange.stream is None:
            return
        descriptor = exchange.stream.descriptor
        del self._by_descriptor[descriptor]
        self._poll.unregister(descriptor)
        exchange.stream.close()
