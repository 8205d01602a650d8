"""Time and sleeping. Everything takes them from one injectable clock, so that tests run months in milliseconds."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event


class Clock(Protocol):
    """Wall-clock time, a monotonic counter for deadlines, and sleep."""

    def now(self) -> datetime:
        """Return the current time in UTC."""

    def monotonic(self) -> float:
        """Return the seconds since a fixed moment; never decreases."""

    def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""

    def wait(self, event: "Event", seconds: float) -> bool:
        """Wait until the event is set, for at most this many seconds. Return whether it is set."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds since a fixed moment; never decreases."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""
        time.sleep(seconds)

    def wait(self, event: "Event", seconds: float) -> bool:
        """Wait until the event is set, for at most this many seconds. Return whether it is set."""
        return event.wait(seconds)


SYSTEM_CLOCK = SystemClock()


def timestamp(moment: datetime) -> str:
    """Return `2026-11-23T10:04:02Z`: RFC 3339 in UTC, to the second, as in metadata and JSON."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
