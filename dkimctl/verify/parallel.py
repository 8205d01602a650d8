"""The same check on all cores: processes that take names from one queue, so that none is idle while another works."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dkimctl.config.settings import Lookup
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.verify.check import CONCURRENCY, check
from dkimctl.verify.report import Report, Target

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkContext
    from multiprocessing.process import BaseProcess
    from multiprocessing.queues import SimpleQueue

Item = TypeVar("Item")
T = TypeVar("T")
_PORTION = 64  # names handed over at a time, and reports handed back


def cores() -> int:
    """How many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Manner(Generic[Item, T]):
    """How the names are checked; all of it happens in the other processes."""

    targets: Callable[[Iterable[Item]], Iterable[Target]]
    """What the names stand for: keys are loaded here."""
    present: Callable[[Sequence[Report]], T]
    """What is wanted of some reports, so that only this travels."""
    brief: bool = True
    """As for `check`."""
    nameless: bool = False
    """As for `check`."""
    recursive: bool = False
    concurrency: int = CONCURRENCY
    """For all processes together."""


def check_in_parallel(
    names: Iterable[Item], lookup: Lookup, manner: Manner[Item, T], *, processes: int | None = None
) -> Iterator[T]:
    """What `manner.present` makes of the reports, some at a time, as they come; on one core without other processes.

    Raises what the names or a process raise, and Unavailable when a process ends before its time.
    """
    count = processes or cores()
    if count == 1:
        yield from _results(names, lookup, manner, manner.concurrency)
        return
    yield from _shared(names, lookup, manner, count)


def _results(names: Iterable[Item], lookup: Lookup, manner: Manner[Item, T], concurrency: int) -> Iterator[T]:
    targets = manner.targets(names)
    reports = check(
        targets,
        lookup,
        brief=manner.brief,
        nameless=manner.nameless,
        recursive=manner.recursive,
        concurrency=concurrency,
    )
    return map(manner.present, portions(reports))


def _shared(names: Iterable[Item], lookup: Lookup, manner: Manner[Item, T], count: int) -> Iterator[T]:
    from multiprocessing import get_context  # 7 ms

    context = get_context("fork")
    feed = _Feed(names, context, count)
    workers: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(count):
            reader, writer = context.Pipe(duplex=False)
            arguments = (feed.queue, lookup, manner, max(1, manner.concurrency // count), writer)
            process: BaseProcess = context.Process(target=_work, args=arguments, daemon=True)
            process.start()
            writer.close()
            workers[reader] = process
        feed.start()  # after the forks: a thread does not go with them
        yield from _collect(workers)
        feed.check()
    finally:
        for process in workers.values():
            process.terminate()
            process.join()


class _Feed(Generic[Item]):
    """Puts the names into the queue from a thread: the queue holds a few portions and then makes it wait."""

    def __init__(self, names: Iterable[Item], context: "ForkContext", readers: int) -> None:
        self.queue: SimpleQueue[list[Item] | None] = context.SimpleQueue()
        self._names = names
        self._readers = readers
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise what the names raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        # Ctrl-C is for the first thread, which lets it wait while it writes: here it would get past that
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        portion: list[Item] = []
        try:
            for name in self._names:
                portion.append(name)
                if len(portion) == _PORTION:
                    self.queue.put(portion)
                    portion = []
        except Exception as error:  # told by `check`, in the thread that can do something about it
            self._error = error
        self.queue.put(portion)
        for _ in range(self._readers):
            self.queue.put(None)


def _collect(workers: "dict[Connection, BaseProcess]") -> Iterator[Any]:
    from multiprocessing.connection import Connection, wait

    open_ones = set(workers)
    while open_ones:
        for reader in wait(list(open_ones)):
            assert isinstance(reader, Connection)
            try:
                message = reader.recv()
            except EOFError as error:
                raise Unavailable(
                    "a process that checked some of the names has ended", hint="run the command again"
                ) from error
            if isinstance(message, Exception):
                raise message
            if message is None:
                open_ones.discard(reader)
                continue
            yield message[0]


def _work(
    queue: "SimpleQueue[list[Item] | None]", lookup: Lookup, manner: Manner[Item, T], concurrency: int, to: "Connection"
) -> None:
    try:
        names = (name for portion in iter(queue.get, None) for name in portion)
        for result in _results(names, lookup, manner, concurrency):
            to.send((result,))
        to.send(None)
    except DkimctlError as error:
        to.send(error)
    except (KeyboardInterrupt, BrokenPipeError):
        return  # the first process has been told as well, and says what is to be said
    except Exception:  # a bug of ours: told where all of them are
        from traceback import format_exc

        to.send(RuntimeError(format_exc()))


def portions(reports: Iterable[Report]) -> Iterator[list[Report]]:
    """The reports, some at a time."""
    source = iter(reports)
    while some := list(islice(source, _PORTION)):
        yield some
