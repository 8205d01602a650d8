"""The provider for everybody else: a person adds the record, dkimctl says which and looks for it."""

from collections.abc import Sequence

from dkimctl.errors import ConfigError, Refused
from dkimctl.providers.base import Capabilities, Change, Found, ProviderSetup


def open_manual(setup: ProviderSetup) -> "ManualProvider":
    """The provider. Raises ConfigError when it is given anything."""
    if setup.argument or setup.options:
        raise ConfigError("the provider manual has no settings", hint="type: --provider manual")
    return ManualProvider()


class ManualProvider:
    """Holds nothing and changes nothing."""

    name = "manual"
    capabilities = Capabilities(field_type="TXT", writes=False, next_step="add the record where the zone is kept")

    def zone_of(self, name: str) -> str:
        """Unknown here. Raises Refused."""
        raise _by_hand(name)

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Nothing is known."""
        return dict.fromkeys(names, ())

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Raises Refused."""
        raise _by_hand(zone)

    def activate(self, zone: str) -> None:
        """Nothing to do."""

    def is_active(self, zone: str) -> bool | None:
        """Unknown."""
        return None


def _by_hand(name: str) -> Refused:
    return Refused(f"{name} is published by hand", hint="print the record: dkimctl publish --provider manual")
