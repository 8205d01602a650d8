"""The status of every key: its phase and since when, its kind, its age, and the next step. DNS is not asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, shell_word
from dkimctl.findings import Finding, finding
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import Key, KeyReader, no_key
from dkimctl.providers.ovh.credential_check import credential_findings
from dkimctl.signers.base import Name


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The status of one key."""

    domain: str
    selector: str
    phase: Phase
    since: str | None
    """When it came into that phase: RFC 3339, UTC; None when nobody noted it."""
    algorithm: str
    bits: int
    provider: str | None
    """Where its record was published."""
    created: str | None
    """RFC 3339, UTC; None for a key that was made elsewhere."""
    age: int | None
    """Days since then."""
    next: str | None
    """The command that advances a key that does not sign yet; None for one that signs or is on standby."""


@dataclass(frozen=True, slots=True)
class Keyless:
    """A domain of the configuration that has no key."""

    domain: str
    next: str
    """The command that makes one."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of all keys."""

    keys: tuple[KeyStatus, ...]
    """In the order of the domains; of each the oldest first."""
    keyless: tuple[Keyless, ...]
    findings: tuple[Finding, ...]
    """What could not be read, and what is to be said of the credential with which keys are published."""


def status(settings: Settings, store: KeyReader, domains: Iterable[str], clock: Clock) -> Status:
    """Return the keys of these domains. Raises UsageError for a domain without keys that no configuration knows."""
    installed = _installed(settings)
    keys: list[KeyStatus] = []
    keyless: list[Keyless] = []
    findings: list[Finding] = []
    now = clock.now()
    for domain in domains:
        try:
            found = tuple(_as_it_signs(key, installed) for key in store.keys(domain))
        except DkimctlError as error:
            from dkimctl.catalogue.machine import UNREAD

            findings.append(finding(UNREAD, domain, error.message, fix=error.hint))
            continue
        if not found:
            keyless.append(_keyless(domain, settings))
        signs = any(key.phase is Phase.ACTIVE for key in found)
        for key in found:
            then = None if signs and key.phase is Phase.VERIFIED else _next(key, settings)
            keys.append(_status(key, now, then))
    return Status(tuple(keys), tuple(keyless), (*findings, *credential_findings(settings, store, clock)))


def _installed(settings: Settings) -> frozenset[Name]:
    """Return the keys that the installed configuration names; none where it cannot be read."""
    try:
        return installed_keys(settings)
    except DkimctlError:
        return frozenset()


def _as_it_signs(key: Key, installed: frozenset[Name]) -> Key:
    """Return the key as active when it is proven in DNS and the installed tables name it, no matter by whom."""
    if key.phase is Phase.VERIFIED and (key.domain, key.selector) in installed:
        return key._replace(metadata=key.metadata._replace(phase=Phase.ACTIVE))
    return key


def _keyless(domain: str, settings: Settings) -> Keyless:
    if domain not in settings.domains:
        raise no_key(domain)
    return Keyless(domain, f"dkimctl genkey {shell_word(domain)}")


def _status(key: Key, now: datetime, then: str | None) -> KeyStatus:
    known = key.metadata
    return KeyStatus(
        key.domain,
        key.selector,
        key.phase,
        _since(known),
        known.algorithm,
        known.bits,
        known.provider,
        known.created or None,
        _age(known.created, now),
        then,
    )


def _age(created: str, now: datetime) -> int | None:
    """Days; None when the moment is not known, or not written as one."""
    try:
        return (now - datetime.fromisoformat(created)).days
    except (TypeError, ValueError):
        return None


def _since(known: Metadata) -> str | None:
    return next((change.at for change in reversed(known.history) if change.phase is known.phase), None)


def _next(key: Key, settings: Settings) -> str | None:
    match key.phase:
        case Phase.GENERATED | Phase.PUBLISHED:
            noted = None if settings.provider_for(key.domain) else key.metadata.provider
            named = f" --provider {shell_word(noted)}" if noted else ""
            return f"dkimctl publish {shell_word(key.domain)}{named}"
        case Phase.VERIFIED:
            return f"dkimctl setup {shell_word(key.domain)}"
        case _:
            return None
