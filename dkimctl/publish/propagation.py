"""Watch published records reach the name servers, and record the result for each name."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.keys.metadata import Phase
from dkimctl.providers.base import Provider
from dkimctl.publish.plan import Wanted
from dkimctl.publish.run_state import RunState
from dkimctl.publish.waiting import Waiting, count_serving, not_served, only_resolvers, served_elsewhere
from dkimctl.record.text import cname_line

if TYPE_CHECKING:
    from dkimctl.verify.report import Report

_WALLED = 3
"""Rounds in which no authoritative server could be reached, after which waiting longer does not help."""


@dataclass(slots=True)
class PropagationWatch:
    """The published names of one run that the name servers do not all serve yet."""

    provider: Provider
    state: RunState
    waiting: Waiting
    inactive_zones: dict[str, bool | None] = field(default_factory=dict)
    """Zones that this run has not activated → whether the provider says that they are active."""

    walled: Counter[str] = field(default_factory=Counter)
    """Names → in how many rounds one after the other only resolvers could be asked."""

    def add(self, wanted: Wanted) -> None:
        """Watch one more name."""
        self.waiting.add(wanted)

    def poll(self) -> None:
        """Query the name servers once if the next round is due."""
        if not self.waiting or self.waiting.due_in:
            return
        for wanted, seen, served in self.waiting.poll():
            if served:
                self._served(wanted, seen)
            elif wanted in self.waiting:
                self._unserved(wanted, seen)
            else:
                self._overdue(wanted, seen)

    def activate_zone(self, name: str, *, only_if: tuple[bool | None, ...]) -> None:
        """Activate a name's zone if this run has not: an earlier run may have died before it did.

        `only_if`: the states reported by the provider in which to activate it. Raises DkimctlError.
        """
        zone = self._zone(name)
        if zone in self.inactive_zones and self.inactive_zones[zone] in only_if:
            self.provider.activate(zone)
            del self.inactive_zones[zone]
            self.state.update(name, activated=True)

    def _served(self, wanted: Wanted, seen: "Report") -> None:
        self.state.update(wanted.name, served=True, servers=count_serving(wanted, seen), next_step="")
        try:
            self.state.reach(wanted.name, Phase.PUBLISHED)
            self.state.reach(wanted.name, Phase.VERIFIED)
        except DkimctlError as error:
            self.state.finish(wanted.name, error=error)
        else:
            self.state.finish(wanted.name)

    def _unserved(self, wanted: Wanted, seen: "Report") -> None:
        from dkimctl.verify.report import Verdict

        serving, count = count_serving(wanted, seen), len(seen.answers)
        progress = f"served by {serving} of {count} name servers" if count else "no name server could be asked"
        firewalled = only_resolvers(seen)
        self.walled[wanted.name] = self.walled[wanted.name] + 1 if firewalled else 0
        if firewalled:
            progress = f"{firewalled.title} ({firewalled.seen})"
        cname = _missing_cname(wanted, seen)
        self.state.progress(wanted.name, cname or f"{progress} so far")
        zone = self._zone(wanted.name)
        if elsewhere := not cname and served_elsewhere(self.provider, zone, seen):
            self.state.progress(zone, elsewhere.message)
        try:
            self.activate_zone(wanted.name, only_if=(None,) if seen.verdict is Verdict.UNKNOWN else (None, True))
        except DkimctlError as error:
            self.waiting.drop(wanted)
            self.state.finish(wanted.name, served=False, error=error)
            return
        if firewalled and self.walled[wanted.name] >= _WALLED and not self.waiting.accepts_resolvers:
            self.waiting.drop(wanted)
            why = f"it cannot be seen from here: {firewalled.title} ({firewalled.seen})"
            self.state.finish(wanted.name, served=False, error=Unavailable(why, hint=firewalled.fix))

    def _overdue(self, wanted: Wanted, seen: "Report") -> None:
        error = None
        if wanted.name == wanted.owner:
            error = served_elsewhere(self.provider, self._zone(wanted.name), seen)
        error = error or not_served(wanted, seen, self.waiting.timeout)
        if cname := _missing_cname(wanted, seen):
            self.state.progress(wanted.name, cname)
            line = cname_line(wanted.owner, wanted.name)
            error = Unavailable(
                error.message, hint=f"ask the customer to add it once: {line}; then run the same command again"
            )
        self.state.finish(wanted.name, served=False, error=error)

    def _zone(self, name: str) -> str:
        return self.state.publications[name].zone


def _missing_cname(wanted: Wanted, seen: "Report") -> str:
    """Return a line with the CNAME that a delegated domain's customer must add; empty when it is there."""
    from dkimctl.catalogue import presence

    codes = {one.code for one in seen.findings}
    if codes.isdisjoint({presence.NOT_YET_DELEGATED.code, presence.DELEGATED_ELSEWHERE.code}):
        return ""
    return f"waiting for the customer to add this CNAME once: {cname_line(wanted.owner, wanted.name)}"
