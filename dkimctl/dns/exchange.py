"""The engine's state: a coroutine that waits, and a question in flight."""

from typing import Any, Generic, TypeVar

from dkimctl.dns.questions import Failure, Question, Reply, Trouble, Work
from dkimctl.dns.serverqueue import ServerQueue
from dkimctl.dns.streams import Stream

T = TypeVar("T")


class Job(Generic[T]):
    """A coroutine, and the replies that it waits for."""

    __slots__ = ("missing", "replies", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.replies: list[Reply] = []
        self.missing = 0

    def expect(self, count: int) -> None:
        """Wait for this many replies."""
        self.replies = [Failure(Trouble.TIMEOUT)] * count
        self.missing = count


class Exchange:
    """One question, from the queue to its reply."""

    __slots__ = (
        "asked",
        "descriptor",
        "done",
        "due",
        "earlier",
        "edns",
        "identity",
        "index",
        "is_aside",
        "job",
        "last_sent",
        "question",
        "refusals",
        "sent",
        "server",
        "started",
        "stream",
        "turns",
    )

    def __init__(
        self, job: Job[Any], index: int, question: Question, asked: bytes, server: ServerQueue, now: float
    ) -> None:
        self.job = job
        self.index = index
        self.question = question
        self.asked = asked
        self.server = server
        self.descriptor = -1
        self.identity = -1
        self.earlier: tuple[int, ...] = ()
        """The ids with which it was sent before."""
        self.sent = 0
        self.started = now
        """When it was first sent; until then, since when it has waited."""
        self.last_sent = 0.0
        self.due = 0.0
        self.edns = True
        self.done = False
        self.refusals = 0
        self.turns = 0
        """How often it was asked and refused, whatever that said about the server."""
        self.is_aside = False
        """True while it waits to be asked again, after it was refused."""
        self.stream: Stream | None = None
