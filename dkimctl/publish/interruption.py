"""How Ctrl-C reaches the threads of a run: one request to stop, seen by everything that waits or begins."""

import threading
from datetime import datetime

from dkimctl.clock import Clock
from dkimctl.errors import Unavailable


class Interrupted(Unavailable):
    """Ctrl-C was pressed while this was waiting."""

    exit_code = 130


class Stop:
    """A request to stop a run, made once and for good."""

    def __init__(self) -> None:
        self._requested = threading.Event()

    def request(self) -> None:
        """Stop: nothing new begins, and every wait on a clock of this run ends."""
        self._requested.set()

    @property
    def is_requested(self) -> bool:
        """True after `request`."""
        return self._requested.is_set()

    def clock(self, clock: Clock) -> Clock:
        """Return the same clock with sleeps that end when the stop is requested."""
        return StoppableClock(clock, self._requested)


class StoppableClock:
    """Another clock's time; a sleep raises Interrupted as soon as the event is set."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the seconds since some fixed moment; never goes back."""
        return self._clock.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until another event is set, for at most this many seconds. Return whether it is set."""
        return self._clock.wait(event, seconds)

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds. Raises Interrupted when the run is stopped."""
        if self._clock.wait(self._stop, seconds):
            raise Interrupted("interrupted", hint="run the same command again: it goes on from there")
