"""The second half of a publication: what the name servers say of the records, and what follows from it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.keys.metadata import Phase
from dkimctl.providers.base import Provider
from dkimctl.publish.ledger import Ledger
from dkimctl.publish.plan import Wanted
from dkimctl.publish.waiting import Waiting, count_serving, not_served, only_resolvers, served_elsewhere
from dkimctl.record.text import cname_line

if TYPE_CHECKING:
    from dkimctl.verify.report import Report


@dataclass(slots=True)
class Observation:
    """The names of one run that should be served soon."""

    provider: Provider
    ledger: Ledger
    waiting: Waiting
    quiet_zones: dict[str, bool | None] = field(default_factory=dict)
    """Zones that this run has not made effective → what the provider says of them."""

    def begin(self, wanted: Wanted) -> None:
        """Watch for this one."""
        self.waiting.add(wanted)

    def look(self) -> None:
        """One round of looking, when it is time for one."""
        if not self.waiting or self.waiting.due_in:
            return
        for wanted, seen, served in self.waiting.look():
            if served:
                self._served(wanted, seen)
            elif wanted in self.waiting:
                self._unserved(wanted, seen)
            else:
                self._overdue(wanted, seen)

    def make_effective(self, name: str, *, only_if: tuple[bool | None, ...]) -> None:
        """Refresh a zone that this run has not refreshed: an earlier one may have died before it did.

        `only_if`: for which of the provider's words about the zone. Raises DkimctlError.
        """
        zone = self._zone(name)
        if zone in self.quiet_zones and self.quiet_zones[zone] in only_if:
            self.provider.activate(zone)
            del self.quiet_zones[zone]
            self.ledger.note(name, activated=True)

    def _served(self, wanted: Wanted, seen: "Report") -> None:
        self.ledger.note(wanted.name, served=True, servers=count_serving(wanted, seen), next_step="")
        try:
            self.ledger.reach(wanted.name, Phase.PUBLISHED)
            self.ledger.reach(wanted.name, Phase.VERIFIED)
        except DkimctlError as error:
            self.ledger.finish(wanted.name, error=error)
        else:
            self.ledger.finish(wanted.name)

    def _unserved(self, wanted: Wanted, seen: "Report") -> None:
        from dkimctl.verify.report import Verdict

        serving, count = count_serving(wanted, seen), len(seen.answers)
        progress = f"served by {serving} of {count} name servers" if count else "no name server could be asked"
        if walled := only_resolvers(seen):
            progress = f"{walled.title} ({walled.seen})"
        cname = _customers_turn(wanted, seen)
        self.ledger.say(wanted.name, cname or f"{progress} so far")
        zone = self._zone(wanted.name)
        if elsewhere := not cname and served_elsewhere(self.provider, zone, seen):
            self.ledger.say(zone, elsewhere.message)
        try:
            self.make_effective(wanted.name, only_if=(None,) if seen.verdict is Verdict.UNKNOWN else (None, True))
        except DkimctlError as error:
            self.waiting.drop(wanted)
            self.ledger.finish(wanted.name, served=False, error=error)

    def _overdue(self, wanted: Wanted, seen: "Report") -> None:
        error = None
        if wanted.name == wanted.owner:
            error = served_elsewhere(self.provider, self._zone(wanted.name), seen)
        error = error or not_served(wanted, seen, self.waiting.timeout)
        if cname := _customers_turn(wanted, seen):
            self.ledger.say(wanted.name, cname)
            line = cname_line(wanted.owner, wanted.name)
            error = Unavailable(
                error.message, hint=f"have the customer add it once: {line}; then the same command again"
            )
        self.ledger.finish(wanted.name, served=False, error=error)

    def _zone(self, name: str) -> str:
        return self.ledger.publications[name].zone


def _customers_turn(wanted: Wanted, seen: "Report") -> str:
    """What the customer of a delegated domain must do, in a line; empty when it is not the customer's turn."""
    from dkimctl.catalogue import presence

    codes = {one.code for one in seen.findings}
    if codes.isdisjoint({presence.NOT_YET_DELEGATED.code, presence.DELEGATED_ELSEWHERE.code}):
        return ""
    return f"waiting for the customer's CNAME; to be added once: {cname_line(wanted.owner, wanted.name)}"
