"""The status of every key: its phase and since when, its kind, its age, and the next step. DNS is not asked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, shell_word
from dkimctl.findings import Finding, finding
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import Key, LifecycleStore, no_key
from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.next_step import NextStep, next_step, step_at_rest
from dkimctl.lifecycle.notes import instant
from dkimctl.lifecycle.preview import preview
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


@dataclass(frozen=True, slots=True)
class Status:
    """The status of all keys."""

    keys: tuple[KeyStatus, ...]
    """In the order of the domains; of each the oldest first."""
    keyless: tuple[Keyless, ...]
    findings: tuple[Finding, ...]
    """What could not be read, and what is to be said of the credential with which keys are published."""
    steps: tuple[NextStep, ...] = ()
    """The next step of each domain that has one."""


def status(settings: Settings, store: LifecycleStore, domains: Iterable[str], clock: Clock) -> Status:
    """Return the keys of these domains. Raises UsageError for a domain without keys that no configuration knows."""
    steps = _Steps(settings, store, clock)
    keys: list[KeyStatus] = []
    keyless: list[Keyless] = []
    findings: list[Finding] = []
    planned: list[NextStep] = []
    now = clock.now()
    for domain in domains:
        try:
            kept, _, notes = store.life(domain)
            found = tuple(_as_it_signs(key, steps.installed) for key in kept)
        except DkimctlError as error:
            findings.append(_unread(domain, error))
            continue
        if not found:
            keyless.append(_keyless(domain, settings))
        signs = any(key.phase is Phase.ACTIVE for key in found)
        for key in found:
            waits = not (signs and key.phase is Phase.VERIFIED)
            keys.append(_status(key, now, settings, waits=waits))
        try:
            step = steps.of(domain, found, notes)
        except DkimctlError as error:
            findings.append(_unread(domain, error))
            continue
        if step is not None:
            planned.append(step)
    credential = credential_findings(settings, store, clock)
    return Status(tuple(keys), tuple(keyless), (*findings, *credential), tuple(planned))


@dataclass
class _Steps:
    """The next step of one domain after another."""

    settings: Settings
    store: LifecycleStore
    clock: Clock

    @cached_property
    def installed(self) -> frozenset[Name]:
        """The keys that the installed configuration names; none where it cannot be read."""
        return self._machine.installed if self._machine else frozenset()

    @cached_property
    def _machine(self) -> Machine | None:
        """What a plan needs of this machine; None where it cannot be read."""
        try:
            return read_machine(self.settings, self._now)
        except DkimctlError:
            return None

    @cached_property
    def _now(self) -> int:
        return instant(self.clock.now())

    def of(self, domain: str, keys: tuple[Key, ...], notes: Mapping[str, object]) -> NextStep | None:
        """Return the next step of a domain, if a key of it signs. Raises as `preview`."""
        used = [key for key in keys if (domain, key.selector) in self.installed]
        if not used or self._machine is None:
            return None
        if len(used) == 1 and not self._machine.clock_problem and not any(notes.values()):
            step = step_at_rest(self.settings, domain, keys, used[0], self._now)
            if step is not None:
                return step
        found, policy, planned = preview(self.settings, self.store, domain, self._machine, self.clock)
        return next_step(domain, found, policy, planned, self._now)


def _unread(domain: str, error: DkimctlError) -> Finding:
    from dkimctl.catalogue.machine import UNREAD

    return finding(UNREAD, domain, error.message, fix=error.hint)


def _as_it_signs(key: Key, installed: frozenset[Name]) -> Key:
    """Return the key as active when it is proven in DNS and the installed tables name it, no matter by whom."""
    if key.phase is Phase.VERIFIED and (key.domain, key.selector) in installed:
        return key._replace(metadata=key.metadata._replace(phase=Phase.ACTIVE))
    return key


def _keyless(domain: str, settings: Settings) -> Keyless:
    if domain not in settings.domains:
        raise no_key(domain)
    return Keyless(domain, f"dkimctl genkey {shell_word(domain)}")


def _status(key: Key, now: datetime, settings: Settings, *, waits: bool) -> KeyStatus:
    known = key.metadata
    record, signing = known.facts.get("record"), known.facts.get("signing")
    option = _option(key, settings) if waits else None
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
        _next(key, option) if waits else None,
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


def _since(known: Metadata) -> str | None:
    return _reached(known, known.phase)


def _reached(known: Metadata, phase: Phase) -> str | None:
    """Return when the key last came into a phase."""
    return next((change.at for change in reversed(known.history) if change.phase is phase), None)


def _noted(facts: object, name: str) -> str | None:
    at = facts.get(name) if isinstance(facts, Mapping) else None
    return at if isinstance(at, str) else None


def _option(key: Key, settings: Settings) -> str | None:
    """Return the provider that a command for this key has to name."""
    return None if settings.provider_for(key.domain) else key.metadata.provider


def _next(key: Key, option: str | None) -> str | None:
    if key.phase not in _COMMANDS:
        return None
    named = f" --provider {shell_word(option)}" if option else ""
    return f"dkimctl {_COMMANDS[key.phase]} {shell_word(key.domain)}{named}"


_COMMANDS = {Phase.GENERATED: "publish", Phase.PUBLISHED: "publish", Phase.VERIFIED: "setup"}


def as_typed(status: Status, typed: Callable[[str], str]) -> Status:
    """Return the status with every command in it as `typed` completes it, so that it runs as it is printed."""
    keys = tuple(replace(key, next=typed(key.next)) if key.next else key for key in status.keys)
    keyless = tuple(replace(one, next=typed(one.next)) for one in status.keyless)
    findings = tuple(replace(one, fix=typed(one.fix)) for one in status.findings)
    steps = tuple(replace(one, waits_for=typed(one.waits_for)) if one.waits_for else one for one in status.steps)
    return replace(status, keys=keys, keyless=keyless, findings=findings, steps=steps)
