"""The queue of work: domains that are due are claimed by a worker, worked at, and given back with their next due time.

The column `due` is the queue. A claim counts while the worker's session lives: what a worker that died, or was cut off,
had claimed is free at once, and whatever it writes later fails with its session. No lock has a timeout.
"""

from datetime import datetime
from typing import NamedTuple

from dkimctl.errors import Unavailable
from dkimctl.fleet.database import Database

_CLASS = 0x646B696D
"""The class of the workers' advisory locks, as `is_at_work` in the schema has it."""
_CLAIM = """
WITH chosen AS (
    SELECT name FROM dkimctl.domain
    WHERE due <= %s AND (claimed_by IS NULL OR NOT dkimctl.is_at_work(claimed_by))
    ORDER BY due LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE dkimctl.domain SET claimed_by = %s FROM chosen WHERE domain.name = chosen.name
RETURNING domain.name, domain.version"""
_CLAIM_NAMED = """
WITH chosen AS (
    SELECT name FROM dkimctl.domain
    WHERE name = ANY(%s) AND (claimed_by IS NULL OR NOT dkimctl.is_at_work(claimed_by))
    ORDER BY name FOR UPDATE
)
UPDATE dkimctl.domain SET claimed_by = %s FROM chosen WHERE domain.name = chosen.name
RETURNING domain.name, domain.version"""
_RELEASE = """
UPDATE dkimctl.domain SET claimed_by = NULL, failed = %s, waits = %s, due = CASE WHEN version = %s THEN %s ELSE %s END
WHERE name = %s AND claimed_by = %s"""


class Claim(NamedTuple):
    """A domain that a worker has for itself."""

    domain: str
    version: int
    """Of its row: another one when it is given back says that it was changed meanwhile."""


class Worker:
    """A worker of one session. All that is done for a claimed domain is written in that session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._number = int(database.value("SELECT nextval('dkimctl.worker')"))
        database.run("SELECT pg_advisory_lock(%s, %s)", (_CLASS, self._number))
        database.run("SELECT set_config('dkimctl.worker', %s, false)", (str(self._number),))

    def claim(self, now: datetime, most: int) -> list[Claim]:
        """Return the domains that are due and that no other worker has, the longest due first; now they are claimed."""
        return [Claim(*row) for row in self._database.rows(_CLAIM, (now, most, self._number))]

    def claim_named(self, domains: list[str]) -> list[Claim]:
        """Return those of these domains that no other worker has, due or not; now they are claimed."""
        return [Claim(*row) for row in self._database.rows(_CLAIM_NAMED, (domains, self._number))]

    def release(self, claim: Claim, due: datetime, now: datetime, failed: str = "", waits: str = "") -> None:
        """Give a domain back, due again at this time, or now where it was changed meanwhile.

        `failed`: why the work failed; `waits`: what it waits for; both for people. Raises Unavailable where the claim
        was taken away.
        """
        parameters = (failed, waits, claim.version, due, now, claim.domain, self._number)
        if not self._database.run(_RELEASE, parameters):
            raise Unavailable(
                f"{claim.domain} is not this worker's any more: its claim was ended by hand",
                hint="run it again: dkimctl rotate",
            )
