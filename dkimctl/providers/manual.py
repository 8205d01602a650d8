"""The provider for services without an API: a person adds the record, dkimctl prints it and checks DNS for it."""

from collections.abc import Sequence

from dkimctl.errors import ConfigError, Refused
from dkimctl.providers.base import Capabilities, Change, Found, ProviderSetup


def open_manual(setup: ProviderSetup) -> "ManualProvider":
    """Return the provider. Raises ConfigError when it has an argument or options."""
    if setup.argument or setup.options:
        raise ConfigError("the provider manual has no settings", hint="type: --provider manual")
    return ManualProvider()


class ManualProvider:
    """A provider without an account: it finds and changes nothing."""

    name = "manual"
    capabilities = Capabilities(field_type="TXT", writes=False, next_step="add the record where the zone is kept")

    def zone_of(self, name: str) -> str:
        """Raise Refused: the zone is unknown."""
        raise _by_hand(name)

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Return no records for any name: they are unknown."""
        return dict.fromkeys(names, ())

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Raise Refused: a person makes the changes."""
        raise _by_hand(zone)

    def activate(self, zone: str) -> None:
        """Do nothing."""

    def is_active(self, zone: str) -> bool | None:
        """Return None: unknown."""
        return None


def _by_hand(name: str) -> Refused:
    return Refused(f"{name} is published by hand", hint="print the record: dkimctl publish --provider manual")
