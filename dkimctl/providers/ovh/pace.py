"""How fast the API is asked: never more than so many calls in any second, and slower for a while when it says so."""

import threading
from collections import deque

from dkimctl.clock import Clock

_QUIET = 60.0  # seconds without a complaint after which the pace doubles again
_SLOWEST = 16  # times slower than asked for, at most
LONGEST_WISH = 300.0  # seconds: an API that asks for more is left alone
_HELD = 1.0  # seconds in which nobody calls after a complaint that names no time


class Pacer:
    """The pace of one credential, for all its threads. `rate`: calls a second; 0: no limit."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        most = max(1, int(rate)) if rate else 0
        self._window = most / rate if rate else 0.0
        self._starts: deque[float] = deque(maxlen=most)
        self._held_until = 0.0
        self._slowness = 1
        self._complained = 0.0

    def wait(self) -> None:
        """Sleep until the next call may begin."""
        with self._lock:
            now = self._clock.monotonic()
            if self._slowness > 1 and now > self._complained + _QUIET:
                self._slowness //= 2
                self._complained = now
            begin = max(now, self._held_until)
            if self._starts.maxlen and len(self._starts) == self._starts.maxlen:
                begin = max(begin, self._starts[0] + self._window * self._slowness)
            self._starts.append(begin)
        if begin > now:
            self._clock.sleep(begin - now)

    def slow_down(self, wish: float | None) -> None:
        """The API takes no more for now: hold every thread as long as it asks (seconds), then go at half the pace."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._held_until:  # threads that were under way together complain once
                self._slowness = min(_SLOWEST, 2 * self._slowness)
            self._complained = now
            self._held_until = max(self._held_until, now + (_HELD if wish is None else min(wish, LONGEST_WISH)))
