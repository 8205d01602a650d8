"""A zone in two states: as edited through the API, and as served by the name servers since the last refresh."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dkimctl.sandbox.history import History
from dkimctl.sandbox.patterns import like
from dkimctl.sandbox.records import TEXT_TYPES, Record
from dkimctl.sandbox.served import Served, Soa
from dkimctl.sandbox.switches import Switches
from dkimctl.sandbox.targets import quote
from dkimctl.sandbox.tasks import finish_task, new_task

FIRST_ID = 5_295_328_894
"""The first record id: those of the real service no longer fit in 32 bits."""

ID_STEP = 733
"""The gap between ids: records of other accounts have the ids in between."""


@dataclass(slots=True)
class _Deployment:
    due: float
    task: dict[str, Any]
    records: dict[int, Record]


@dataclass(slots=True, eq=False)
class Zone:
    """One zone of the account. Public attributes may be set by a test; methods are thread-safe.

    `expired` makes every call answer 460, `refreshes` counts the refreshes that were accepted.
    """

    name: str
    name_servers: tuple[str, ...]
    switches: Switches
    expired: bool = False
    refreshes: int = 0
    history: History = field(default_factory=History)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: Callable[[], int] = field(init=False)
    _edited: dict[int, Record] = field(init=False, default_factory=dict)
    _served: dict[int, Record] = field(init=False, default_factory=dict)
    _soa: Soa = field(init=False)
    _snapshot: Served | None = field(init=False, default=None)
    _deployments: list[_Deployment] = field(init=False, default_factory=list)
    _tasks: list[dict[str, Any]] = field(init=False, default_factory=list)
    _unfound: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._ids = itertools.count(FIRST_ID, ID_STEP).__next__
        self._soa = Soa(f"{self.name_servers[0]}.", "tech.ovh.net.", _first_serial(), minimum=self.switches.soa_minimum)
        self._fill()

    def _fill(self) -> None:
        """Create the records of a new zone."""
        records = [("NS", "", f"{server}.") for server in self.name_servers]
        records += [
            ("MX", "", "1 redirect.ovh.net."),
            ("A", "", "213.186.33.5"),
            ("CNAME", "www", f"{self.name}."),
        ]
        for record in records:
            made = self.create(*record, ttl=0)
            self._served[made.id] = made
        self._unfound.clear()

    @property
    def edited(self) -> tuple[Record, ...]:
        """The edited records, as shown by the API."""
        with self.lock:
            return tuple(self._edited.values())

    @property
    def served(self) -> tuple[Record, ...]:
        """The served records, as shown in DNS."""
        return self.snapshot().records

    @property
    def serial(self) -> int:
        """The served SOA serial, YYYYMMDDnn."""
        return self.snapshot().soa.serial

    @property
    def soa(self) -> Soa:
        """The edited SOA; its serial is the served one."""
        with self.lock:
            self._finish_due()
            return self._soa

    @property
    def tasks(self) -> tuple[dict[str, Any], ...]:
        """Refreshes and imports, in the form of `GET task/{id}`."""
        with self.lock:
            self._finish_due()
            return tuple(self._tasks)

    @property
    def deployed(self) -> bool:
        """Return whether the edited zone is served."""
        with self.lock:
            self._finish_due()
            return not self._deployments and self._edited == self._served

    def snapshot(self) -> Served:
        """Return the served zone; the same object until it changes."""
        with self.lock:
            self._finish_due()
            if self._snapshot is None:
                self._snapshot = Served(self.name, self._soa, tuple(self._served.values()))
            return self._snapshot

    def add(self, field_type: str, sub_domain: str, target: str, ttl: int = 0, *, served: bool = True) -> Record:
        """Add a record without checks, as in the control panel; `served`: also put it into DNS at once."""
        if field_type in TEXT_TYPES - {"DKIM", "DMARC"} and self.switches.txt_form == "quoted":
            target = quote(target)
        with self.lock:
            record = Record(self._ids(), field_type, sub_domain, target, ttl)
            self._edited[record.id] = record
            if served:
                self._served[record.id] = record
                self._bump()
            return record

    def find(self, record_id: int) -> Record | None:
        """Return the edited record with an id, or None."""
        with self.lock:
            return self._edited.get(record_id)

    def found_yet(self, record_id: int) -> bool:
        """Return whether a new record may be seen: the switches hide it for a number of reads."""
        with self.lock:
            left = self._unfound.pop(record_id, 0)
            if left > 1:
                self._unfound[record_id] = left - 1
            return left == 0

    def ids(self, field_type: str | None, sub_domain: str | None) -> list[int]:
        """Return the ids that match the list filters, in no particular order."""
        ignore_case = self.switches.sub_domain_filter == "ilike"
        with self.lock:
            found = [
                record.id
                for record in self._edited.values()
                if (field_type is None or like(field_type, record.field_type, ignore_case=False))
                and (sub_domain is None or like(sub_domain, record.sub_domain, ignore_case=ignore_case))
            ]
        return sorted(found, key=lambda record_id: str(record_id)[::-1])

    def create(self, field_type: str, sub_domain: str, target: str, ttl: int) -> Record:
        """Create an edited record. Return it with its id."""
        with self.lock:
            record = Record(self._ids(), field_type, sub_domain, target, ttl)
            self._edited[record.id] = record
            self._unfound[record.id] = self.switches.get_404_after_post
            return record

    def change(self, record: Record) -> None:
        """Replace the edited record that has the same id."""
        with self.lock:
            self._edited[record.id] = record

    def remove(self, record_id: int) -> None:
        """Remove a record from the edited zone, if it exists."""
        with self.lock:
            self._edited.pop(record_id, None)

    def change_soa(self, soa: Soa) -> None:
        """Replace the SOA; it is served at once, with the next serial."""
        with self.lock:
            self._soa = soa
            self._bump()

    def replace_all(self, records: list[Record], function: str = "ZoneImport") -> dict[str, Any]:
        """Replace all edited records: every record gets a new id. Return the task."""
        with self.lock:
            self._edited = {}
            for record in records:
                self.create(record.field_type, record.sub_domain, record.target, record.ttl)
            return self._task(function, "done")

    @property
    def refreshing(self) -> bool:
        """Return True while a refresh is in progress."""
        with self.lock:
            self._finish_due()
            return bool(self._deployments)

    def refresh(self) -> None:
        """Serve the edited zone, after the delay chosen by the switches."""
        with self.lock:
            self.refreshes += 1
            self.history.keep(self._edited.values())
            due = time.monotonic() + self.switches.refresh_delay
            self._deployments.append(_Deployment(due, self._task("ZoneRefresh", "doing"), dict(self._edited)))
            self._finish_due()

    def finish_refresh(self) -> None:
        """End the delay of every refresh in progress."""
        with self.lock:
            self._finish_due(everything=True)

    def _finish_due(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        while self._deployments and (everything or self._deployments[0].due <= now):
            deployment = self._deployments.pop(0)
            finish_task(deployment.task)
            self._served = deployment.records
            self._bump()

    def _bump(self) -> None:
        self._soa = replace(self._soa, serial=max(self._soa.serial + 1, _first_serial()))
        self._snapshot = None

    def _task(self, function: str, status: str) -> dict[str, Any]:
        task = new_task(self._ids(), function, status)
        self._tasks.append(task)
        return task


def _first_serial() -> int:
    return int(time.strftime("%Y%m%d00", time.gmtime()))
