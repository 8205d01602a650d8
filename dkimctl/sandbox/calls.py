"""The log of API calls that tests assert on."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """An API call: path with query and without version prefix; status 0 when no answer was sent."""

    method: str
    path: str
    body: str
    status: int


class CallLog:
    """The calls in order of arrival; each entry is complete before its answer is sent."""

    def __init__(self, on_call: Callable[[LoggedCall], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._slots: list[LoggedCall | None] = []
        self._on_call = on_call

    @property
    def calls(self) -> list[LoggedCall]:
        """The calls answered so far."""
        with self._lock:
            return [call for call in self._slots if call is not None]

    def clear(self) -> None:
        """Clear the log; the next call is number 1 again."""
        with self._lock:
            self._slots = []

    def arrive(self) -> tuple[int, Callable[[LoggedCall], None]]:
        """Add a new call. Return its number (from 1) and the function that completes its entry."""
        with self._lock:
            slots = self._slots
            slots.append(None)
            number = len(slots)

        def complete(call: LoggedCall) -> None:
            with self._lock:
                slots[number - 1] = call
                if self._on_call:
                    self._on_call(call)

        return number, complete


def log_line(call: LoggedCall) -> str:
    """Return a call as one line of JSON."""
    fields = {"method": call.method, "path": call.path, "body": call.body, "status": call.status}
    return json.dumps(fields)  # in ASCII, so that no character ends the line for any reader
