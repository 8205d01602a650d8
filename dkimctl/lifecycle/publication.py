"""Publishing keys: plan, write, prove, make effective, wait for the authoritative servers, note the phase.

publish(settings, store, provider, keys) → one Publication for each key; `report` hears of each step as it is done.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyStore
from dkimctl.lifecycle.interruption import Interrupted, StoppableClock
from dkimctl.lifecycle.phases import reach
from dkimctl.lifecycle.waiting import Waiting, not_served
from dkimctl.lifecycle.wanted import target_for, wanted_for
from dkimctl.lifecycle.zones import ZoneGroup, group_by_zone
from dkimctl.providers.base import Change, Provider, ProviderRecord
from dkimctl.providers.registry import open_provider, provider_names
from dkimctl.publish.apply import NameResult, ZoneResult, apply
from dkimctl.publish.plan import NamePlan, Plan, Wanted, plan

if TYPE_CHECKING:
    from dkimctl.verify.report import Report

DEFAULT_TIMEOUT = 600.0  # seconds; OVH's own servers were seen to take 110 ± 100, and more on a bad day
DEFAULT_JOBS = 4


class Outcome(StrEnum):
    """How the publication of one key ended."""

    PLANNED = "planned"
    BY_HAND = "by hand"
    UNCHANGED = "unchanged"
    PUBLISHED = "published"
    FAILED = "failed"
    NOT_BEGUN = "not begun"


@dataclass(frozen=True, slots=True)
class Publication:
    """What became of one key's record."""

    domain: str
    selector: str
    name: str
    """The owner name."""
    provider: str
    outcome: Outcome
    zone: str = ""
    text: str = ""
    """The record as one string."""
    existing: tuple[ProviderRecord, ...] = ()
    """What stood at the name before."""
    changes: tuple[Change, ...] = ()
    """What was done, or in a dry run would be."""
    activated: bool = False
    """True when the provider was told to serve it."""
    served: bool | None = None
    """True when every authoritative server was seen to serve exactly this record; None when nobody looked."""
    servers: int = 0
    """How many addresses of authoritative servers answered."""
    error: DkimctlError | None = None

    @property
    def exit_code(self) -> int:
        """What it contributes to the command's exit code."""
        return self.error.exit_code if self.error else 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that happened to a zone or a name on the way."""

    subject: str
    text: str


Event = Publication | Progress


@dataclass(frozen=True, slots=True)
class Choices:
    """How to publish."""

    dry_run: bool = False
    wait: bool | None = None
    """None: wait where the provider serves what it is given by itself."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds to wait for the authoritative servers, for each zone."""
    jobs: int = DEFAULT_JOBS
    """Zones changed at a time."""
    replace: bool = False
    """Also replace records that hold another key or another text."""
    ttl: int | None = None
    """Seconds; None: as configured for the domain, else as it is."""


def publish(
    settings: Settings,
    store: KeyStore,
    provider: Provider,
    keys: Sequence[Key],
    choices: Choices = Choices(),
    *,
    clock: Clock = SYSTEM_CLOCK,
    report: Callable[[Event], None] = lambda _: None,
) -> tuple[Publication, ...]:
    """Publish the record of each key and prove it; one that fails does not stop the others.

    A key advances to `published` once its record was read back, and to `verified` once every authoritative server
    serves it. Ctrl-C lets the zones in hand come to their end; with a StoppableClock nothing waits any more.

    Raises UsageError for a ttl the provider does not take.
    """
    return _Publishing(settings, store, provider, choices, clock, report).run(keys)


@dataclass(slots=True)
class _Publishing:
    """One run."""

    settings: Settings
    store: KeyStore
    provider: Provider
    choices: Choices
    clock: Clock
    report: Callable[[Event], None]
    keys: dict[str, Key] = field(default_factory=dict)
    """Owner name → key."""
    publications: dict[str, Publication] = field(default_factory=dict)
    """Owner name → the latest of it."""
    quiet_zones: dict[str, bool | None] = field(default_factory=dict)
    """Zones that this run has not made effective → what the provider says of them."""
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.settings.lookup, self.clock, self.choices.timeout)

    def run(self, keys: Sequence[Key]) -> tuple[Publication, ...]:
        """All of it."""
        wanted = [one for key in keys if (one := self._wanted(key))]
        with ThreadPoolExecutor(self.choices.jobs, thread_name_prefix="publish") as pool:
            running: dict[Future[ZoneResult | Plan], ZoneGroup] = {}
            try:
                if self.provider.capabilities.writes:
                    running = self._begin(pool, wanted)
                else:
                    self._by_hand(wanted)
                self._until_done(running)
            except KeyboardInterrupt:
                self._interrupt(pool, running, wanted)
        return tuple(self.publications.values())

    # --- what is wanted

    def _wanted(self, key: Key) -> Wanted | None:
        ttl = self.choices.ttl or self.settings.domain(key.domain).ttl
        least = self.provider.capabilities.minimum_ttl
        if ttl is not None and ttl < least:
            raise UsageError(f"a ttl of {ttl} s is below what {self.provider.name} takes", hint=f"use at least {least}")
        try:
            wanted = wanted_for(self.store, key, ttl)
        except DkimctlError as error:
            name = f"{key.selector} of {key.domain}"
            self._tell(Publication(key.domain, key.selector, name, self.provider.name, Outcome.FAILED, error=error))
            return None
        self.keys[wanted.name] = key
        return wanted

    @property
    def _waits(self) -> bool:
        wish = self.choices.wait
        return not self.choices.dry_run and (self.provider.capabilities.serves if wish is None else wish)

    def _by_hand(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            self._tell(self._publication(one, Outcome.BY_HAND))
            if self._waits:
                self._await(one)

    # --- zones, in parallel

    def _begin(self, pool: ThreadPoolExecutor, wanted: Sequence[Wanted]) -> dict[Future[ZoneResult | Plan], ZoneGroup]:
        groups, homeless = group_by_zone(wanted, self.settings, self.provider, ask_dns=self._waits, mapper=pool.map)
        for one, error in homeless:
            self._tell(self._publication(one, Outcome.FAILED, error=error))
        return {pool.submit(self._do_zone, group): group for group in groups}

    def _do_zone(self, group: ZoneGroup) -> ZoneResult | Plan:
        if isinstance(self.clock, StoppableClock) and self.clock.is_stopped:
            raise Interrupted("interrupted")
        foreign = self.choices.replace
        planned = plan(self.provider, group.zone, group.wanted, replace_foreign=foreign)
        if self.choices.dry_run:
            return planned
        if count := len(planned.changes):
            self.report(Progress(group.zone, f"{count} change{'s' if count > 1 else ''} to make"))
        return apply(self.provider, planned, clock=self.clock, replace_foreign=foreign)

    def _until_done(self, running: dict[Future[ZoneResult | Plan], ZoneGroup]) -> None:
        while running or self.waiting:
            done, _ = wait(running, timeout=0 if self.waiting else None, return_when=FIRST_COMPLETED)
            for future in done:
                self._finish_zone(running.pop(future), future)
            self._look()
            if self.waiting:
                self.waiting.pause()

    def _finish_zone(self, group: ZoneGroup, future: "Future[ZoneResult | Plan]") -> None:
        try:
            result = future.result()
        except DkimctlError as error:
            for one in group.wanted:
                self._tell(self._publication(one, Outcome.FAILED, zone=group.zone, error=error))
            return
        if isinstance(result, Plan):
            for planned in result.names:
                self._finish_plan(result.zone, planned)
            return
        if not result.activated:
            self.quiet_zones[result.zone] = result.is_active
        for name in result.names:
            self._finish_name(result, name)

    def _finish_plan(self, zone: str, planned: NamePlan) -> None:
        outcome = Outcome.FAILED if planned.refusal else Outcome.PLANNED
        self._tell(
            self._publication(
                planned.wanted,
                outcome,
                zone=zone,
                existing=planned.existing,
                changes=planned.changes,
                error=planned.refusal,
            )
        )

    def _finish_name(self, result: ZoneResult, name: NameResult) -> None:
        """Its record stands at the provider, or there is an error."""
        outcome = Outcome.FAILED if name.error else Outcome.PUBLISHED if name.changes else Outcome.UNCHANGED
        publication = self._publication(
            name.wanted,
            outcome,
            zone=result.zone,
            existing=name.existing,
            changes=name.changes,
            activated=result.activated,
            error=name.error,
        )
        self.publications[name.wanted.name] = publication
        if name.error:
            self._tell(publication)
            return
        if not self._waits:
            self._make_effective(name.wanted, only_if=(None,))
            self._reached(name.wanted, Phase.PUBLISHED)
            self._tell(self.publications[name.wanted.name])
            return
        if self._reached(name.wanted, Phase.PUBLISHED):
            if name.changes:
                self.report(Progress(name.wanted.name, "written, read back and equal; waiting for the name servers"))
            self._await(name.wanted)
        else:
            self._tell(self.publications[name.wanted.name])

    # --- name servers

    def _await(self, wanted: Wanted) -> None:
        self.waiting.add(wanted, target_for(wanted, self.keys[wanted.name]))

    def _look(self) -> None:
        for wanted, seen, served in self.waiting.look(self._unserved) if self.waiting else ():
            servers = sum(answer.has_answered for answer in seen.answers)
            error = None if served else not_served(wanted, seen, self.choices.timeout)
            self._update(wanted, served=served, servers=servers, error=error)
            if served:
                self._reached(wanted, Phase.PUBLISHED)
                self._reached(wanted, Phase.VERIFIED)
            self._tell(self.publications[wanted.name])

    def _unserved(self, wanted: Wanted, seen: "Report") -> None:
        """Not yet there: when this run has made nothing effective, an earlier one may have died before it did."""
        from dkimctl.verify.report import Verdict

        self._make_effective(wanted, only_if=(None,) if seen.verdict is Verdict.UNKNOWN else (None, True))
        right = sum(answer.texts == (wanted.record.text,) for answer in seen.answers)
        self.report(Progress(wanted.name, f"served by {right} of {len(seen.answers)} name servers so far"))

    def _make_effective(self, wanted: Wanted, *, only_if: tuple[bool | None, ...]) -> None:
        zone = self.publications[wanted.name].zone
        if zone not in self.quiet_zones or self.quiet_zones[zone] not in only_if:
            return
        del self.quiet_zones[zone]
        try:
            self.provider.activate(zone)
        except DkimctlError as error:
            self._update(wanted, error=error)
        else:
            self._update(wanted, activated=True)

    # --- Ctrl-C

    def _interrupt(
        self,
        pool: ThreadPoolExecutor,
        running: dict[Future[ZoneResult | Plan], ZoneGroup],
        wanted: Sequence[Wanted],
    ) -> None:
        """Begin nothing more, wake who waits, let the zones in hand come to their end, and say how far each is."""
        self.report(Progress("interrupted", "the zones in hand come to their end; Ctrl-C again stops at once"))
        if isinstance(self.clock, StoppableClock):
            self.clock.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        for future, group in running.items():
            if not future.cancelled():
                self._finish_zone(group, future)
        for one in wanted:
            if one.name not in self.publications:
                self._tell(self._publication(one, Outcome.NOT_BEGUN, error=Interrupted("interrupted before it began")))
            elif one.name in self.waiting:
                self._update(
                    one, error=Interrupted(f"{one.name}: interrupted before the name servers were seen to serve it")
                )
                self._tell(self.publications[one.name])

    # --- results

    def _update(self, wanted: Wanted, **changes: Any) -> None:
        self.publications[wanted.name] = replace(self.publications[wanted.name], **changes)

    def _reached(self, wanted: Wanted, phase: Phase) -> bool:
        """Note the phase beside the key; False when that failed."""
        publication = self.publications[wanted.name]
        if publication.error:
            return False
        try:
            self.keys[wanted.name] = reach(
                self.store, self.keys[wanted.name], phase, self.clock.now(), provider=self.provider.name
            )
        except DkimctlError as error:
            self._update(wanted, outcome=Outcome.FAILED, error=error)
            return False
        return True

    def _publication(
        self,
        wanted: Wanted,
        outcome: Outcome,
        *,
        zone: str = "",
        existing: tuple[ProviderRecord, ...] = (),
        changes: tuple[Change, ...] = (),
        activated: bool = False,
        error: DkimctlError | None = None,
    ) -> Publication:
        return Publication(
            domain=wanted.domain,
            selector=wanted.selector,
            name=wanted.name,
            provider=self.provider.name,
            outcome=outcome,
            zone=zone,
            text=wanted.record.text,
            existing=existing,
            changes=changes,
            activated=activated,
            error=error,
        )

    def _tell(self, publication: Publication) -> None:
        self.publications[publication.name] = publication
        self.report(publication)


def publish_at_each(
    settings: Settings,
    store: KeyStore,
    named: str | None,
    keys: Sequence[Key],
    choices: Choices = Choices(),
    *,
    clock: Clock = SYSTEM_CLOCK,
    report: Callable[[Event], None] = lambda _: None,
) -> tuple[Publication, ...]:
    """The same for keys whose domains may be at different providers: the named one, else as configured.

    Every provider is opened before the first change. Raises UsageError when a domain has no provider, ConfigError.
    """
    by_provider: dict[str, list[Key]] = {}
    for key in keys:
        by_provider.setdefault(_provider_for(key.domain, named, settings), []).append(key)
    providers = {text: open_provider(text, settings, clock) for text in by_provider}
    found: list[Publication] = []
    for text, its_keys in by_provider.items():
        found += publish(settings, store, providers[text], its_keys, choices, clock=clock, report=report)
    return tuple(found)


def _provider_for(domain: str, named: str | None, settings: Settings) -> str:
    text = named or settings.domain(domain).provider or settings.provider
    if text is None:
        raise UsageError(
            f"no provider is named for {domain}",
            hint=f"add --provider, one of: {', '.join(provider_names())}; or set provider = in the configuration",
        )
    return text
