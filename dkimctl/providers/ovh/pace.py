"""Rate limit for API calls: at most `rate` calls in any second, and fewer for a while after a 429."""

import threading
from collections import deque

from dkimctl.clock import Clock

_RECOVERY = 60.0  # seconds without a 429 after which the rate doubles again
_SLOWEST = 16  # times slower than configured, at most
LONGEST_WAIT = 300.0  # seconds: when an API asks for more, the call fails
_HELD = 1.0  # seconds without calls after a 429 that names no time


class Pacer:
    """The rate limit of one credential, for all its threads. `rate`: calls a second; 0: no limit."""

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

    def slow_down(self, requested: float | None) -> None:
        """Hold every thread after a 429 for the requested time (seconds; None: 1), then halve the rate."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._held_until:  # several calls in flight that all get a 429 count once
                self._slowness = min(_SLOWEST, 2 * self._slowness)
            self._last_429 = now
            held = _HELD if requested is None else min(requested, LONGEST_WAIT)
            self._held_until = max(self._held_until, now + held)
