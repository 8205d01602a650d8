"""When the answer to each question counts as lost: the first times to send it again, the last to give up."""

import heapq
import time
from collections.abc import Iterator

from dkimctl.dns.exchange import Exchange

SENT_AT_MOST = 3
_SOONEST, _LATEST = 1 / 6, 2 / 3  # of the timeout: when to send again for the first time


class Deadlines:
    """The deadline of every exchange that is under way. `timeout`: seconds for one answer, repetitions included."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._due: list[tuple[float, int, Exchange]] = []
        self._serial = 0

    def set(self, exchange: Exchange, when: float) -> None:
        """Set the deadline of an exchange, in place of the one that it had."""
        exchange.due = when
        self._serial += 1
        heapq.heappush(self._due, (when, self._serial, exchange))

    def begin(self, exchange: Exchange) -> None:
        """Give an exchange, which begins a connection, the whole timeout."""
        self.set(exchange, time.monotonic() + self._timeout)

    def sent(self, exchange: Exchange) -> None:
        """Count that a datagram was sent, and set until when its answer is awaited."""
        self.set(exchange, exchange.started + self._patience(exchange))
        exchange.sent += 1

    def _patience(self, exchange: Exchange) -> float:
        """Return after how many seconds from its start the answer to an exchange counts as lost.

        A slow server, such as a resolver that meets a name for the first time, must not be taken for one that drops
        questions.
        """
        if exchange.sent == 0:
            usual = 2 * exchange.server.slowest
            return max(_SOONEST * self._timeout, min(usual, _LATEST * self._timeout))
        if exchange.sent + 1 < SENT_AT_MOST:
            return (exchange.last_sent - exchange.started + self._timeout) / 2
        return self._timeout

    def delay(self) -> float:
        """Return the seconds until the next deadline; 0 when there is none."""
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else 0.0

    def overdue(self, now: float) -> Exchange | None:
        """Remove and return an exchange whose deadline has passed; None when there is none."""
        while self._due and self._due[0][0] <= now:
            when, _, exchange = heapq.heappop(self._due)
            if not exchange.done and when == exchange.due:
                return exchange
        return None

    def exchanges(self) -> Iterator[Exchange]:
        """Yield each exchange that has a deadline; deadlines may change meanwhile."""
        return (exchange for _, _, exchange in tuple(self._due))
