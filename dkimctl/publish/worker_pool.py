"""A pool of threads with bounded memory: items are taken when a thread is free, results are collected by one thread."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST_WAITING = 64  # results


class WorkerPool(Generic[T, R]):
    """`size` threads that take one item after the other; the results are queued until they are collected.

    `function` must not raise: its result says how it ended. An item is taken only when a thread is free, and the
    threads wait while too many results are uncollected: memory does not grow with the number of items.
    """

    def __init__(self, size: int, function: Callable[[T], R], items: Iterable[T]) -> None:
        self._function = function
        self._items = iter(items)
        self._taking = threading.Lock()
        self._stopped = False
        self.in_progress: list[T] = []
        """Items that were started and whose results were not collected."""
        self._results: queue.Queue[tuple[T, R] | BaseException | None] = queue.Queue(_MOST_WAITING)
        self._running = size
        self._threads = [threading.Thread(target=self._work, name="publish", daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def __bool__(self) -> bool:
        """Return True until every thread has ended and its last result was collected."""
        return self._running > 0

    def collect(self, timeout: float | None) -> Iterator[tuple[T, R]]:
        """Return the results so far; when there are none, wait for up to `timeout` seconds (None: for the first)."""
        block = True
        while self._running:
            try:
                result = self._results.get(block, timeout)
            except queue.Empty:
                return
            if isinstance(result, BaseException):
                raise result  # a bug: nothing else leaves the function
            if result is None:
                self._running -= 1
                continue
            yield result
            self.in_progress.remove(result[0])
            block = False

    def stop(self) -> Iterator[tuple[T, R]]:
        """Start nothing more, finish the items in progress, and return all uncollected results."""
        self._stopped = True
        while self._running:
            yield from self.collect(None)

    def abandon(self) -> None:
        """Start nothing more and do not wait: for work that only reads."""
        self._stopped = True

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._results.put((item, self._function(item)))
        except BaseException as error:
            self._results.put(error)
        finally:
            self._results.put(None)

    def _next(self) -> T | None:
        with self._taking:
            item = None if self._stopped else next(self._items, None)
            if item is not None:
                self.in_progress.append(item)
            return item
