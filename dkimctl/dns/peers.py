"""One server address: how much it is asked at a time, and how it is spared when it has had enough.

A server says that it is asked too much by dropping questions, or by answering REFUSED or SERVFAIL. The same answers
also come from a server that does not know the zone. The two are told apart by asking again, alone and after a pause:
what is answered then was refused for its rate.
"""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dkimctl.dns.message import Message, Rcode

if TYPE_CHECKING:
    from dkimctl.dns.exchange import Exchange

_FIRST_WINDOW = 32.0
_WIDEST_WINDOW = 512.0
_BUSY = 16  # questions; who was asked fewer was not asked too much
_FIRST_PAUSE = 0.25  # seconds; twice as long each time
_MOST_REFUSALS = 4  # of one question, three of them alone after a pause: 0.25, 0.5 and 1 second
_MOST_TURNS = 8  # of one question, in the crowd too: a server that answers some names at once is never quite alone
_MANY_OPINIONS = 16
_SILENT = 8  # questions in a row without an answer: not a matter of the rate
_PROBES = 32  # so many are in flight to a silent server, lest each waits for the one before it
_DEAD = _SILENT + _PROBES  # questions in a row without an answer, after which one is asked now and then only
_PROBE_PAUSE = 1.0  # seconds between two questions to a dead server
_FORGOTTEN = 0.99  # what is left of the slowest answer with each one that follows


class Peer:
    """One endpoint: how much is on its way there, how much it bears, and what waits for room."""

    __slots__ = (
        "_again",
        "_asked",
        "_held_until",
        "_is_on_probation",
        "_is_willing",
        "_opinions",
        "_pause",
        "_probe_at",
        "_queue",
        "_silences",
        "_threshold",
        "_window",
        "in_flight",
        "slowest",
        "without_edns",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.slowest = 0.0
        self.without_edns = False
        self._window = _FIRST_WINDOW
        self._threshold = _WIDEST_WINDOW
        self._queue: deque[Exchange] = deque()
        self._again: deque[Exchange] = deque()
        self._asked = 0
        self._silences = 0  # questions without an answer since the last one that had one
        self._is_willing = False  # it has answered something
        self._opinions = 0  # questions that it refused whatever the rate
        self._pause = _FIRST_PAUSE
        self._held_until = 0.0
        self._is_on_probation = False
        self._probe_at = 0.0  # when a dead server is asked again

    @property
    def is_dead(self) -> bool:
        """True when many questions in a row got no answer: from now on most are given up at once."""
        return self._silences >= (_DEAD if self._is_willing else _SILENT)

    def wait(self, exchange: "Exchange") -> None:
        """Put a question in the queue; those that were refused before go ahead of the others."""
        if exchange.refusals > 1:
            self._again.appendleft(exchange)
        else:
            (self._again if exchange.refusals else self._queue).append(exchange)

    def next(self, now: float) -> "Exchange | None":
        """The next question to send; None while there is none, or no room for it."""
        if self.is_dead:
            return self._probe(now)
        room = 1 if self._is_on_probation else max(self._window, _PROBES if self._silences >= _SILENT else 1)
        waiting = self._again or self._queue
        if not waiting or self.in_flight >= room or now < self._held_until:
            return None
        self.in_flight += 1
        self._asked += 1
        return waiting.popleft()

    def _probe(self, now: float) -> "Exchange | None":
        """Return one question to send to a dead server, now and then: it may have come back."""
        waiting = self._again or self._queue
        if not waiting or now < self._probe_at:
            return None
        self._probe_at = now + _PROBE_PAUSE
        self.in_flight += 1
        self._asked += 1
        return waiting.popleft()

    def took(self, seconds: float) -> None:
        """An answer came so long after the question was sent."""
        self.slowest = max(seconds, _FORGOTTEN * self.slowest)
        self._silences = 0

    def was_silent(self) -> None:
        """No answer to a question however often it was sent."""
        self._silences += 1

    def given_up(self) -> "Iterator[Exchange]":
        """Yield every question that waits for a dead server: none of them is sent."""
        while self.is_dead and self._queue:
            yield self._queue.popleft()

    def lost(self) -> None:
        """A question or its answer was dropped: it bears less."""
        self._window = max(1.0, self._window / 2)

    def answered(self, exchange: "Exchange", message: Message) -> None:
        """This is the last word about a question: it bears more, or does not change its mind."""
        self._is_on_probation = False
        if message.rcode in (Rcode.REFUSED, Rcode.SERVFAIL):
            self._opinions += exchange.refusals > 1
            return
        self._is_willing = True
        if exchange.refusals:
            self._opinions = 0
        if exchange.sent == 1:
            self._pause = _FIRST_PAUSE
            more = 1 if self._window < self._threshold else 1 / self._window
            self._window = min(_WIDEST_WINDOW, self._window + more)

    def ask_again(self, exchange: "Exchange", message: Message, now: float) -> float | None:
        """When to ask a question again that may have been refused because too many came; None when that is not why.

        All wait so long, as long as it is not known that this server refuses some names whatever the rate.
        """
        if message.rcode not in (Rcode.REFUSED, Rcode.SERVFAIL) or message.has_a_reason:
            return None
        if not self._is_willing or self._asked < _BUSY:
            return None
        exchange.turns += 1
        if exchange.turns >= _MOST_TURNS:
            return None
        if self._is_on_probation or self._opinions or not exchange.refusals:
            exchange.refusals += 1  # in a crowd a second refusal says nothing more
        if self._opinions:
            is_final = exchange.refusals >= (3 if self._opinions < _MANY_OPINIONS else 2)
            return None if is_final else now + _FIRST_PAUSE * exchange.refusals
        if exchange.refusals >= _MOST_REFUSALS:
            return None
        if now >= self._held_until:  # what else was on its way at that moment says the same, and counts once
            self.lost()
            self._threshold = self._window
            self._held_until = now + self._pause
            self._pause *= 2
            self._is_on_probation = True
        return self._held_until
