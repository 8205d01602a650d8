"""Clocks for tests: months pass in milliseconds."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event


@dataclass
class ManualClock:
    """A clock that moves only when something sleeps. `slept`: each wait, in seconds."""

    current: datetime
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the time that it was set to, plus all waits."""
        return self.current

    def monotonic(self) -> float:
        """Return the same time in seconds."""
        return self.current.timestamp()

    def sleep(self, seconds: float) -> None:
        """Move on by this many seconds at once."""
        self.slept.append(seconds)
        self.current += timedelta(seconds=seconds)

    def wait(self, event: Event, seconds: float) -> bool:
        """Move on at once, unless the event is set."""
        if not event.is_set():
            self.sleep(seconds)
        return event.is_set()
