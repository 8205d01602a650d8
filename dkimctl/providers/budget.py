"""Budgets of requests that several hosts share: one credential, one budget, however many workers use it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from dkimctl.clock import Clock

_LATE = 1.0
"""Seconds. A turn that was missed by more, by a process that was stopped, has become another worker's time."""


class SharedBudget(Protocol):
    """Gives out turns, one request each. A credential is named by its digest. Safe to use from several threads."""

    def take(self, credential: str, seconds: float) -> float:
        """Take a credential's next turn, after which it rests so long; return the seconds until that turn comes.

        Raises Unavailable: then no request may be made.
        """

    def rest(self, credential: str, seconds: float) -> None:
        """Give no turn for so long, as the service asked. Raises Unavailable."""


class Turns:
    """The turns of one credential; `credential`: its digest."""

    def __init__(self, budget: SharedBudget, credential: str, clock: Clock) -> None:
        self._budget = budget
        self._credential = credential
        self._clock = clock

    def wait(self, seconds: float) -> None:
        """Wait for the next turn, after which the credential rests so long. Raises Unavailable."""
        while True:
            pause = self._budget.take(self._credential, seconds)
            begin = self._clock.monotonic() + pause
            self._clock.sleep(pause)
            if self._clock.monotonic() < begin + _LATE:
                return

    def rest(self, seconds: float) -> None:
        """Let no worker make a request for so long, as the service asked. Raises Unavailable."""
        self._budget.rest(self._credential, seconds)


_shared: ContextVar[SharedBudget | None] = ContextVar("shared_budget", default=None)


@contextmanager
def sharing(budget: SharedBudget) -> Iterator[None]:
    """Let the providers that are opened inside take their turns from this budget."""
    token = _shared.set(budget)
    try:
        yield
    finally:
        _shared.reset(token)


def shared_budget() -> SharedBudget | None:
    """Return the budget that is shared here; None on a host of its own."""
    return _shared.get()


def credential_digest(*parts: str) -> str:
    """Return the name of a credential, from which it cannot be recovered. `parts`: its random keys among them."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
