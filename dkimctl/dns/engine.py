"""The engine: runs many lookup coroutines over a few sockets, with a bounded number of questions in flight.

One thread, one epoll. Each server address has a window of its own (`ServerQueue`) that grows with every
answer and halves when one is lost or refused, so that neither our socket buffers nor a slow server are overrun.
"""

import select
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from dkimctl.dns.codec import question, read_message
from dkimctl.dns.connections import Connections
from dkimctl.dns.datagrams import Datagrams
from dkimctl.dns.deadlines import SENT_AT_MOST, Deadlines
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.exchange import Exchange, Job
from dkimctl.dns.message import WITHOUT_EDNS, Message
from dkimctl.dns.questions import Failure, Gate, Question, Ready, Reply, Trouble, Work
from dkimctl.dns.serverqueue import ServerQueue
from dkimctl.dns.wire import MalformedMessage

T = TypeVar("T")


class _End:
    """The source has no more work."""


_END = _End()


class Engine:
    """Runs coroutines that `ask`. `timeout`: seconds for one answer, repetitions included.

    A question that is refused because too many are asked is asked again after a pause, a few times.
    """

    def __init__(self, timeout: float) -> None:
        self._poll = select.epoll()
        self._datagrams = Datagrams(self._poll)
        self._connections = Connections(self._poll)
        self._servers: dict[Endpoint, ServerQueue] = {}
        self._deadlines = Deadlines(timeout)
        self._ready: deque[Job[Any]] = deque()
        self._freed: deque[ServerQueue] = deque()

    def close(self) -> None:
        """Close all sockets."""
        self._connections.close()
        self._datagrams.close()
        self._poll.close()

    def dead_servers(self) -> frozenset[Endpoint]:
        """Return the addresses that have not answered for so long that most questions to them are given up at once."""
        return frozenset(endpoint for endpoint, server in self._servers.items() if server.is_dead)

    @property
    def descriptor(self) -> int:
        """A descriptor that is readable when an answer has arrived."""
        return self._poll.fileno()

    def run(self, works: Iterable[Work[T] | Ready[T] | None], concurrency: int) -> Iterator[T]:
        """Yield the results of the coroutines as they end; at most `concurrency` of them run at a time.

        `Ready` results are handed on at once. None from the source means that it has nothing to begin now and will
        wait itself, for `descriptor` as well.
        """
        source = iter(works)
        active: set[Job[T]] = set()
        exhausted = False
        try:
            while active or not exhausted:
                source_waits = False
                while not exhausted and not source_waits and len(active) < concurrency:
                    work = next(source, _END)
                    if isinstance(work, Ready):
                        yield from work.results
                    elif isinstance(work, _End):
                        exhausted = True
                    elif work is None:
                        source_waits = True
                    else:
                        job = Job(work)
                        active.add(job)
                        self._ready.append(job)
                yield from self._advance(active)
                self._use_room()
                if exhausted:
                    self._give_up_probes()
                if active and not self._ready:
                    self._wait(0.0 if source_waits else None)
                    yield from self._advance(active)  # before the source is asked again, which may wait
                    self._use_room()
        finally:
            for job in active:
                job.work.close()

    def _advance(self, active: set[Job[T]]) -> Iterator[T]:
        """Continue every coroutine whose replies are complete."""
        while self._ready:
            job = self._ready.popleft()
            try:
                step = job.work.send(job.replies or None)
            except StopIteration as end:
                active.discard(job)
                yield end.value
                continue
            if isinstance(step, Gate):
                job.replies = []
                step.when_open(partial(self._ready.append, job))
            else:
                self._begin(job, step)

    def _begin(self, job: Job[Any], questions: tuple[Question, ...]) -> None:
        job.expect(len(questions))
        for index, asked_for in enumerate(questions):
            server = self._servers.get(asked_for.endpoint)
            if server is None:
                server = self._servers[asked_for.endpoint] = ServerQueue()
            try:
                asked = question(asked_for.name, asked_for.kind)
            except MalformedMessage:
                self._reply(job, index, Failure(Trouble.NOT_A_NAME))
                continue
            server.wait(Exchange(job, index, asked_for, asked, server, time.monotonic()))
            self._freed.append(server)

    def _use_room(self) -> None:
        """Send what waits, where a window has room, and give up what waits for a dead server."""
        for begun, trouble in self._connections.begin():
            if trouble:
                self._finish(begun, Failure(trouble))
            else:
                self._deadlines.begin(begun)
        while self._freed:
            server = self._freed.popleft()
            while exchange := server.next(time.monotonic()):
                self._start(exchange)
            for exchange in server.given_up():
                self._reply(exchange.job, exchange.index, Failure(Trouble.GIVEN_UP))

    def _give_up_probes(self) -> None:
        """At the end of a list, wait no longer for servers that have not answered before."""
        if not any(server.is_dead for server in self._servers.values()):
            return
        for exchange in self._deadlines.exchanges():
            if exchange.server.is_dead and not exchange.done and not exchange.is_aside:
                self._finish(exchange, Failure(Trouble.GIVEN_UP))

    def _reply(self, job: Job[Any], index: int, reply: Reply) -> None:
        job.replies[index] = reply
        job.missing -= 1
        if not job.missing:
            self._ready.append(job)

    def _start(self, exchange: Exchange) -> None:
        exchange.started = time.monotonic()
        self._datagrams.register(exchange)
        self._send(exchange)

    def _send(self, exchange: Exchange) -> None:
        exchange.edns = not exchange.server.without_edns
        trouble = self._datagrams.send(exchange)
        if trouble:
            self._finish(exchange, Failure(trouble))
            return
        exchange.last_sent = time.monotonic()
        self._deadlines.sent(exchange)

    def _wait(self, at_most: float | None) -> None:
        events = self._poll.poll(self._deadlines.delay() if at_most is None else at_most)
        now = time.monotonic()  # what has arrived by now is read before anything counts as lost
        for descriptor, _ in events:
            if descriptor in self._connections:
                self._connected(*self._connections.move(descriptor))
                continue
            for exchange, data in self._datagrams.receive(descriptor):
                self._datagram(exchange, data)
        self._expire(now)

    def _expire(self, now: float) -> None:
        while exchange := self._deadlines.overdue(now):
            if exchange.is_aside:
                exchange.is_aside = False
                exchange.server.wait(exchange)
                self._freed.append(exchange.server)
            elif exchange.stream is not None:
                self._finish(exchange, Failure(Trouble.STREAM_STALLED))
            elif exchange.sent < SENT_AT_MOST:
                exchange.server.lost()
                self._datagrams.register_again(exchange)
                self._send(exchange)
            else:
                exchange.server.was_silent()
                self._finish(exchange, Failure(Trouble.TIMEOUT))

    def _datagram(self, exchange: Exchange, data: bytes | Trouble) -> None:
        if exchange.stream is not None:
            return
        if isinstance(data, Trouble):
            self._finish(exchange, Failure(data))
            return
        now = time.monotonic()
        seconds = now - exchange.started
        is_to_the_last = int.from_bytes(data[:2], "big") == exchange.identity
        exchange.server.took(now - exchange.last_sent if is_to_the_last else seconds)
        message = _read(exchange, data, seconds)
        if isinstance(message, Failure):
            self._finish(exchange, message)
        elif exchange.edns and message.rcode in WITHOUT_EDNS:
            exchange.server.without_edns = True  # RFC 6891 §7: ask such a server as in the old days
            exchange.sent = 0
            exchange.started = time.monotonic()
            self._send(exchange)
        elif message.truncated:
            self._datagrams.forget(exchange)
            exchange.due = 0.0  # its time begins again
            self._connections.wait(exchange)
        elif when := exchange.server.ask_again(exchange, message, time.monotonic()):
            self._set_aside(exchange, when)
        else:
            self._finish(exchange, message)

    def _set_aside(self, exchange: Exchange, when: float) -> None:
        self._datagrams.forget(exchange)
        exchange.server.in_flight -= 1
        exchange.is_aside, exchange.sent = True, 0
        self._deadlines.set(exchange, when)
        self._freed.append(exchange.server)

    def _connected(self, exchange: Exchange, data: bytes | Trouble | None) -> None:
        if isinstance(data, Trouble):
            self._finish(exchange, Failure(data))
        elif data is not None:
            self._finish(exchange, _read(exchange, data, time.monotonic() - exchange.started, over_tcp=True))

    def _finish(self, exchange: Exchange, reply: Reply) -> None:
        exchange.done = True
        self._datagrams.forget(exchange)
        self._connections.forget(exchange)
        exchange.server.in_flight -= 1
        if isinstance(reply, Message):
            exchange.server.answered(exchange, reply)
        self._freed.append(exchange.server)
        self._reply(exchange.job, exchange.index, reply)


def _read(exchange: Exchange, data: bytes, seconds: float, *, over_tcp: bool = False) -> Message | Failure:
    name, asked, edns = exchange.question.name, exchange.asked, exchange.edns
    try:
        return read_message(data, name, asked, over_tcp=over_tcp, edns=edns, seconds=seconds)
    except MalformedMessage:
        return Failure(Trouble.MALFORMED)
