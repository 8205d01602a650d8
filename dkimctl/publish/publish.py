"""Publish keys: plan, write, read back, refresh, wait for the authoritative servers, record the phase.

publish(settings, store, provider, keys) → one Publication for each key; `report` is called with each step.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, Unavailable, UsageError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyName, KeyStore
from dkimctl.providers.base import Pace, Provider
from dkimctl.providers.isolation import Unloadable, UnloadableProvider
from dkimctl.providers.registry import open_provider, provider_names
from dkimctl.publish.plan_digest import PlanDigest
from dkimctl.publish.publication import Choices, Event, Progress, Publication, PublishOutcome
from dkimctl.publish.run import Run
from dkimctl.publish.stop import Stop

__all__ = [
    "Choices",
    "Event",
    "Progress",
    "Publication",
    "PublishOutcome",
    "open_providers",
    "publish",
    "publish_at_each",
    "publish_streaming",
    "unfinished",
]

Report = Callable[[Event], None]


def publish(
    settings: Settings,
    store: KeyStore,
    provider: Provider,
    keys: Sequence[Key],
    choices: Choices = Choices(),  # noqa: B008 - a frozen value
    *,
    clock: Clock = SYSTEM_CLOCK,
    stop: Stop | None = None,
    report: Report = lambda _: None,
) -> tuple[Publication, ...]:
    """Publish the record of each key and prove it; one that fails does not stop the others.

    A key advances to `published` once its record was read back, and to `verified` once every authoritative server
    serves it. On Ctrl-C, or when `stop` is requested, the zones in progress are finished and all waits end.

    Raises UsageError for a ttl that the provider does not accept.
    """
    kept = _Recorder(report)
    stop = stop or Stop()
    Run(settings, store, provider, choices, stop.clock(clock), stop, kept).work([key.name for key in keys])
    return kept.in_order_of(keys)


def publish_at_each(
    settings: Settings,
    store: KeyStore,
    named: str | None,
    keys: Sequence[Key],
    choices: Choices = Choices(),  # noqa: B008 - a frozen value
    *,
    clock: Clock = SYSTEM_CLOCK,
    stop: Stop | None = None,
    report: Report = lambda _: None,
) -> tuple[Publication, ...]:
    """Publish keys whose domains may be at different providers: the named one, else the configured ones.

    Every provider is opened before the first change. Raises UsageError when a domain has no provider, ConfigError.
    """
    kept = _Recorder(report)
    names = [key.name for key in keys]
    publish_streaming(settings, store, named, names, choices, clock=clock, stop=stop, report=kept)
    return kept.in_order_of(keys)


def publish_streaming(
    settings: Settings,
    store: KeyStore,
    named: str | None,
    names: Sequence[KeyName],
    choices: Choices,
    *,
    clock: Clock,
    report: Report,
    stop: Stop | None = None,
) -> None:
    """Publish any number of keys as `publish_at_each` does, keeping only their names in memory and no reports.

    Raises UsageError for a dry run with a plan digest, Refused when the plan has another digest, and Unavailable when
    the plan cannot be made now.
    """
    if choices.dry_run and choices.plan_digest is not None:
        raise UsageError("--dry-run and --plan-digest exclude each other", hint="use one of them")
    stop = stop or Stop()
    clock = stop.clock(clock)
    providers = open_providers((name.domain for name in names), named, settings, clock, choices.pace)
    claims: dict[str, str] = {}
    approved = None
    if choices.plan_digest is not None:
        approved = _approved(settings, store, providers, named, names, choices, clock, stop)
    for text, its_names in _by_provider(names, named, settings).items():
        Run(settings, store, providers[text], choices, clock, stop, report, claims, approved).work(its_names)


def _by_provider(names: Iterable[KeyName], named: str | None, settings: Settings) -> dict[str, list[KeyName]]:
    """Return the names of each provider. There may be one for each name, such as a zone file for each domain."""
    groups: dict[str, list[KeyName]] = {}
    for name in names:
        groups.setdefault(_provider_for(name.domain, named, settings), []).append(name)
    return groups


def unfinished(keys: Iterable[Key], choices: Choices) -> Iterator[Key]:
    """Return the keys without those that an earlier run finished."""
    started = (Phase.GENERATED, Phase.PUBLISHED) if choices.wait is not False else (Phase.GENERATED,)
    return (key for key in keys if key.phase in started)


def _approved(
    settings: Settings,
    store: KeyStore,
    providers: dict[str, Provider],
    named: str | None,
    names: Sequence[KeyName],
    choices: Choices,
    clock: Clock,
    stop: Stop,
) -> PlanDigest:
    """Make the plan again and return its digest if it is the approved one, or if nothing is left to change.

    A run that was killed before its refresh leaves nothing to change: the same command then only refreshes.
    """
    from dataclasses import replace

    now = PlanDigest()
    failed: list[Publication] = []

    def collect(event: Event) -> None:
        if isinstance(event, Publication):
            now.add(event.provider, event.zone, event.name, event.changes)
            if event.error and isinstance(event.error, Unavailable):
                failed.append(event)

    dry = replace(choices, dry_run=True)
    for text, its_names in _by_provider(names, named, settings).items():
        Run(settings, store, providers[text], dry, clock, stop, collect, {}).work(its_names)
    if stop.is_requested:
        raise KeyboardInterrupt("interrupted before anything was changed")
    if now.text == choices.plan_digest:
        return now
    if failed and failed[0].error:
        error = failed[0].error
        raise Unavailable(f"the plan cannot be made, so nothing was changed: {error.message}", hint=error.hint)
    if not now:
        return now
    raise Refused(
        f"the plan is different now, so nothing was changed: {now.text} instead of {choices.plan_digest}",
        hint="look at the new plan with --dry-run",
    )


class _Recorder:
    """Passes every event to `report`, and keeps the last publication of each key."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: dict[tuple[str, str], Publication] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Publication):
            self._last[event.domain, event.selector] = event
        self._report(event)

    def in_order_of(self, keys: Sequence[Key]) -> tuple[Publication, ...]:
        return tuple(self._last[key.domain, key.selector] for key in keys)


def open_providers(
    domains: Iterable[str],
    named: str | None,
    settings: Settings,
    clock: Clock,
    pace: Pace = Pace(),  # noqa: B008 - a frozen value
) -> dict[str, Provider]:
    """Open the providers that these domains need: the text that names each → the provider. Sends no request.

    Another package's provider that cannot be loaded fails its own domains only. Raises UsageError when a domain has no
    provider or an unknown one, ConfigError for missing credentials.
    """
    texts = dict.fromkeys(_provider_for(domain, named, settings) for domain in domains)
    opened: dict[str, Provider] = {}
    for text in texts:
        try:
            opened[text] = open_provider(text, settings, clock, pace)
        except Unloadable as error:
            if len(texts) == 1:
                raise
            opened[text] = UnloadableProvider(text, error)
    return opened


def _provider_for(domain: str, named: str | None, settings: Settings) -> str:
    text = named or settings.provider_for(domain)
    if text is None:
        raise UsageError(
            f"no provider is named for {domain}",
            hint=f'add --provider NAME ({", ".join(provider_names())}), or set provider = "NAME" in the configuration',
        )
    return text
