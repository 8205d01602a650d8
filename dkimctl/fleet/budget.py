"""One credential, one budget: the turns of requests to a provider, given out by the database to all workers."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Self

from dkimctl.errors import Unavailable
from dkimctl.fleet.database import Database

_TAKE = """
INSERT INTO dkimctl.request_budget AS budget (credential, free)
VALUES (%(credential)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (credential) DO UPDATE
SET free = greatest(least(budget.free, clock_timestamp() + interval '10 min'), clock_timestamp())
         + make_interval(secs => %(seconds)s)
RETURNING extract(epoch FROM free - clock_timestamp())::float8 - %(seconds)s"""
"""The row is locked before `free` is read. No turn is more than ten minutes away: that clock may be set back."""
_REST = """
INSERT INTO dkimctl.request_budget AS budget (credential, free)
VALUES (%(credential)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (credential) DO UPDATE SET free = greatest(budget.free, excluded.free)"""


class FleetBudget:
    """Turns from the database, as `providers.budget.SharedBudget`. Use as a context manager.

    It has a session of its own, opened for the first turn: a row that gives turns is never locked by a transaction
    that lasts. Only the database's clock counts.
    """

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._database: Database | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._close()

    def take(self, credential: str, seconds: float) -> float:
        """Take a credential's next turn, after which it rests so long; return the seconds until that turn comes."""
        with self._lock:
            return float(max(0.0, self._ask(_TAKE, credential, seconds)))

    def rest(self, credential: str, seconds: float) -> None:
        """Give no turn for so long."""
        with self._lock:
            self._ask(f"{_REST} RETURNING 0", credential, seconds)

    def _ask(self, statement: str, credential: str, seconds: float) -> Any:
        if self._database is None:
            self._database = self._connect()
        try:
            return self._database.value(statement, {"credential": credential, "seconds": seconds})
        except Unavailable:
            self._close()  # the next turn is asked for in another session
            raise

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
