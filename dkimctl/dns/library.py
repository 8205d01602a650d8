"""A few names asked for with dnspython: lookup coroutines run on asyncio, one socket for each question."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import TypeVar

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.library_exchange import exchange
from dkimctl.dns.message import WITHOUT_EDNS
from dkimctl.dns.questions import Failure, Gate, Question, Reply, Trouble, Work
from dkimctl.dns.wire import MalformedMessage

T = TypeVar("T")
_AT_A_TIME = 16  # questions to one address: more in one burst overflow the buffers of usual servers


class LibraryAsker:
    """Runs lookup coroutines on an asyncio loop of its own. `timeout`: seconds for one answer, repetitions included."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._without_edns: set[Endpoint] = set()
        self._room: dict[Endpoint, asyncio.Semaphore] = {}

    def close(self) -> None:
        """Close the loop."""
        self._loop.close()

    def run(self, works: Iterable[Work[T]], concurrency: int) -> Iterator[T]:
        """Yield the results of the coroutines in the order in which they end."""
        results: list[T] = []
        try:
            # all before the first is handed on: an answer must not be late because the caller takes its time
            self._loop.run_until_complete(self._run_all(works, concurrency, results))
        finally:
            self._cancel()
        yield from results

    def _cancel(self) -> None:
        """After an error or Ctrl-C: let every task close its socket."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    async def _run_all(self, works: Iterable[Work[T]], concurrency: int, results: list[T]) -> None:
        room = asyncio.Semaphore(concurrency)

        async def one(work: Work[T]) -> None:
            async with room:
                results.append(await self._drive(work))

        await asyncio.gather(*map(one, works))

    async def _drive(self, work: Work[T]) -> T:
        """Run one lookup coroutine to its end."""
        replies: list[Reply] | None = None
        while True:
            try:
                step = work.send(replies)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Gate):
                opened = asyncio.Event()
                step.when_open(opened.set)
                await opened.wait()
                replies = None
            else:
                replies = await asyncio.gather(*map(self._ask, step))

    async def _ask(self, asked: Question) -> Reply:
        room = self._room.setdefault(asked.endpoint, asyncio.Semaphore(_AT_A_TIME))
        async with room:
            try:
                reply = await exchange(asked, self._timeout, edns=asked.endpoint not in self._without_edns)
                if not isinstance(reply, Failure) and reply.edns and reply.rcode in WITHOUT_EDNS:
                    self._without_edns.add(asked.endpoint)
                    reply = await exchange(asked, self._timeout, edns=False)
            except MalformedMessage:
                return Failure(Trouble.NOT_A_NAME)
            return reply
