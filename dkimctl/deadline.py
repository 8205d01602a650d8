"""One deadline for a call whatever happens in it: a library's own timeouts start again with every byte that comes."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, function: Callable[[], T], name: str = "call") -> T:
    """Return what `function` returns, or raise what it raises; raise TimeoutError when neither comes in time.

    The function runs in a thread of its own. After a timeout that thread is left to itself: it must hold nothing that
    the caller goes on to use. It does not keep the program from ending.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # it belongs to the caller, whatever it is
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True, name=name)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError(f"{name}: nothing within {seconds:g} s")
    return results[0]
