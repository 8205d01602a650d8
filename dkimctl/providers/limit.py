"""The rate limit of one credential, the same for every provider: for all threads here, and for all hosts of a fleet."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from dkimctl.clock import Clock
from dkimctl.providers.base import Pace
from dkimctl.providers.budget import SharedBudget, Turns

LONGEST_WAIT = 300.0
"""Seconds: when a service asks for more, the request fails."""
_RECOVERY = 60.0  # seconds without a 429 after which the rate doubles again
_SLOWEST = 16  # times slower than configured, at most
_HELD = 1.0  # seconds without requests after a 429 that names no time


class RateLimit:
    """The turns of one credential's requests. `credential`: its digest; `usual`: the rate where none is asked for."""

    def __init__(
        self, clock: Clock, pace: Pace, *, usual: float = 0, budget: SharedBudget | None = None, credential: str = ""
    ) -> None:
        rate = usual if pace.rate is None else pace.rate
        self._pacer = Pacer(clock, rate)
        self._turns = Turns(budget, credential, clock) if budget and rate else None
        self._at_a_time = threading.BoundedSemaphore(pace.jobs)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a request may be made, and count it among those at a time. Raises Unavailable."""
        self._pacer.wait()
        with self._at_a_time:
            if self._turns:
                self._turns.wait(self._pacer.interval)
            yield

    def slow_down(self, requested: float | None) -> None:
        """Let nobody make a request for so long, as the service asked (seconds; None: 1), then halve the rate."""
        held = self._pacer.slow_down(requested)
        if self._turns:
            self._turns.rest(held)


class Pacer:
    """The rate limit of one credential, for all threads of this process. `rate`: calls a second; 0: no limit."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        most = max(1, int(rate)) if rate else 0
        self._window = most / rate if rate else 0.0
        self._starts: deque[float] = deque(maxlen=most)
        self._held_until = 0.0
        self._slowness = 1
        self._last_429 = 0.0

    def wait(self) -> None:
        """Sleep until the next call may start."""
        with self._lock:
            now = self._clock.monotonic()
            if self._slowness > 1 and now > self._last_429 + _RECOVERY:
                self._slowness //= 2
                self._last_429 = now
            begin = max(now, self._held_until)
            if self._starts.maxlen and len(self._starts) == self._starts.maxlen:
                begin = max(begin, self._starts[0] + self._window * self._slowness)
            self._starts.append(begin)
        if begin > now:
            self._clock.sleep(begin - now)

    @property
    def interval(self) -> float:
        """Return the seconds from one call to the next at the present rate; the limit must be one."""
        return self._slowness * self._window / (self._starts.maxlen or 1)

    def slow_down(self, requested: float | None) -> float:
        """Hold every thread after a 429 for the requested time (seconds; None: 1), then halve the rate.

        Returns for how many seconds they are held.
        """
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._held_until:  # several calls in flight that all get a 429 count once
                self._slowness = min(_SLOWEST, 2 * self._slowness)
            self._last_429 = now
            held = _HELD if requested is None else min(requested, LONGEST_WAIT)
            self._held_until = max(self._held_until, now + held)
        return held
