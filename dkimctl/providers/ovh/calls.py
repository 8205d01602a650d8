"""Calls that may be repeated, with growing pauses; the API's wish to wait is honoured."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from dkimctl.clock import Clock
from dkimctl.providers.base import Pace
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.pace import LONGEST_WISH, Pacer
from dkimctl.providers.ovh.refusals import OvhError

T = TypeVar("T")
UNPACED = Pace(rate=0)
PATIENCE = 45.0  # seconds that one call may spend on repeating itself, without the waits that the API asks for
SHORT_PATIENCE = 4.0  # seconds, for a call that only spares others
MOST_WAITS = 10
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_NOTICED = 2.0  # seconds: a longer pause is told, or it would look as if nothing went on
_TOLD_EVERY = 60.0  # seconds, for all calls together
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())  # where nobody shows it, nobody does


class Backoff:
    """The pauses between the attempts of one call: doubled each time, with jitter so that clients do not march."""

    def __init__(self, clock: Clock, patience: float = PATIENCE, tell: Callable[[str], None] = lambda _: None) -> None:
        """`tell` hears why there is a pause that somebody would notice."""
        self._clock = clock
        self._tell = tell
        self._deadline = clock.monotonic() + patience
        self._pause = _FIRST_PAUSE
        self._waits = 0

    def wait_after(self, error: OvhError) -> None:
        """Sleep before the next attempt. Raises the error when repeating cannot help or would take too long."""
        if not error.is_transient:
            raise error
        self.wait(error)

    def wait(self, error: OvhError) -> None:
        """The same for an error of which the caller knows that it may pass."""
        wish = error.retry_after or 0.0
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311
        self._waits += 1
        if self._clock.monotonic() + pause > self._deadline or self._waits > MOST_WAITS or wish > LONGEST_WISH:
            raise error
        if max(pause, wish) >= _NOTICED:
            self._tell(error.message)
        self._clock.sleep(max(pause, wish))
        self._deadline += wish
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class Calls:
    """The calls of the API that are safe to repeat. Each raises OvhError when patience is at its end."""

    def __init__(self, client: ApiClient, clock: Clock, patience: float = PATIENCE, pace: Pace = UNPACED) -> None:
        self._client = client
        self._pacer = Pacer(clock, pace.rate)
        self._at_a_time = threading.BoundedSemaphore(pace.jobs)
        self._clock = clock
        self._patience = patience
        self._quiet_until = clock.monotonic()

    @property
    def endpoint(self) -> str:
        """Where the calls go."""
        return self._client.endpoint

    def backoff(self) -> Backoff:
        """Fresh pauses for a loop of the caller's own."""
        return Backoff(self._clock, self._patience, self._tell)

    def _tell(self, why: str) -> None:
        if self._clock.monotonic() >= self._quiet_until:
            self._quiet_until = self._clock.monotonic() + _TOLD_EVERY
            _LOG.warning("%s; asking again for a while", why)

    def get(self, path: str) -> Any:
        """Read a value."""
        backoff = self.backoff()
        while True:
            try:
                return self._paced(lambda: self._client.value("GET", path))
            except OvhError as error:
                backoff.wait_after(error)

    def optional(self, path: str) -> Any:
        """Return a value that spares other calls, or None when it cannot be read, for whatever reason.

        Nothing may depend on it: what is asked next either works without it or reports what is wrong.
        """
        backoff = Backoff(self._clock, min(self._patience, SHORT_PATIENCE), self._tell)
        while True:
            try:
                return self._paced(lambda: self._client.value("GET", path))
            except OvhError as error:
                try:
                    backoff.wait_after(error)
                except OvhError:
                    _LOG.info("GET %s: done without (%s)", path, error.message)
                    return None

    def request_consumer_key(self, body: dict[str, object]) -> Any:
        """Ask for a consumer key. One whose answer was lost is never validated: asking again does no harm."""
        backoff = self.backoff()
        while True:
            try:
                return self._paced(lambda: self._client.value("POST", "/auth/credential", body, signed=False))
            except OvhError as error:
                backoff.wait_after(error)

    def repeat(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        """A change that leads to the same state however often it is done."""
        backoff = self.backoff()
        while True:
            try:
                return self._paced(lambda: self._client.void(method, path, body))
            except OvhError as error:
                backoff.wait_after(error)

    def once(self, method: str, path: str, body: dict[str, object]) -> Any:
        """A change that must not be repeated blindly."""
        return self._paced(lambda: self._client.value(method, path, body))

    def _paced(self, call: Callable[[], T]) -> T:
        self._pacer.wait()
        try:
            with self._at_a_time:
                return call()
        except OvhError as error:
            if error.status == 429:
                self._pacer.slow_down(error.retry_after)
            raise
