"""Isolation of other packages' providers: their exceptions and omissions become errors that name the provider."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from dkimctl.errors import ApiError, ConfigError, DkimctlError, reason
from dkimctl.names import printable
from dkimctl.providers.base import (
    Capabilities,
    Change,
    Found,
    KnowsNameServers,
    Provider,
    ProviderFactory,
    ProviderSetup,
)

T = TypeVar("T")


class Unloadable(ConfigError):
    """Raised when another package's provider cannot be loaded. The other providers are not affected."""


class UnloadableProvider:
    """A placeholder for a provider that cannot be loaded, so that others can go on: every call raises the reason."""

    capabilities = Capabilities(field_type="TXT")

    def __init__(self, name: str, error: Unloadable) -> None:
        self.name = name
        self._error = error

    def zone_of(self, name: str) -> str:
        """Raises Unloadable."""
        raise self._error

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Raises Unloadable."""
        raise self._error

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Raises Unloadable."""
        raise self._error

    def activate(self, zone: str) -> None:
        """Raises Unloadable."""
        raise self._error

    def is_active(self, zone: str) -> bool | None:
        """Raises Unloadable."""
        raise self._error


def open_isolated(name: str, load: Callable[[], ProviderFactory], setup: ProviderSetup) -> Provider:
    """Open a provider of another package. Raises Unloadable when it cannot be loaded or constructed."""
    try:
        return IsolatedProvider(load()(setup))
    except DkimctlError:
        raise
    except (Exception, SystemExit) as error:  # another package may raise anything
        raise Unloadable(
            f"the provider {name} cannot be loaded: {_described(error)}",
            hint="reinstall the package that contains it, or remove it; the other providers work without it",
        ) from error


class IsolatedProvider:
    """A wrapper of another package's provider: its exceptions become an ApiError and affect no other zone."""

    def __init__(self, provider: Provider) -> None:
        """Wrap a provider. Raises AttributeError when it has no name or no capabilities."""
        self.name: str = provider.name
        self.capabilities: Capabilities = provider.capabilities
        self._provider = provider

    def zone_of(self, name: str) -> str:
        """Return the zone that the provider names."""
        return self._ask(lambda: self._provider.zone_of(name))

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Return the records that the provider found; a name that it left out has none."""
        found = self._ask(lambda: self._provider.find(zone, names))
        return self._ask(lambda: {name: tuple(found.get(name, ())) for name in names})

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Let the provider apply the changes."""
        self._ask(lambda: self._provider.apply(zone, changes))

    def activate(self, zone: str) -> None:
        """Let the provider activate the zone."""
        self._ask(lambda: self._provider.activate(zone))

    def is_active(self, zone: str) -> bool | None:
        """Return the provider's answer."""
        return self._ask(lambda: self._provider.is_active(zone))

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """Return the provider's answer; empty when it does not know its name servers."""
        provider = self._provider
        return self._ask(lambda: provider.name_servers(zone)) if isinstance(provider, KnowsNameServers) else ()

    def _ask(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except DkimctlError:
            raise
        except (Exception, SystemExit) as error:
            raise ApiError(
                f"the provider {self.name} failed: {_described(error)}",
                hint="run it again; if it fails again, report it to that provider's authors: it is not part of dkimctl",
            ) from error


def _described(error: BaseException) -> str:
    words = reason(error) if isinstance(error, OSError) else str(error)
    return f"{type(error).__name__}: {printable(words, 160)}"
