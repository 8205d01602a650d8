"""Providers of other packages: whatever they raise or forget ends as an error that names them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from dkimctl.errors import ApiError, ConfigError, DkimctlError
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
    """Another package's provider cannot be loaded. That is no mistake in the configuration of the others."""


class UnloadableProvider:
    """Stands for one where others are to go on: whatever is asked of it raises the reason."""

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
    """The provider that another package brings. Raises Unloadable when it cannot be loaded or made."""
    try:
        return IsolatedProvider(load()(setup))
    except DkimctlError:
        raise
    except (Exception, SystemExit) as error:  # whatever another package may raise
        raise Unloadable(
            f"the provider {name} cannot be loaded: {_words(error)}",
            hint="reinstall the package that brings it, or remove it; the other providers work without it",
        ) from error


class IsolatedProvider:
    """Another package's provider, so that its faults are its own and stop no other zone."""

    def __init__(self, provider: Provider) -> None:
        """Raises AttributeError when it has no name or no capabilities."""
        self.name: str = provider.name
        self.capabilities: Capabilities = provider.capabilities
        self._provider = provider

    def zone_of(self, name: str) -> str:
        """As the provider says."""
        return self._ask(lambda: self._provider.zone_of(name))

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """What the provider found; a name that it left out is empty."""
        found = self._ask(lambda: self._provider.find(zone, names))
        return self._ask(lambda: {name: tuple(found.get(name, ())) for name in names})

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """As the provider does."""
        self._ask(lambda: self._provider.apply(zone, changes))

    def activate(self, zone: str) -> None:
        """As the provider does."""
        self._ask(lambda: self._provider.activate(zone))

    def is_active(self, zone: str) -> bool | None:
        """As the provider says."""
        return self._ask(lambda: self._provider.is_active(zone))

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """As the provider says; empty when it does not know."""
        provider = self._provider
        return self._ask(lambda: provider.name_servers(zone)) if isinstance(provider, KnowsNameServers) else ()

    def _ask(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except DkimctlError:
            raise
        except (Exception, SystemExit) as error:
            raise ApiError(
                f"the provider {self.name} failed: {_words(error)}",
                hint="run it again; if it stays, tell those who made that provider: it is no part of dkimctl",
            ) from error


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {printable(str(error), 160)}"
