"""Faults of the HTTP API: the calls that they affect, and the answers that they send."""

import threading
from dataclasses import dataclass, replace

from dkimctl.sandbox.answers import ErrorAnswer, HttpAnswer
from dkimctl.sandbox.faultkinds import FaultKind
from dkimctl.sandbox.patterns import glob
from dkimctl.sandbox.switches import Switches

AFTER = frozenset({"reset-after", "slow-body", "null", "empty-200", "truncated-json"})
"""The kinds for which the call is carried out and only its answer is affected; the others replace the call."""

_ERRORS = {
    "500-json": ErrorAnswer(500, "Internal server error", "INTERNAL_ERROR"),
    "429": ErrorAnswer(429, "Too many requests", "TOO_MANY_REQUESTS"),
    "409": ErrorAnswer(409, "Conflict", "CONFLICT"),
    "460": ErrorAnswer(460, "This service is expired", "EXPIRED"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and the calls that it affects: every given criterion must match.

    `call`: the number of a call, counted from 1 since the log was last cleared (`sandbox.calls[call - 1]`).
    `path`: a pattern with `*` for the path without prefix and query. `times`: how many calls are affected, None for
    all. `seconds`: how long a slow body takes. `retry_after`: the header of a 429.
    """

    kind: FaultKind
    call: int | None = None
    method: str | None = None
    path: str | None = None
    times: int | None = 1
    retry_after: float | None = None
    seconds: float = 1.0

    def hits(self, number: int, method: str, path: str) -> bool:
        """Return whether this fault affects a call."""
        return (
            self.call in (None, number)
            and self.method in (None, method)
            and (self.path is None or glob(self.path, path))
        )

    def instead(self, switches: Switches) -> HttpAnswer:
        """Return the answer that replaces the call; for `reset-before` and `timeout` it is never sent."""
        if error := _ERRORS.get(self.kind):
            answer = error.answer(switches)
            if self.retry_after is not None:
                answer = replace(answer, headers={"Retry-After": f"{self.retry_after:g}"})
            return answer
        if self.kind == "null-error":
            return HttpAnswer(500, b"null")
        status, _, form = self.kind.partition("-")
        number = 200 if self.kind == "html-200" else int(status) if form == "html" else 0
        return HttpAnswer(number, _page(number), "text/html")

    def damage(self, answer: HttpAnswer) -> HttpAnswer:
        """Return the answer of a call that was carried out, damaged by the fault."""
        bodies = {"null": b"null", "empty-200": b"", "truncated-json": answer.body[: len(answer.body) // 2]}
        if self.kind not in bodies:
            return answer
        return replace(answer, status=200 if answer.status < 300 else answer.status, body=bodies[self.kind])


class Faults:
    """The faults that have not happened yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault; of several that affect one call, the first one added applies."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove the faults that have not happened."""
        with self._lock:
            self._faults = []

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that can still happen, with the remaining `times` of each."""
        with self._lock:
            return tuple(self._faults)

    def take(self, number: int, method: str, path: str) -> Fault | None:
        """Return the fault for this call, and count it as used once."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.hits(number, method, path):
                    self._use(index, fault)
                    return fault
            return None

    def _use(self, index: int, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times > 1:
            self._faults[index] = replace(fault, times=fault.times - 1)
        else:
            del self._faults[index]


def _page(status: int) -> bytes:
    return f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n".encode()
