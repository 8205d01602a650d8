"""Make several calls for one zone at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(function: Callable[[T], R], items: Sequence[T], jobs: int) -> list[R]:
    """Return the results for the items, in order, computed by at most `jobs` threads.

    Raises the first error, after the calls in progress have finished; no more are started.
    """
    if len(items) < 2 or jobs < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(jobs, len(items)), thread_name_prefix="calls") as pool:
        futures = [pool.submit(function, item) for item in items]
        done, rest = wait(futures, return_when=FIRST_EXCEPTION)
        for future in rest:
            future.cancel()
    for future in done:
        future.result()
    return [future.result() for future in futures]
