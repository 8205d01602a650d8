"""Faults of the name servers."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from dkimctl.sandbox.served import Served

DnsRole = Literal["ns1", "ns2", "resolver"]
DnsFaultKind = Literal["drop", "refuse", "servfail", "lame", "stale", "no-tcp", "truncate"]


@dataclass(slots=True)
class DnsFault:
    """The fault of one server; `times`: how many more answers are affected, None for all."""

    kind: DnsFaultKind
    times: int | None
    stale: Mapping[str, Served]


class DnsFaults:
    """The current faults, at most one for each role.

    `ns1` and `ns2` are the authoritative servers, `resolver` answers queries with RD at the first address.
    `drop`: no answer. `refuse`, `servfail`: that RCODE. `lame`: an empty answer without AA. `stale`: the zones as
    they were when the fault was set. `no-tcp`: TCP connections are closed at once (for both roles of the first
    address under `ns1`). `truncate`: UDP answers with only the TC bit, so that TCP is needed.
    """

    def __init__(self, snapshots: Callable[[], Mapping[str, Served]]) -> None:
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._faults: dict[DnsRole, DnsFault] = {}

    def set(self, role: DnsRole, kind: DnsFaultKind, times: int | None = None) -> None:
        """Set the fault of a role, for all further answers or a number of them."""
        fault = DnsFault(kind, times, self._snapshots() if kind == "stale" else {})
        with self._lock:
            self._faults[role] = fault

    def clear(self, role: DnsRole | None = None) -> None:
        """Remove the fault of a role, or all faults."""
        with self._lock:
            if role is None:
                self._faults.clear()
            else:
                self._faults.pop(role, None)

    def take(self, role: DnsRole, *, connecting: bool = False) -> DnsFault | None:
        """Return the fault for a query, or for a TCP connection, and count it as used once."""
        with self._lock:
            fault = self._faults.get(role)
            if fault is None or (fault.kind == "no-tcp") != connecting:
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[role]
            return fault
