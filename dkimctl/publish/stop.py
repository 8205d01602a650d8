"""Stop a run: one request, after Ctrl-C, that ends waits and keeps new work from starting in every thread."""

import threading
from datetime import datetime

from dkimctl.clock import Clock
from dkimctl.errors import Unavailable


class Interrupted(Unavailable):
    """Raised where the work was stopped by Ctrl-C."""

    exit_code = 130


class Stop:
    """A request to stop a run; it cannot be withdrawn."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Request the stop: no new work starts, and every wait on a clock of this run ends."""
        self._requested.set()

    @property
    def is_requested(self) -> bool:
        """Return True after `request`."""
        return self._requested.is_set()

    def clock(self, clock: Clock) -> Clock:
        """Return the same clock with sleeps that end when the stop is requested."""
        return StoppableClock(clock, self._requested)


class StoppableClock:
    """A wrapper of another clock; a sleep raises Interrupted as soon as the event is set."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the seconds since a fixed moment; they never decrease."""
        return self._clock.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until another event is set, for at most this many seconds. Return whether it is set."""
        return self._clock.wait(event, seconds)

    def sleep(self, seconds: float) -> None:
        """Wait for this many seconds. Raises Interrupted when the run is stopped."""
        if self._clock.wait(self._stop, seconds):
            raise Interrupted("interrupted", hint="run the same command again: it continues from there")
