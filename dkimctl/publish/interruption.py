"""A clock whose sleepers can be woken for good: how Ctrl-C reaches threads that wait."""

import threading
from datetime import datetime

from dkimctl.clock import Clock
from dkimctl.errors import Unavailable


class Interrupted(Unavailable):
    """Somebody pressed Ctrl-C while this was waiting."""

    exit_code = 130


class StoppableClock:
    """Another clock's time; once `stop` was called, whoever sleeps or begins to sleep gets Interrupted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopped = threading.Event()

    def now(self) -> datetime:
        """The current time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds. Raises Interrupted when stopped."""
        if self._stopped.wait(seconds):
            raise Interrupted("interrupted", hint="run the same command again to continue")

    def stop(self) -> None:
        """Wake every sleeper."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """True after `stop`."""
        return self._stopped.is_set()
