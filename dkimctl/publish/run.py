"""One run of a publication at one provider: change the zones in parallel, then watch the name servers."""

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
from dkimctl.publish.plan_digest import PlanDigest
from dkimctl.publish.propagation import PropagationWatch
from dkimctl.publish.publication import Choices, Event, PublishOutcome
from dkimctl.publish.run_state import RunState
from dkimctl.publish.stop import Interrupted, Stop
from dkimctl.publish.waiting import Waiting
from dkimctl.publish.worker_pool import WorkerPool
from dkimctl.publish.zone_task import ZoneTask, ZoneTaskResult
from dkimctl.publish.zones import ZoneGroup, ask_for_zones, sort_by_zone
from dkimctl.record.published_keys import record_of
from dkimctl.record.text import cname_line


@dataclass(slots=True)
class Run:
    """One run at one provider. Threads change the zones; this thread keeps the state and queries the name servers.

    Finished names are reported and dropped: memory holds only the open names and the work in progress.
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
    """The plan that may be applied; None: any."""
    state: RunState = field(init=False)
    watch: PropagationWatch = field(init=False)
    waits: bool = field(init=False)
    _zone_unknown: list[str] = field(default_factory=list)
    """Names whose zone could not be found through DNS."""

    def __post_init__(self) -> None:
        wait, by_itself = self.choices.wait, not self.provider.capabilities.next_step
        self.waits = not self.choices.dry_run and (by_itself if wait is None else wait)
        self.state = RunState(self.store, self.clock, self.provider.name, self.report, {})
        waiting = Waiting(self.settings, self.clock, self.choices.timeout)
        self.watch = PropagationWatch(self.provider, self.state, waiting)

    def work(self, names: Sequence[KeyName]) -> None:
        """Publish these keys until each is finished and reported. Raises UsageError for a ttl that is too low."""
        for key in names:
            self._check_ttl(key)
            self.state.keys[self.settings.published_at(key.selector, key.domain)] = key
        self._check_keys()
        if self.stop.is_requested:  # during the run at an earlier provider
            return self._interrupted()
        try:
            if self.provider.capabilities.writes:
                self._change_zones()
            else:
                self._by_hand()
            while self.watch.waiting:
                self.clock.sleep(self.watch.waiting.due_in)
                self.watch.poll()
        except KeyboardInterrupt:
            self.stop.request()
            self._interrupted()

    def _check_ttl(self, key: KeyName) -> None:
        ttl = self.choices.ttl_of(self.settings.domain(key.domain))
        least = self.provider.capabilities.minimum_ttl
        if ttl is not None and ttl < least:
            raise UsageError(
                f"{self.provider.name} accepts no ttl below {least} s: {ttl}", hint=f"use at least {least}"
            )

    def _check_keys(self) -> None:
        """Report each unreadable key before the first request. The records are read again when they are needed."""
        for name in list(self.state.keys):
            try:
                record_of(self.store, self.state.key(name))
            except DkimctlError as error:
                self.state.fail(name, error)

    # --- the provider

    def _by_hand(self) -> None:
        work = self._zone_task()
        for name in list(self.state.keys):
            try:
                wanted = work.wanted(name)
                zone = self.settings.zone_for(wanted.domain) or ""
                relative_name(name, zone or name)  # raises for a zone that does not contain the name
            except DkimctlError as error:
                self.state.fail(name, error)
                continue
            self.state.update(name, text=wanted.record.text, outcome=PublishOutcome.BY_HAND, zone=zone)
            next_step = self.provider.capabilities.next_step
            if not self.waits:
                self.state.finish(name, next_step=next_step)
                continue
            self.state.update_and_report(name, next_step=next_step)
            self.watch.add(wanted)

    def _zone_task(self) -> ZoneTask:
        keys, claims = self.state.keys, self.claims
        clock, stop = self.clock, self.stop
        choices, approved = self.choices, self.approved
        return ZoneTask(self.settings, self.store, keys, self.provider, choices, clock, stop, approved, claims)

    def _change_zones(self) -> None:
        """Change the zones known from the configuration and DNS, then those found by asking the account."""
        keys = self.state.keys
        known = sort_by_zone(keys, self.settings, ask_dns=not self.provider.capabilities.next_step)
        for name, error in known.outside.items():
            self.state.fail(name, error)
        self._zone_unknown = list(known.rest)
        self._in_parallel(known.groups)
        if self._zone_unknown:
            groups, without = ask_for_zones(self._zone_unknown, self.provider, self.choices.jobs, known.in_dns)
            for name, error in without.items():
                self.state.fail(name, error)
            self._in_parallel(groups)

    def _in_parallel(self, groups: Sequence[ZoneGroup]) -> None:
        if not groups:
            return
        workers = WorkerPool(min(self.choices.jobs, len(groups)), self._zone_task().run, groups)
        try:
            while workers:
                due = self.watch.waiting.due_in if self.watch.waiting else None
                self._finish_all(workers.collect(due))
                self.watch.poll()
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):
                self.stop.request()
                self.state.progress("interrupted", "finishing the zones in progress; Ctrl-C again stops at once")
                self._finish_all(workers.stop())
            self._fail_unknown(workers.in_progress)
            raise

    def _finish_all(self, results: Iterable[tuple[ZoneGroup, ZoneTaskResult]]) -> None:
        for group, done in results:
            self._finish(group, done)

    def _finish(self, group: ZoneGroup, done: ZoneTaskResult) -> None:
        for name, error in done.errors.items():
            self.state.update(name, zone=group.zone)
            self.state.fail(name, error)
        self._zone_unknown += done.elsewhere
        result = done.result
        if isinstance(result, ZoneResult) and not result.activated:
            self.watch.inactive_zones[result.zone] = result.is_active
        for one in result.names if result else ():
            wanted = one.wanted
            fields = {"zone": group.zone, "text": wanted.record.text}
            self.state.update(wanted.name, existing=one.existing, changes=one.changes, **fields)
            if isinstance(one, NameResult):
                self._finish_name(one, activated=isinstance(result, ZoneResult) and result.activated)
            elif one.refusal:
                self.state.fail(wanted.name, one.refusal)
            else:
                self.state.finish(wanted.name, outcome=PublishOutcome.PLANNED)

    def _finish_name(self, result: NameResult, *, activated: bool) -> None:
        """Handle a name whose record was written and read back, or whose change failed."""
        name = result.wanted.name
        if result.error:
            return self.state.fail(name, result.error)
        outcome = PublishOutcome.PUBLISHED if result.changes else PublishOutcome.UNCHANGED
        next_step = self.provider.capabilities.next_step
        self.state.update(name, outcome=outcome, activated=activated, next_step=next_step)
        try:
            self.state.reach(name, Phase.PUBLISHED)
            if not self.waits:
                self.watch.activate_zone(name, only_if=(None,))
        except DkimctlError as error:
            return self.state.finish(name, error=error)
        if not self.waits:
            if name != result.wanted.owner:
                self.state.progress(name, f"the customer needs, once: {cname_line(result.wanted.owner, name)}")
            return self.state.finish(name)
        if result.changes or next_step:
            then = f"now {next_step}; " if next_step else ""
            limit = f"up to {self.choices.timeout:g} s"
            self.state.progress(name, f"read back and equal; {then}waiting for the name servers ({limit})")
        self.watch.add(result.wanted)

    # --- Ctrl-C

    def _fail_unknown(self, groups: Iterable[ZoneGroup]) -> None:
        """Fail the names of zones whose changes were cut off: their state is unknown until the next run reads it."""
        for name in [name for group in groups for name in group.names if name in self.state.keys]:
            if self.state.update(name).outcome is PublishOutcome.NOT_BEGUN:
                self.state.fail(name, Interrupted("interrupted while its zone was being changed"))

    def _interrupted(self) -> None:
        """Finish every open name with an error that says how far it came."""
        for name in list(self.state.keys):
            publication = self.state.update(name)
            if publication.outcome is PublishOutcome.NOT_BEGUN:
                self.state.finish(name, error=Interrupted("interrupted before it was started"))
            else:
                self.state.finish(name, error=Interrupted("interrupted before every name server was seen to serve it"))
