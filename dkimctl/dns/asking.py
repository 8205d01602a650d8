"""How questions get their replies: dnspython for a few names, an engine and a codec of our own for long lists.

Both have the same small interface. What is asked and what follows from the replies is written once, as
coroutines (`questions.ask`), and cannot tell which of the two serves it.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Protocol, TypeVar

from dkimctl.dns.questions import Work

T = TypeVar("T")
Item = TypeVar("Item")

FEW = 16
"""Up to so many names are asked for with dnspython.

Measured on loopback: loading dnspython takes 0.1 s and a question 0.8 ms of the processor, against nothing and 0.1 ms
with the code of our own. So many names with two questions each add 30 ms to the 0.25 s that a whole process takes.
"""


class Asker(Protocol):
    """Runs lookup coroutines: sends their questions, and hands each reply back."""

    def run(self, works: Iterable[Work[T]], concurrency: int) -> Iterator[T]:
        """Yield the coroutines' results as they end; at most `concurrency` of them run at a time."""

    def close(self) -> None:
        """Close every socket."""


def asker_for(items: Iterable[Item], timeout: float) -> tuple[Asker, Iterator[Item]]:
    """Return who asks about these items, and the items. `timeout`: seconds for one answer, repetitions included."""
    source = iter(items)
    first = list(islice(source, FEW + 1))
    if len(first) <= FEW and not _is_in_a_loop():
        from dkimctl.dns.library import LibraryAsker

        return LibraryAsker(timeout), iter(first)
    from dkimctl.dns.engine import Engine

    return Engine(timeout), chain(first, source)


def _is_in_a_loop() -> bool:
    """Return True inside a program's own asyncio loop, in which no second one can run."""
    import sys

    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
