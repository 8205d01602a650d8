"""The registry of providers: open one by its name, built-in or from another package."""

from importlib import import_module
from typing import TYPE_CHECKING

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.names import printable
from dkimctl.providers.base import Pace, Provider, ProviderFactory, ProviderSetup
from dkimctl.providers.budget import shared_budget
from dkimctl.providers.isolation import open_isolated

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "dkimctl.providers"
BUILT_IN = {
    "lexicon": "dkimctl.providers.lexicon.provider:open_lexicon",
    "ovh": "dkimctl.providers.ovh.provider:open_ovh",
    "manual": "dkimctl.providers.manual:open_manual",
    "rfc2136": "dkimctl.providers.rfc2136.provider:open_rfc2136",
    "zonefile": "dkimctl.providers.zonefile.provider:open_zone_file",
}
"""The entry points of this package, repeated here for use from a source tree; a test compares both."""


def open_provider(text: str, settings: Settings, clock: Clock, pace: Pace = Pace()) -> Provider:  # noqa: B008 - frozen
    """Open the provider `NAME` or `NAME:ARGUMENT`, as written in `--provider` and the configuration.

    Raises UsageError for an unknown name, ConfigError for a mistake in its settings or credentials.
    """
    name, _, argument = text.partition(":")
    setup = ProviderSetup(argument, settings.providers.get(name, {}), settings, clock, pace, shared_budget())
    if name in BUILT_IN:
        return _built_in(name)(setup)
    for point in _entry_points().select(name=name):
        return open_isolated(name, point.load, setup)
    raise UsageError(
        f"unknown provider: {printable(name)}",
        hint=f"known here: {', '.join(provider_names())} (lexicon:NAME, rfc2136:HOST, zonefile:PATH)",
    )


def provider_names() -> list[str]:
    """Return every name that `open_provider` knows, sorted."""
    return sorted({*BUILT_IN, *_entry_points().names})


def _built_in(name: str) -> ProviderFactory:
    module, _, attribute = BUILT_IN[name].partition(":")
    factory: ProviderFactory = getattr(import_module(module), attribute)
    return factory


def _entry_points() -> "EntryPoints":
    from importlib.metadata import entry_points  # reads every installed package's metadata

    return entry_points(group=GROUP)
