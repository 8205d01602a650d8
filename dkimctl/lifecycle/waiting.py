"""Waiting until every authoritative server serves what was published, for any number of names at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dkimctl.clock import Clock
from dkimctl.config.settings import Lookup
from dkimctl.errors import Unavailable
from dkimctl.publish.likeness import Likeness, likeness
from dkimctl.publish.plan import Wanted

if TYPE_CHECKING:
    from dkimctl.verify.report import Report, Target

_FIRST_PAUSE = 1.0  # seconds between two rounds of looking; grows by half each time
_LONGEST_PAUSE = 15.0


@dataclass(slots=True)
class _Awaited:
    wanted: Wanted
    target: "Target"
    deadline: float


@dataclass(slots=True)
class Waiting:
    """Names that are not yet seen to be served. `timeout`: seconds for each, from when it is added."""

    lookup: Lookup
    clock: Clock
    timeout: float
    _awaited: dict[str, _Awaited] = field(default_factory=dict)
    _pause: float = _FIRST_PAUSE

    def __bool__(self) -> bool:
        return bool(self._awaited)

    def __contains__(self, name: object) -> bool:
        return name in self._awaited

    def add(self, wanted: Wanted, target: "Target") -> None:
        """Look for this one too from now on."""
        self._awaited[wanted.name] = _Awaited(wanted, target, self.clock.monotonic() + self.timeout)
        self._pause = _FIRST_PAUSE

    def look(self, unserved: Callable[[Wanted, "Report"], None]) -> Iterator[tuple[Wanted, "Report", bool]]:
        """One round: every name that is served, or whose time is over, with its report and whether it is served.

        `unserved` gets the others.
        """
        from dkimctl.verify.check import check

        awaited = dict(self._awaited)
        for report in check([one.target for one in awaited.values()], self.lookup):
            one = awaited[report.owner]
            served = is_served(one.wanted, report)
            if served or self.clock.monotonic() + self._pause > one.deadline:
                del self._awaited[report.owner]
                yield one.wanted, report, served
            else:
                unserved(one.wanted, report)

    def pause(self) -> None:
        """Sleep until the next round."""
        self.clock.sleep(self._pause)
        self._pause = min(_LONGEST_PAUSE, 1.5 * self._pause)


def is_served(wanted: Wanted, report: "Report") -> bool:
    """True when every authoritative server serves exactly the wanted record and no other."""
    return report.is_right or (report.text is not None and likeness(report.text, wanted.record) is Likeness.SAME)


def not_served(wanted: Wanted, report: "Report", timeout: float) -> Unavailable:
    """The error for a name whose time is over."""
    worst = report.findings[0] if report.findings else None
    why = f"{worst.title}: {worst.seen}" if worst else "no server was asked"
    return Unavailable(
        f"{wanted.name} is not served everywhere after {timeout:g} s: {why}",
        hint=f"name servers may take a while: look again with dkimctl verify-dns {wanted.domain}, "
        "or wait longer with --timeout",
    )
