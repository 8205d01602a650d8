"""Work done by several threads, as the work comes and no faster; the results are taken by one."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST_WAITING = 64  # results


class WorkerPool(Generic[T, R]):
    """So many threads that take one item after the other; what comes of each waits here to be collected.

    `function` raises nothing: its result says how it ended. An item is taken only when a thread is free for it, and
    the threads wait while many results are not collected: memory does not grow with the number of items.
    """

    def __init__(self, size: int, function: Callable[[T], R], items: Iterable[T]) -> None:
        self._function = function
        self._items = iter(items)
        self._taking = threading.Lock()
        self._stopped = False
        self.in_hand: list[T] = []
        """Items that were begun and whose results were not collected."""
        self._results: queue.Queue[tuple[T, R] | BaseException | None] = queue.Queue(_MOST_WAITING)
        self._at_work = size
        self._threads = [threading.Thread(target=self._work, name="publish", daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def __bool__(self) -> bool:
        """True until every thread has ended and its last result was collected."""
        return self._at_work > 0

    def collect(self, timeout: float | None) -> Iterator[tuple[T, R]]:
        """What has come so far; when nothing has, waits for so many seconds (None: until something does)."""
        block = True
        while self._at_work:
            try:
                result = self._results.get(block, timeout)
            except queue.Empty:
                return
            if isinstance(result, BaseException):
                raise result  # a bug: nothing else leaves the function
            if result is None:
                self._at_work -= 1
                continue
            yield result
            self.in_hand.remove(result[0])
            block = False

    def stop(self) -> Iterator[tuple[T, R]]:
        """Begin nothing more; what is in hand comes to its end, and is returned with what was not collected yet."""
        self._stopped = True
        while self._at_work:
            yield from self.collect(None)

    def abandon(self) -> None:
        """Begin nothing more, and wait for nothing: for work that changes nothing."""
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
                self.in_hand.append(item)
            return item
