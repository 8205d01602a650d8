"""Processes that take names from one feed, so that none is idle while another works, and send back their results.

What `multiprocessing` is for, whose import alone takes as long as 150 names.
"""

import os
import pickle
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from dkimctl.errors import DkimctlError, Unavailable

Item = TypeVar("Item")
_PORTION = 64  # names handed over at a time
_LONGEST = 1 << 18  # octets of so many names, at most
_SIZE = 8  # octets of the length before each message


def results_of(
    names: Iterable[Item],
    work: Callable[[Iterator[Item]], Iterable[object]],
    count: int,
    *,
    portion: int = _PORTION,
) -> Iterator[Any]:
    """Yield the results of `work`, run in so many processes, each with its share of the names, as they come.

    `portion`: names that a process gets at a time.

    Raises what the names or a process raise, and Unavailable when a process ends before its time.
    """
    feed = _Feed(names, portion)
    workers: list[_Worker] = []
    try:
        workers += (_Worker(lambda: work(feed.share())) for _ in range(count))
        feed.start()  # after the forks: a thread does not go with them
        yield from _collect(workers)
        feed.check()
    finally:
        for worker in workers:
            worker.end()


class _Feed(Generic[Item]):
    """Hands the names out from a thread, some in each message: the socket holds a few and then makes it wait."""

    def __init__(self, names: Iterable[Item], portion: int) -> None:
        # each message goes to one of those who read; when it is over all of them see an end
        self._to, self._from = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._names, self._portion = names, portion
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def share(self) -> Iterator[Item]:
        """In a worker: the names that it gets."""
        self._to.close()
        for message in iter(partial(self._from.recv, _LONGEST), b""):
            yield from pickle.loads(message)  # noqa: S301  of our own process

    def start(self) -> None:
        self._from.close()
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
        with self._to, suppress(BrokenPipeError):  # all workers have ended
            try:
                for name in self._names:
                    portion.append(name)
                    if len(portion) == self._portion:
                        self._to.send(pickle.dumps(portion))
                        portion = []
            except Exception as error:  # raised by `check`, in the thread that can handle it
                self._error = error
            self._to.send(pickle.dumps(portion))


class _Worker:
    """A process, and the socket through which it sends its results."""

    def __init__(self, work: Callable[[], Iterable[object]]) -> None:
        self.socket, to = socket.socketpair()
        self._process = os.fork()
        if not self._process:
            try:
                self.socket.close()
                _tell(work, to)
            finally:
                os._exit(0)  # what the first process does at its end is not to be done here
        to.close()

    def receive(self) -> Any:
        """The next message. Raises Unavailable when the process has ended."""
        size = int.from_bytes(self._read(_SIZE), "big")
        return pickle.loads(self._read(size))  # noqa: S301  of our own process

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise Unavailable("a worker process has ended before its work was done", hint="run the command again")
            found += more
        return found

    def end(self) -> None:
        """End it, if it has not ended."""
        self.socket.close()
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _tell(work: Callable[[], Iterable[object]], to: socket.socket) -> None:
    """In a worker: send each result in a tuple, and in the end None or the error."""
    try:
        for result in work():
            _send((result,), to)
        _send(None, to)
    except DkimctlError as error:
        _send(error, to)
    except (KeyboardInterrupt, BrokenPipeError):
        return  # the first process was interrupted as well, and reports it
    except Exception:  # a bug of ours: reported with all others
        from traceback import format_exc

        _send(RuntimeError(format_exc()), to)


def _send(message: object, to: socket.socket) -> None:
    data = pickle.dumps(message)
    to.sendall(len(data).to_bytes(_SIZE, "big") + data)


def _collect(workers: list[_Worker]) -> Iterator[Any]:
    by_descriptor = {worker.socket.fileno(): worker for worker in workers}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    while by_descriptor:
        for descriptor, _ in poll.poll():
            message = by_descriptor[descriptor].receive()
            if isinstance(message, Exception):
                raise message
            if message is None:
                poll.unregister(descriptor)
                del by_descriptor[descriptor]
                continue
            yield message[0]
