"""One target of a long list, while it is on the fast path or goes ahead of the others."""

import time

from dkimctl.dns.questions import Work
from dkimctl.dns.resolve import Security
from dkimctl.verify.bulk.zonewindow import ZoneWindow
from dkimctl.verify.report import Report, Target


class Pending:
    """One target on the fast path, with what it waits for."""

    __slots__ = (
        "asked_cut",
        "asked_proof",
        "asked_text",
        "missing",
        "security",
        "started",
        "target",
        "text",
        "ttl",
        "window",
    )

    def __init__(self, target: Target, window: "ZoneWindow[Pending]", asked_cut: bytes, asked_text: bytes) -> None:
        self.target = target
        self.window = window
        self.asked_cut = asked_cut
        self.asked_text = asked_text
        self.asked_proof = b""
        self.missing = 1 + len(window.queues)
        self.security = Security.UNKNOWN
        self.text: bytes | None = None
        self.ttl = 0
        self.started = time.monotonic()


class Scout:
    """The long way of one target, and whether it has finished."""

    def __init__(self, work: Work[Report]) -> None:
        self._work = work
        self.is_done = False

    async def work(self) -> Report:
        """Return the report as the long way does, and note that this has ended."""
        try:
            return await self._work
        finally:
            self.is_done = True
