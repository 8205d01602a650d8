"""From a provider's name to the provider: built-in ones, and those of other packages."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, UsageError
from dkimctl.names import printable
from dkimctl.providers.base import Provider, ProviderFactory, ProviderSetup

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
"""The entry points of this package, here too so that it works from a source tree; a test compares them."""


def open_provider(text: str, settings: Settings, clock: Clock) -> Provider:
    """The provider called `NAME` or `NAME:ARGUMENT`, as `--provider` and the configuration name it.

    Raises UsageError for an unknown name, ConfigError for a mistake in its settings or credentials.
    """
    name, _, argument = text.partition(":")
    factory = _factory(name)
    return factory(ProviderSetup(argument, settings.providers.get(name, {}), settings, clock))


def provider_names() -> list[str]:
    """Every name that `open_provider` knows, sorted."""
    return sorted({*BUILT_IN, *_entry_points().names})


def _factory(name: str) -> ProviderFactory:
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        built_in: ProviderFactory = getattr(import_module(module), attribute)
        return built_in
    for point in _entry_points().select(name=name):
        return _loaded(name, point.load)
    raise UsageError(
        f"unknown provider: {printable(name)}", hint=f"known here: {', '.join(provider_names())} (zonefile:PATH)"
    )


def _loaded(name: str, load: Callable[[], ProviderFactory]) -> ProviderFactory:
    try:
        return load()
    except Exception as error:  # whatever another package's import may raise
        raise ConfigError(
            f"the provider {name} cannot be loaded: {type(error).__name__}: {error}",
            hint="reinstall the package that brings it, or remove it",
        ) from error


def _entry_points() -> "EntryPoints":
    from importlib.metadata import entry_points  # reads every installed package's metadata

    return entry_points(group=GROUP)
