"""One run of a publication at one provider: zones in parallel, then the name servers, then the books."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import KeyName, KeyStore
from dkimctl.names import relative_name
from dkimctl.providers.base import Provider
from dkimctl.publish.apply import NameResult, ZoneResult
from dkimctl.publish.digest import PlanDigest
from dkimctl.publish.interruption import Interrupted, Stop
from dkimctl.publish.ledger import Ledger
from dkimctl.publish.observation import Observation
from dkimctl.publish.published import Choices, Event, PublishOutcome
from dkimctl.publish.waiting import Waiting
from dkimctl.publish.worker_pool import WorkerPool
from dkimctl.publish.zones import ZoneGroup, locate, sort_by_zone
from dkimctl.publish.zonework import ZoneDone, ZoneWork
from dkimctl.record.from_key import record_of
from dkimctl.record.text import cname_line


@dataclass(slots=True)
class Run:
    """Zones are changed in threads; the books and the name servers are this thread's.

    What has come to its end is reported and forgotten: memory holds the names, and what is under way.
    """

    settings: Settings
    store: KeyStore
    provider: Provider
    choices: Choices
    clock: Clock
    stop: Stop
    report: Callable[[Event], None]
    claims: dict[str, str] = field(default_factory=dict)
    """Zone → the provider that changes it in this run of the program."""
    approved: PlanDigest | None = None
    """The plan that may be done; None: any."""
    ledger: Ledger = field(init=False)
    observation: Observation = field(init=False)
    waits: bool = field(init=False)
    _left: list[str] = field(default_factory=list)
    """Names whose zone DNS did not tell."""

    def __post_init__(self) -> None:
        wish, able = self.choices.wait, not self.provider.capabilities.next_step
        self.waits = not self.choices.dry_run and (able if wish is None else wish)
        self.ledger = Ledger(self.store, self.clock, self.provider.name, self.report, {})
        waiting = Waiting(self.settings, self.clock, self.choices.timeout)
        self.observation = Observation(self.provider, self.ledger, waiting)

    def work(self, names: Sequence[KeyName]) -> None:
        """Everything, until each name is told. Raises UsageError for a ttl the provider does not take."""
        for key in names:
            self._check_ttl(key)
            self.ledger.keys[self.settings.published_at(key.selector, key.domain)] = key
        self._check_keys()
        if self.stop.is_requested:  # while an earlier provider was at work
            return self._interrupted()
        try:
            if self.provider.capabilities.writes:
                self._change_zones()
            else:
                self._by_hand()
            while self.observation.waiting:
                self.clock.sleep(self.observation.waiting.due_in)
                self.observation.look()
        except KeyboardInterrupt:
            self.stop.request()
            self._interrupted()

    def _check_ttl(self, key: KeyName) -> None:
        ttl = self.choices.ttl or self.settings.domain(key.domain).ttl
        least = self.provider.capabilities.minimum_ttl
        if ttl is not None and ttl < least:
            raise UsageError(f"{self.provider.name} takes no ttl below {least} s: {ttl}", hint=f"use at least {least}")

    def _check_keys(self) -> None:
        """Tell of each key that cannot be read before anything is asked. The records are made again when it is time."""
        for name in list(self.ledger.keys):
            try:
                record_of(self.store, self.ledger.key(name))
            except DkimctlError as error:
                self.ledger.fail(name, error)

    # --- the provider

    def _by_hand(self) -> None:
        work = self._zone_work()
        for name in list(self.ledger.keys):
            try:
                wanted = work.wanted(name)
                zone = self.settings.zone_for(wanted.domain) or ""
                relative_name(name, zone or name)  # refuses a zone that the name is not in
            except DkimctlError as error:
                self.ledger.fail(name, error)
                continue
            self.ledger.note(name, text=wanted.record.text, outcome=PublishOutcome.BY_HAND, zone=zone)
            next_step = self.provider.capabilities.next_step
            if not self.waits:
                self.ledger.finish(name, next_step=next_step)
                continue
            self.ledger.announce(name, next_step=next_step)
            self.observation.begin(wanted)

    def _zone_work(self) -> ZoneWork:
        keys, claims = self.ledger.keys, self.claims
        clock, stop = self.clock, self.stop
        choices, approved = self.choices, self.approved
        return ZoneWork(self.settings, self.store, keys, self.provider, choices, clock, stop, approved, claims)

    def _change_zones(self) -> None:
        """First the zones that are known, then those that the account must be asked for."""
        keys = self.ledger.keys
        known = sort_by_zone(keys, self.settings, ask_dns=not self.provider.capabilities.next_step)
        for name, error in known.outside.items():
            self.ledger.fail(name, error)
        self._left = list(known.rest)
        self._in_parallel(known.groups)
        if self._left:
            groups, without = locate(self._left, self.provider, self.choices.jobs, known.in_dns)
            for name, error in without.items():
                self.ledger.fail(name, error)
            self._in_parallel(groups)

    def _in_parallel(self, groups: Sequence[ZoneGroup]) -> None:
        if not groups:
            return
        crew = WorkerPool(min(self.choices.jobs, len(groups)), self._zone_work().do, groups)
        try:
            while crew:
                due = self.observation.waiting.due_in if self.observation.waiting else None
                self._finish_all(crew.collect(due))
                self.observation.look()
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):
                self.stop.request()
                self.ledger.say(
                    "interrupted", "the zones in hand come to their end; Ctrl-C again leaves them as they are"
                )
                self._finish_all(crew.stop())
            self._left_in_the_middle(crew.in_hand)
            raise

    def _finish_all(self, results: Iterable[tuple[ZoneGroup, ZoneDone]]) -> None:
        for group, done in results:
            self._finish(group, done)

    def _finish(self, group: ZoneGroup, done: ZoneDone) -> None:
        for name, error in done.errors.items():
            self.ledger.note(name, zone=group.zone)
            self.ledger.fail(name, error)
        self._left += done.elsewhere
        result = done.result
        if isinstance(result, ZoneResult) and not result.activated:
            self.observation.quiet_zones[result.zone] = result.is_active
        for one in result.names if result else ():
            wanted = one.wanted
            fields = {"zone": group.zone, "text": wanted.record.text}
            self.ledger.note(wanted.name, existing=one.existing, changes=one.changes, **fields)
            if isinstance(one, NameResult):
                self._finish_name(one, activated=isinstance(result, ZoneResult) and result.activated)
            elif one.refusal:
                self.ledger.fail(wanted.name, one.refusal)
            else:
                self.ledger.finish(wanted.name, outcome=PublishOutcome.PLANNED)

    def _finish_name(self, result: NameResult, *, activated: bool) -> None:
        """Its record stands at the provider, or there is an error."""
        name = result.wanted.name
        if result.error:
            return self.ledger.fail(name, result.error)
        outcome = PublishOutcome.PUBLISHED if result.changes else PublishOutcome.UNCHANGED
        next_step = self.provider.capabilities.next_step
        self.ledger.note(name, outcome=outcome, activated=activated, next_step=next_step)
        try:
            self.ledger.reach(name, Phase.PUBLISHED)
            if not self.waits:
                self.observation.make_effective(name, only_if=(None,))
        except DkimctlError as error:
            return self.ledger.finish(name, error=error)
        if not self.waits:
            if name != result.wanted.owner:
                self.ledger.say(name, f"the customer needs, once: {cname_line(result.wanted.owner, name)}")
            return self.ledger.finish(name)
        if result.changes or next_step:
            then = f"now {next_step}; " if next_step else ""
            patience = f"up to {self.choices.timeout:g} s"
            self.ledger.say(name, f"read back and equal; {then}waiting for the name servers ({patience})")
        self.observation.begin(result.wanted)

    # --- Ctrl-C

    def _left_in_the_middle(self, groups: Iterable[ZoneGroup]) -> None:
        """Of some it is not known how far they came; the next run looks first."""
        for name in [name for group in groups for name in group.names if name in self.ledger.keys]:
            if self.ledger.note(name).outcome is PublishOutcome.NOT_BEGUN:
                self.ledger.fail(name, Interrupted("interrupted in the middle"))

    def _interrupted(self) -> None:
        """Say how far each name is that has not come to its end."""
        for name in list(self.ledger.keys):
            publication = self.ledger.note(name)
            if publication.outcome is PublishOutcome.NOT_BEGUN:
                self.ledger.finish(name, error=Interrupted("interrupted before it began"))
            else:
                self.ledger.finish(name, error=Interrupted("interrupted before every name server was seen to serve it"))
