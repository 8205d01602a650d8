"""What the lookup logic says to the engine: questions out, replies in.

The logic is written as coroutines that know nothing of sockets: `await ask(…)` hands a batch of questions over and gets
one reply for each, in order. The same coroutine serves one name and a million; only the engine decides what is in
flight.
"""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import Message

T = TypeVar("T")
Work = Coroutine[Any, Any, T]
"""A lookup that asks (`ask`) and returns its result."""
_MOST_REMEMBERED = 20_000  # answers of one kind: a million zones must not fill the memory


class Trouble(StrEnum):
    """The reason for which there is no answer."""

    TIMEOUT = "no answer in time"
    GIVEN_UP = "no answer to the questions before it"
    CLOSED = "nothing listens at that port"
    NO_ROUTE = "this machine has no route there"
    STREAM_REFUSED = "the answer needs TCP, and TCP is refused"
    STREAM_STALLED = "the answer needs TCP, and TCP gives none in time"
    MALFORMED = "the answer is not a DNS message"
    NOT_A_NAME = "not a name for DNS"


class Failure(NamedTuple):
    """No answer from one endpoint."""

    trouble: Trouble

    def __str__(self) -> str:
        return self.trouble.value


Reply = Message | Failure


class Question(NamedTuple):
    """One question to one endpoint. With `recursive` it is a resolver's to find out."""

    endpoint: Endpoint
    name: str
    kind: int
    recursive: bool = False
    checking_disabled: bool = False


class Ready(NamedTuple, Generic[T]):
    """Results that needed no engine."""

    results: Sequence[T]


@dataclass(slots=True)
class Gate:
    """Closed until one coroutine has found what several wait for."""

    is_open: bool = False
    _waiting: list[Callable[[], None]] = field(default_factory=list)

    def when_open(self, call: Callable[[], None]) -> None:
        """Call this as soon as the gate is open."""
        if self.is_open:
            call()
        else:
            self._waiting.append(call)

    def open(self) -> None:
        """Let everybody pass."""
        self.is_open = True
        for call in self._waiting:
            call()


Step = tuple[Question, ...] | Gate


@types.coroutine
def ask(*questions: Question) -> Generator[Step, list[Reply], list[Reply]]:
    """The replies to these questions, all asked at the same time."""
    return (yield questions) if questions else []


@types.coroutine
def _pass(gate: Gate) -> Generator[Step, list[Reply], None]:
    if not gate.is_open:
        yield gate


@dataclass(slots=True)
class Shared(Generic[T]):
    """Answers that many coroutines need and one of them finds out: the first asks, the others wait."""

    _known: dict[Hashable, T] = field(default_factory=dict)
    _gates: dict[Hashable, Gate] = field(default_factory=dict)

    def known(self, key: Hashable) -> T | None:
        """Return the remembered result for a key, or None."""
        return self._known.get(key)

    async def get(self, key: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `find` for a key; it is called once for each key."""
        while key not in self._known:
            if gate := self._gates.get(key):
                await _pass(gate)
                continue
            self._gates[key] = gate = Gate()
            try:
                self._remember(key, await find())
            finally:
                del self._gates[key]
                gate.open()
        return self._known[key]

    def _remember(self, key: Hashable, found: T) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = found
