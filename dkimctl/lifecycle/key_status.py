"""What is said of one key: its phase and since when, its kind, its age, and the command that advances it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from dkimctl.config.settings import Settings
from dkimctl.errors import shell_word
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import Key


@dataclass(slots=True, unsafe_hash=True)  # making a frozen one takes several times as long, and there may be a million
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
    """Days since then: the age of the key material."""
    next: str | None
    """The command that advances a key that does not sign yet; None for one that signs or is on standby."""
    served: str | None = None
    """When its record was last seen at every name server: RFC 3339, UTC."""
    proven: str | None = None
    """When a message signed with it was last verified: RFC 3339, UTC."""
    option: str | None = field(default=None, repr=False)
    """The provider that `next` has to name, as no configuration does."""


@dataclass(frozen=True, slots=True)
class Keyless:
    """A domain of the configuration that has no key."""

    domain: str
    next: str
    """The command that makes one."""


def by_domain(keys: Iterable[KeyStatus]) -> Iterator[tuple[str, list[KeyStatus]]]:
    """Yield each domain with its keys, which come in the order of the domains."""
    return ((domain, list(own)) for domain, own in groupby(keys, key=attrgetter("domain")))


def key_status(key: Key, phase: Phase, now: datetime, settings: Settings, *, waits: bool) -> KeyStatus:
    """Return the status of a key that is in this phase. `waits`: it is to be brought to sign."""
    known = key.metadata
    record, signing = known.facts.get("record"), known.facts.get("signing")
    option = _option(key, settings) if waits else None
    return KeyStatus(
        key.domain,
        key.selector,
        phase,
        _reached(known, phase),
        known.algorithm,
        known.bits,
        known.provider,
        known.created or None,
        _age(known.created, now),
        _next(key, phase, option) if waits else None,
        _noted(record, "last_seen") or _reached(known, Phase.VERIFIED),
        _noted(signing, "proven") or _reached(known, Phase.ACTIVE),
        option,
    )


def _age(created: str, now: datetime) -> int | None:
    """Days; None when the moment is not known, or not written as one."""
    try:
        return (now - datetime.fromisoformat(created)).days
    except (TypeError, ValueError):
        return None


def _reached(known: Metadata, phase: Phase) -> str | None:
    """Return when the key last came into a phase."""
    for change in reversed(known.history):  # `next` of a generator takes twice as long, and there may be a million keys
        if change.phase is phase:
            return change.at
    return None


def _noted(facts: object, name: str) -> str | None:
    at = facts.get(name) if isinstance(facts, dict) else None  # as JSON
    return at if isinstance(at, str) else None


def _option(key: Key, settings: Settings) -> str | None:
    """Return the provider that a command for this key has to name."""
    return None if settings.provider_for(key.domain) else key.metadata.provider


def _next(key: Key, phase: Phase, option: str | None) -> str | None:
    if phase not in _COMMANDS:
        return None
    named = f" --provider {shell_word(option)}" if option else ""
    return f"dkimctl {_COMMANDS[phase]} {shell_word(key.domain)}{named}"


_COMMANDS = {Phase.GENERATED: "publish", Phase.PUBLISHED: "publish", Phase.VERIFIED: "setup"}
