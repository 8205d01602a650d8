"""Congestion control for one server address: how many questions are in flight, and what happens when it has too many.

A server that gets too many questions drops some, or answers REFUSED or SERVFAIL. The same answers also come from a
server that does not know the zone. They are distinguished by asking again, alone and after a pause: what is answered
then was refused for its rate. In the same way, a server that leaves most questions unanswered is asked a few alone: if
one of those gets no answer either, the rate is not why, and it counts as dead until several in a row are answered.
"""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dkimctl.dns.message import Message, Rcode
from dkimctl.dns.window import Window

if TYPE_CHECKING:
    from dkimctl.dns.exchange import Exchange

_FIRST_WINDOW = 32.0
_WIDEST_WINDOW = 512.0
_BUSY = 16  # questions; fewer than that are not too many for any server
_FIRST_PAUSE = 0.25  # seconds; twice as long each time
_MOST_REFUSALS = 4  # of one question, three of them alone after a pause: 0.25, 0.5 and 1 second
_MOST_TURNS = 8  # of one question, with others in flight: a server that answers some at once is never quite idle
_MANY_OPINIONS = 16
_SILENT = 8  # questions in a row without an answer: not a matter of the rate
_PROBES = 32  # so many are in flight to a silent server, so that none waits for the one before it
_DEAD = _SILENT + _PROBES  # questions in a row without an answer, after which one is asked now and then only
_PROBE_PAUSE = 1.0  # seconds between two questions to a dead server
_FEW = 24  # questions; fewer say nothing about the share that gets no answer
_MEMORY = 64  # questions over which that share is an average
_MOST_LOST = 0.5  # of the questions; more are not a server's usual losses
_TRIAL = 5  # questions in a row, each asked alone, that distinguish a server with too many questions from a broken one
_FORGOTTEN = 0.99  # what is left of the slowest answer with each one that follows


class ServerQueue:
    """The questions to one address: those in flight, and those that wait for room in its window."""

    __slots__ = (
        "_again",
        "_asked",
        "_held_until",
        "_is_alone",
        "_is_broken",
        "_is_on_probation",
        "_is_willing",
        "_lost_share",
        "_opinions",
        "_outcomes",
        "_pause",
        "_probe_at",
        "_queue",
        "_silences",
        "_trial",
        "_window",
        "in_flight",
        "slowest",
        "without_edns",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.slowest = 0.0
        self.without_edns = False
        self._window = Window(_FIRST_WINDOW, _WIDEST_WINDOW, _WIDEST_WINDOW)
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

        self._outcomes = 0
        self._lost_share = 0.0  # of the questions, those without an answer
        self._trial: int | None = None  # answers in a row since most questions were lost
        self._is_alone = False  # the trial's question is asked with no other in flight
        self._is_broken = False  # it loses most questions, also those asked alone

    @property
    def is_dead(self) -> bool:
        """Return whether many questions in a row, or most of them, got no answer: most are given up at once."""
        return self._is_broken or self._silences >= (_DEAD if self._is_willing else _SILENT)

    def wait(self, exchange: "Exchange") -> None:
        """Queue a question; those that were refused before go first."""
        if exchange.refusals > 1:
            self._again.appendleft(exchange)
        else:
            (self._again if exchange.refusals else self._queue).append(exchange)

    def next(self, now: float) -> "Exchange | None":
        """Return the next question to send; None when there is none, or no room for it."""
        if self.is_dead:
            return self._probe(now)
        if self._trial is not None:
            if self.in_flight:
                return None
            self._is_alone = True
        room = 1 if self._is_on_probation else max(self._window.size, _PROBES if self._silences >= _SILENT else 1)
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
        """Record an answer and how many seconds it took."""
        self.slowest = max(seconds, _FORGOTTEN * self.slowest)
        self._silences = 0
        self._note(is_lost=False)

    def was_silent(self) -> None:
        """Record that a question got no answer, however often it was sent."""
        self._silences += 1
        self._note(is_lost=True)

    def _note(self, *, is_lost: bool) -> None:
        if self._trial is None:
            self._outcomes += 1
            self._lost_share += (is_lost - self._lost_share) / min(self._outcomes, _MEMORY)
            if self._outcomes >= _FEW and self._lost_share > _MOST_LOST:
                self._trial, self._is_alone = 0, False
        elif self._is_broken or self._is_alone:  # what was in flight before the trial says nothing new
            self._is_broken = self._is_broken or is_lost
            self._trial = 0 if is_lost else self._trial + 1
            self._probe_at = self._probe_at if is_lost else 0.0
            if self._trial == _TRIAL:
                self._trial, self._is_broken = None, False
                self._outcomes, self._lost_share = _MEMORY, _MOST_LOST  # one more loss, and it is tried again

    def given_up(self) -> "Iterator[Exchange]":
        """Yield every question that waits for a dead server: none of them is sent."""
        while self.is_dead and self._queue:
            yield self._queue.popleft()

    def lost(self) -> None:
        """Record a lost question or answer: the window halves."""
        self._window.halve()

    def answered(self, exchange: "Exchange", message: Message) -> None:
        """Record a final reply and adjust the window."""
        self._is_on_probation = False
        if message.rcode in (Rcode.REFUSED, Rcode.SERVFAIL):
            self._opinions += exchange.refusals > 1
            return
        self._is_willing = True
        if exchange.refusals:
            self._opinions = 0
        if exchange.sent == 1:
            self._pause = _FIRST_PAUSE
            self._window.widen()

    def ask_again(self, exchange: "Exchange", message: Message, now: float) -> float | None:
        """Return when to ask again a question that may have been refused for its rate; None when that is not why.

        Every question waits until then, unless this server is known to refuse some names whatever the rate.
        """
        if message.rcode not in (Rcode.REFUSED, Rcode.SERVFAIL) or message.has_a_reason:
            return None
        if not self._is_willing or self._asked < _BUSY:
            return None
        exchange.turns += 1
        if exchange.turns >= _MOST_TURNS:
            return None
        if self._is_on_probation or self._opinions or not exchange.refusals:
            exchange.refusals += 1  # with other questions in flight a second refusal says nothing new
        if self._opinions:
            is_final = exchange.refusals >= (3 if self._opinions < _MANY_OPINIONS else 2)
            return None if is_final else now + _FIRST_PAUSE * exchange.refusals
        if exchange.refusals >= _MOST_REFUSALS:
            return None
        if now >= self._held_until:  # what was in flight at that moment says the same, and counts once
            self.lost()
            self._window.threshold = self._window.size
            self._held_until = now + self._pause
            self._pause *= 2
            self._is_on_probation = True
        return self._held_until
