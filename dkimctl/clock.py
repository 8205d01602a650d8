"""The one source of time and of sleeping, so that tests run months in milliseconds."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time, a monotonic counter for deadlines, and sleep."""

    def now(self) -> datetime:
        """The current time, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)


@dataclass
class ManualClock:
    """A clock that moves only when something sleeps on it. `slept` keeps each wait, in seconds."""

    current: datetime
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """The time it was set to plus all that was slept."""
        return self.current

    def monotonic(self) -> float:
        """The same time as seconds."""
        return self.current.timestamp()

    def sleep(self, seconds: float) -> None:
        """Move on by so many seconds at once."""
        from datetime import timedelta

        self.slept.append(seconds)
        self.current += timedelta(seconds=seconds)


SYSTEM_CLOCK = SystemClock()


def timestamp(moment: datetime) -> str:
    """`2026-11-23T10:04:02Z`: RFC 3339 in UTC, seconds precision, as metadata and JSON carry it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
