"""The same check on several cores: each takes a share of the targets in a process of its own."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

from dkimctl.config.settings import Lookup
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.verify.check import CONCURRENCY, check
from dkimctl.verify.report import Report, Target

T = TypeVar("T")
_BATCH = 100  # results sent at a time


def cores() -> int:
    """How many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0))


def check_in_shares(
    shares: Sequence[Callable[[], Iterable[Target]]],
    lookup: Lookup,
    present: Callable[[Report], T],
    *,
    concurrency: int = CONCURRENCY,
) -> Iterator[T]:
    """What `present` makes of each report, as they come; each share is made and checked in a process of its own.

    `present` runs there, so that only what is wanted of a report travels. Raises what a share raises, and Unavailable
    when a process ends before its time.
    """
    context = multiprocessing.get_context("fork")
    readers: dict[Connection, BaseProcess] = {}
    try:
        for share in shares:
            reader, writer = context.Pipe(duplex=False)
            process: BaseProcess = context.Process(
                target=_work, args=(share, lookup, present, concurrency, writer), daemon=True
            )
            process.start()
            writer.close()
            readers[reader] = process
        yield from _collect(readers)
    finally:
        for process in readers.values():
            process.terminate()
            process.join()


def _collect(readers: dict[Connection, BaseProcess]) -> Iterator[T]:
    open_ones = set(readers)
    while open_ones:
        for reader in wait(list(open_ones)):
            assert isinstance(reader, Connection)
            try:
                message = reader.recv()
            except EOFError as error:
                raise Unavailable(
                    "a process that checked a share of the names has ended", hint="run the command again"
                ) from error
            if isinstance(message, DkimctlError):
                raise message
            if message is None:
                open_ones.discard(reader)
                continue
            yield from message


def _work(
    share: Callable[[], Iterable[Target]],
    lookup: Lookup,
    present: Callable[[Report], T],
    concurrency: int,
    writer: Connection,
) -> None:
    try:
        batch: list[T] = []
        for report in check(share(), lookup, concurrency=concurrency, brief=True):
            batch.append(present(report))
            if len(batch) == _BATCH:
                writer.send(batch)
                batch = []
        writer.send(batch)
        writer.send(None)
    except DkimctlError as error:
        writer.send(error)
    except (KeyboardInterrupt, BrokenPipeError):
        return  # the first process has been told as well, and says what is to be said
