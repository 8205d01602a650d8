"""Publishing keys: plan, write, prove, make effective, wait for the authoritative servers, note the phase.

publish(settings, store, provider, keys) → one Publication for each key; `report` hears of each step as it is done.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyStore
from dkimctl.lifecycle.interruption import Interrupted, StoppableClock
from dkimctl.lifecycle.ledger import Ledger
from dkimctl.lifecycle.observation import Observation
from dkimctl.lifecycle.published import Choices, Event, Outcome, Progress, Publication
from dkimctl.lifecycle.waiting import Waiting
from dkimctl.lifecycle.zones import ZoneGroup, group_by_zone
from dkimctl.names import owner_name
from dkimctl.providers.base import Provider
from dkimctl.providers.registry import open_provider, provider_names
from dkimctl.publish.apply import NameResult, ZoneResult, apply
from dkimctl.publish.plan import Plan, Wanted, plan
from dkimctl.record.from_key import record_of

__all__ = ["Choices", "Event", "Outcome", "Progress", "Publication", "open_providers", "publish", "publish_at_each"]

Running = dict["Future[ZoneResult | Plan]", ZoneGroup]


def publish(
    settings: Settings,
    store: KeyStore,
    provider: Provider,
    keys: Sequence[Key],
    choices: Choices = Choices(),  # noqa: B008 - a frozen value
    *,
    clock: Clock = SYSTEM_CLOCK,
    report: Callable[[Event], None] = lambda _: None,
) -> tuple[Publication, ...]:
    """Publish the record of each key and prove it; one that fails does not stop the others.

    A key advances to `published` once its record was read back, and to `verified` once every authoritative server
    serves it. Ctrl-C lets the zones in hand come to their end; with a StoppableClock nothing waits any more.

    Raises UsageError for a ttl the provider does not take.
    """
    ledger = Ledger(store, clock, provider.name, report)
    run = _Run(settings, provider, choices, clock, ledger)
    ttls = [run.ttl_for(key) for key in keys]
    wanted = [one for key, ttl in zip(keys, ttls, strict=True) if (one := run.open(key, ttl))]
    run.work(wanted)
    return tuple(ledger.publications.values())


def publish_at_each(
    settings: Settings,
    store: KeyStore,
    named: str | None,
    keys: Sequence[Key],
    choices: Choices = Choices(),  # noqa: B008 - a frozen value
    *,
    clock: Clock = SYSTEM_CLOCK,
    report: Callable[[Event], None] = lambda _: None,
) -> tuple[Publication, ...]:
    """The same for keys whose domains may be at different providers: the named one, else as configured.

    Every provider is opened before the first change. Raises UsageError when a domain has no provider, ConfigError.
    """
    providers = open_providers([key.domain for key in keys], named, settings, clock)
    found: list[Publication] = []
    for text, provider in providers.items():
        its_keys = [key for key in keys if _provider_for(key.domain, named, settings) == text]
        found += publish(settings, store, provider, its_keys, choices, clock=clock, report=report)
    return tuple(found)


def open_providers(domains: Sequence[str], named: str | None, settings: Settings, clock: Clock) -> dict[str, Provider]:
    """The providers that these domains need, by the text that names them. Nothing is asked of them yet.

    Raises UsageError when a domain has no provider or an unknown one, ConfigError for credentials that are missing.
    """
    texts = dict.fromkeys(_provider_for(domain, named, settings) for domain in domains)
    return {text: open_provider(text, settings, clock) for text in texts}


def _provider_for(domain: str, named: str | None, settings: Settings) -> str:
    text = named or settings.domain(domain).provider or settings.provider
    if text is None:
        raise UsageError(
            f"no provider is named for {domain}",
            hint=f'add --provider NAME ({", ".join(provider_names())}), or set provider = "NAME" in the configuration',
        )
    return text


@dataclass(slots=True)
class _Run:
    """One run at one provider. Zones are changed in threads; the books and the name servers are this thread's."""

    settings: Settings
    provider: Provider
    choices: Choices
    clock: Clock
    ledger: Ledger
    observation: Observation = field(init=False)
    waits: bool = field(init=False)

    def __post_init__(self) -> None:
        wish, able = self.choices.wait, not self.provider.capabilities.next_step
        self.waits = not self.choices.dry_run and (able if wish is None else wish)
        waiting = Waiting(self.settings.lookup, self.clock, self.choices.timeout)
        self.observation = Observation(self.provider, self.ledger, waiting)

    def ttl_for(self, key: Key) -> int | None:
        """The ttl that is wanted. Raises UsageError when the provider does not take it."""
        ttl = self.choices.ttl or self.settings.domain(key.domain).ttl
        least = self.provider.capabilities.minimum_ttl
        if ttl is not None and ttl < least:
            raise UsageError(f"{self.provider.name} takes no ttl below {least} s: {ttl}", hint=f"use at least {least}")
        return ttl

    def open(self, key: Key, ttl: int | None) -> Wanted | None:
        """The record that is wanted for a key; None when the key cannot be read."""
        name = owner_name(key.selector, key.domain)
        self.ledger.open(name, key)
        try:
            record = record_of(self.ledger.store, key)
        except DkimctlError as error:
            self.ledger.fail(name, error)
            return None
        self.ledger.note(name, text=record.text)
        return Wanted(key.domain, key.selector, name, record, ttl)

    def work(self, wanted: Sequence[Wanted]) -> None:
        """Everything, until each name is told."""
        running: Running = {}
        with ThreadPoolExecutor(self.choices.jobs, thread_name_prefix="publish") as pool:
            try:
                if self.provider.capabilities.writes:
                    running |= self._begin(pool, wanted)
                else:
                    self._by_hand(wanted)
                while running or self.observation.waiting:
                    self._collect(running)
                    self.observation.look()
            except KeyboardInterrupt:
                self._interrupt(pool, running)

    # --- the provider

    def _by_hand(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            next_step = self.provider.capabilities.next_step
            self.ledger.tell(one.name, outcome=Outcome.BY_HAND, next_step=next_step)
            if self.waits:
                self.observation.begin(one)

    def _begin(self, pool: ThreadPoolExecutor, wanted: Sequence[Wanted]) -> Running:
        several = len({one.domain for one in wanted}) > 1
        ask_dns = (self.waits or several) and not self.provider.capabilities.next_step
        groups, homeless = group_by_zone(wanted, self.settings, self.provider, ask_dns=ask_dns, mapper=pool.map)
        for one, error in homeless:
            self.ledger.fail(one.name, error)
        return {pool.submit(self._change_zone, group): group for group in groups}

    def _change_zone(self, group: ZoneGroup) -> ZoneResult | Plan:
        """In a thread of the pool: all that is done at the provider for one zone."""
        if isinstance(self.clock, StoppableClock) and self.clock.is_stopped:
            raise Interrupted("interrupted before it began")
        foreign = self.choices.replace
        planned = plan(self.provider, group.zone, group.wanted, replace_foreign=foreign)
        if self.choices.dry_run:
            return planned
        return apply(self.provider, planned, clock=self.clock, replace_foreign=foreign)

    def _collect(self, running: Running) -> None:
        """The zones that have come to their end since; waits for the next one when there is nothing else to do."""
        done, _ = wait(running, timeout=0 if self.observation.waiting else None, return_when=FIRST_COMPLETED)
        for future in done:
            self._finish(running.pop(future), future)

    def _finish(self, group: ZoneGroup, future: "Future[ZoneResult | Plan]") -> None:
        try:
            result = future.result()
        except DkimctlError as error:
            for one in group.wanted:
                self.ledger.note(one.name, zone=group.zone)
                self.ledger.fail(one.name, error)
            return
        if isinstance(result, ZoneResult) and not result.activated:
            self.observation.quiet_zones[result.zone] = result.is_active
        for name in result.names:
            fields = {"zone": result.zone, "existing": name.existing, "changes": name.changes}
            self.ledger.note(name.wanted.name, **fields)
            if isinstance(name, NameResult):
                self._finish_name(name, activated=isinstance(result, ZoneResult) and result.activated)
            elif name.refusal:
                self.ledger.fail(name.wanted.name, name.refusal)
            else:
                self.ledger.tell(name.wanted.name, outcome=Outcome.PLANNED)

    def _finish_name(self, result: NameResult, *, activated: bool) -> None:
        """Its record stands at the provider, or there is an error."""
        name = result.wanted.name
        if result.error:
            return self.ledger.fail(name, result.error)
        outcome = Outcome.PUBLISHED if result.changes else Outcome.UNCHANGED
        next_step = self.provider.capabilities.next_step
        self.ledger.note(name, outcome=outcome, activated=activated, next_step=next_step)
        try:
            self.ledger.reach(name, Phase.PUBLISHED)
            if not self.waits:
                self.observation.make_effective(name, only_if=(None,))
        except DkimctlError as error:
            return self.ledger.tell(name, error=error)
        if not self.waits:
            return self.ledger.tell(name)
        if result.changes or next_step:
            then = f"now {next_step}; " if next_step else ""
            self.ledger.say(name, f"stands there, read back and equal; {then}waiting for the name servers")
        self.observation.begin(result.wanted)

    # --- Ctrl-C

    def _interrupt(self, pool: ThreadPoolExecutor, running: Running) -> None:
        """Begin nothing more, wake who waits, let the zones in hand come to their end, and say how far each name is."""
        self.ledger.say("interrupted", "the zones in hand come to their end")
        if isinstance(self.clock, StoppableClock):
            self.clock.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        for future, group in running.items():
            if not future.cancelled():
                self._finish(group, future)
        for name, publication in self.ledger.publications.items():
            if publication.outcome is Outcome.NOT_BEGUN:
                self.ledger.tell(name, error=Interrupted("interrupted before it began"))
            elif self.waits and publication.served is None and publication.error is None:
                self.ledger.tell(name, error=Interrupted("interrupted before every name server was seen to serve it"))
