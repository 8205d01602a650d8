"""Simulated time: the program's clock, and `now()` in the database's session."""

from datetime import UTC, datetime
from threading import Event

from dkimctl.fleet.database import Database
from dkimctl.lifecycle.notes import at_text

_SHADOW = """
CREATE SCHEMA simulation;
CREATE FUNCTION simulation.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('simulation.now')::timestamptz $$;
"""


class Moment:
    """A clock that shows the same time until it is moved. The `now()` of statements in this session is the same."""

    def __init__(self, database: Database, at: int) -> None:
        self._database = database
        self.at = at
        """Seconds since 1970-01-01 UTC."""
        database.run(_SHADOW)
        self.move(at)
        # a schema that is named before pg_catalog goes before it: statements stay as they are
        database.run("SELECT set_config('search_path', 'simulation, pg_catalog', false)")

    def move(self, at: int) -> None:
        """Let it be this time."""
        self.at = at
        self._database.run("SELECT set_config('simulation.now', %s, false)", (at_text(at),))

    def now(self) -> datetime:
        """Return the simulated time in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def monotonic(self) -> float:
        """Return the simulated time in seconds."""
        return float(self.at)

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.move(self.at + round(seconds))

    def wait(self, event: Event, seconds: float) -> bool:
        """Move on; nobody sets an event meanwhile."""
        self.sleep(seconds)
        return event.is_set()
