"""API calls with retries: growing pauses, waiting as long as the API asks for, and a pace below its rate limit."""

import logging
import random
from collections.abc import Callable
from typing import Any, TypeVar

from dkimctl.clock import Clock
from dkimctl.providers.base import Pace
from dkimctl.providers.limit import LONGEST_WAIT, RateLimit
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.refusals import OvhError

T = TypeVar("T")
UNPACED = Pace(rate=0)
PATIENCE = 45.0  # seconds that one call may spend on retries, without the waits that the API asks for
SHORT_PATIENCE = 4.0  # seconds, for an optional call that only saves others
MOST_WAITS = 10
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_REPORTED_FROM = 2.0  # seconds: longer pauses are reported, so that the program does not seem to hang
_REPORT_INTERVAL = 60.0  # seconds, for all calls together
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())  # no output unless the program configures logging


class Backoff:
    """The pauses between the attempts of one call: doubled each time, with jitter to spread out clients."""

    def __init__(
        self, clock: Clock, patience: float = PATIENCE, report: Callable[[str], None] = lambda _: None
    ) -> None:
        """Start without a pause. `report` is called with the reason of each noticeable pause."""
        self._clock = clock
        self._report = report
        self._deadline = clock.monotonic() + patience
        self._pause = _FIRST_PAUSE
        self._waits = 0

    def wait_after(self, error: OvhError) -> None:
        """Sleep before the next attempt. Raises the error when a retry cannot help or would take too long."""
        if not error.is_transient:
            raise error
        self.wait(error)

    def wait(self, error: OvhError) -> None:
        """Sleep as `wait_after` does, for an error that the caller knows to be temporary."""
        requested = error.retry_after or 0.0
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311
        self._waits += 1
        if self._clock.monotonic() + pause > self._deadline or self._waits > MOST_WAITS or requested > LONGEST_WAIT:
            raise error
        if max(pause, requested) >= _REPORTED_FROM:
            self._report(error.message)
        self._clock.sleep(max(pause, requested))
        self._deadline += requested
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class Calls:
    """API calls with retries where those are safe. Each raises OvhError when its time for retries is used up."""

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        patience: float = PATIENCE,
        limit: RateLimit | None = None,
    ) -> None:
        """`limit`: that of the credential; None: no limit."""
        self._client = client
        self._limit = limit or RateLimit(clock, UNPACED)
        self._clock = clock
        self._patience = patience
        self._next_report = clock.monotonic()

    @property
    def endpoint(self) -> str:
        """The endpoint of the calls."""
        return self._client.endpoint

    def backoff(self) -> Backoff:
        """Return new pauses for a loop of the caller's own."""
        return Backoff(self._clock, self._patience, self._report_pause)

    def _report_pause(self, reason: str) -> None:
        if self._clock.monotonic() >= self._next_report:
            self._next_report = self._clock.monotonic() + _REPORT_INTERVAL
            _LOG.warning("%s; retrying for a while", reason)

    def get(self, path: str) -> Any:
        """Read a value."""
        backoff = self.backoff()
        while True:
            try:
                return self._paced(lambda: self._client.value("GET", path))
            except OvhError as error:
                backoff.wait_after(error)

    def optional(self, path: str) -> Any:
        """Return a value that saves other calls, or None when it cannot be read for any reason.

        Nothing may depend on it: the following calls either work without it or report the problem.
        """
        backoff = Backoff(self._clock, min(self._patience, SHORT_PATIENCE), self._report_pause)
        while True:
            try:
                return self._paced(lambda: self._client.value("GET", path))
            except OvhError as error:
                try:
                    backoff.wait_after(error)
                except OvhError:
                    _LOG.info("GET %s: skipped (%s)", path, error.message)
                    return None

    def request_consumer_key(self, body: dict[str, object]) -> Any:
        """Request a consumer key. A key whose answer was lost is never validated, so a retry is harmless."""
        backoff = self.backoff()
        while True:
            try:
                return self._paced(lambda: self._client.value("POST", "/auth/credential", body, signed=False))
            except OvhError as error:
                backoff.wait_after(error)

    def repeat(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        """Make a change that is idempotent, with retries."""
        backoff = self.backoff()
        while True:
            try:
                return self._paced(lambda: self._client.void(method, path, body))
            except OvhError as error:
                backoff.wait_after(error)

    def once(self, method: str, path: str, body: dict[str, object]) -> Any:
        """Make a change that is not idempotent, once."""
        return self._paced(lambda: self._client.value(method, path, body))

    def _paced(self, call: Callable[[], T]) -> T:
        try:
            with self._limit.turn():
                return call()
        except OvhError as error:
            if error.status == 429:
                self._limit.slow_down(error.retry_after)
            raise
