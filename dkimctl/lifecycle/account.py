"""The account at which the records of a domain are, for every step of a key's life."""

from collections.abc import Iterable

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.keys.store import Key
from dkimctl.providers.base import Provider


def provider_of(settings: Settings, domain: str, keys: Iterable[Key]) -> str | None:
    """Return the provider of a domain: as configured, else where the last of these keys was published."""
    noted = [key.metadata.provider for key in keys if key.metadata.provider]
    return settings.provider_for(domain) or (noted[-1] if noted else None)


def provider_text(settings: Settings, domain: str, keys: Iterable[Key]) -> str:
    """Return the provider of a domain. Raises UsageError when none is known."""
    named = provider_of(settings, domain, keys)
    if named is None:
        raise UsageError(f"no provider is known for {domain}", hint='set provider = "NAME" in the configuration')
    return named


def open_account(settings: Settings, domain: str, keys: Iterable[Key], clock: Clock) -> Provider:
    """Open the provider of a domain; sends no request. Raises UsageError, ConfigError for missing credentials."""
    from dkimctl.publish.publish import open_providers  # late: `status` only asks for the name

    text = provider_text(settings, domain, keys)
    return open_providers([domain], text, settings, clock)[text]
