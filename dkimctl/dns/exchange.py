"""The engine's book-keeping: a coroutine that waits, a server that is asked, a question on its way."""

from collections import deque
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from dkimctl.dns.questions import Failure, Question, Reply, Trouble
from dkimctl.dns.streams import Stream

T = TypeVar("T")
Work = Coroutine[Any, Any, T]

_FIRST_WINDOW = 32.0
_WIDEST_WINDOW = 512.0


class Job(Generic[T]):
    """A coroutine with the replies it waits for."""

    __slots__ = ("missing", "replies", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.replies: list[Reply] = []
        self.missing = 0

    def expect(self, count: int) -> None:
        """From now on wait for so many replies."""
        self.replies = [Failure(Trouble.TIMEOUT)] * count
        self.missing = count


class Peer:
    """One endpoint: how much is on its way there, how much it bears, and what waits for room."""

    __slots__ = ("in_flight", "queue", "window", "without_edns")

    def __init__(self) -> None:
        self.in_flight = 0
        self.window = _FIRST_WINDOW
        self.queue: deque[Exchange] = deque()
        self.without_edns = False

    @property
    def has_room(self) -> bool:
        """True while one more question may be sent."""
        return self.in_flight < self.window

    def answered(self) -> None:
        """It bears more."""
        self.window = min(_WIDEST_WINDOW, self.window + 1)

    def lost(self) -> None:
        """It bears less."""
        self.window = max(1.0, self.window / 2)


class Exchange:
    """One question on its way."""

    __slots__ = (
        "asked",
        "descriptor",
        "done",
        "due",
        "edns",
        "identity",
        "index",
        "job",
        "peer",
        "question",
        "sent",
        "started",
        "stream",
    )

    def __init__(self, job: Job[Any], index: int, question: Question, asked: bytes, peer: Peer) -> None:
        self.job = job
        self.index = index
        self.question = question
        self.asked = asked
        self.peer = peer
        self.descriptor = -1
        self.identity = -1
        self.sent = 0
        self.started = 0.0
        self.due = 0.0
        self.edns = True
        self.done = False
        self.stream: Stream | None = None
