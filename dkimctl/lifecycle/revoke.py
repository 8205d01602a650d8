"""`revoke`: a key that others may hold is taken out of use, then out of DNS; margins are skipped, proof never is.

Repeating it is safe. A revoked key never signs again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.due import Report
from dkimctl.lifecycle.effects import Effects
from dkimctl.lifecycle.facts import Leak
from dkimctl.lifecycle.notes import at_text, instant, read_leak, read_on_relay, read_record, with_leak
from dkimctl.lifecycle.planning import Do
from dkimctl.lifecycle.queue import count_from, queued_mail
from dkimctl.lifecycle.rotate import rotate
from dkimctl.lifecycle.steps import Rotated, RotationStep, StepOutcome

Run = Callable[[Sequence[str], Collection[str], Report], Rotated]
"""Does what is due for these domains; the rotation of the second ones begins."""
_PAUSE = 5.0  # seconds between two looks at the name servers
_CACHED = 86400  # seconds; assumed for a record whose TTL was never seen


@dataclass(frozen=True, slots=True)
class Exposed:
    """One leaked key, and until when what was signed with it may still be believed."""

    domain: str
    selector: str
    revoked: bool
    """True when no name server gives the key any more."""
    until: str | None
    """When the last resolver has forgotten the record: RFC 3339, UTC. None while it is still served."""
    is_assumed: bool = False
    """True when the record's TTL was never seen, and a day is taken for it."""
    queued: int | None = None
    """Messages in Postfix's queue that the key may have signed, by the senders of their envelopes; None: not known."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The result of a revocation."""

    rotated: Rotated
    exposed: tuple[Exposed, ...]

    @property
    def exit_code(self) -> int:
        """3 while a leaked key is still served, else the worst of the steps."""
        unfinished = 0 if all(one.revoked for one in self.exposed) else 3
        return max(self.rotated.exit_code, unfinished)


def revoke(
    settings: Settings,
    store: LifecycleStore,
    keys: Sequence[Key],
    leak: Leak,
    *,
    clock: Clock,
    at_once: bool = False,
    timeout: float = 600.0,
    report: Report = lambda _: None,
    run: Run | None = None,
) -> Revocation:
    """Take these keys out of use and out of DNS.

    `at_once`: their records are emptied first, although mail signed with them fails from then on. `timeout`: seconds to
    wait for the name servers; after that the same command goes on. `run`: rotates the keys of a fleet, whose relays are
    not waited for; None: those of this host. Raises as `rotate`, and what a provider raises.
    """
    if run is None and not settings.is_live:
        raise UsageError("no daemon belongs to a tree below --root", hint="run it on the host itself")
    for key in keys:
        store.note(key, lambda metadata: with_leak(metadata, leak, instant(clock.now())))
    if at_once:
        effects = Effects(settings, store, clock, report)
        for key in keys:
            is_new = read_record(key.metadata, instant(clock.now())).revoked is None
            proof = effects.empty(key)
            if is_new:
                report(RotationStep(key.domain, key.selector, Do.REVOKE, StepOutcome.DONE, proof))
    domains = list(dict.fromkeys(key.domain for key in keys))
    deadline = clock.monotonic() + timeout
    while True:
        begin = _signing(settings, store, keys, is_fleet=run is not None)  # what replaced them goes on signing
        if run is not None:
            rotated = run(domains, begin, report)
        else:
            rotated = rotate(settings, store, domains, clock=clock, begin=begin, report=report)
        exposed = tuple(_exposed(store, key, instant(clock.now())) for key in keys)
        if all(one.revoked for one in exposed) or clock.monotonic() + _PAUSE > deadline:
            if run is not None:  # the relays' queues are not known here
                return Revocation(rotated, exposed)
            return Revocation(rotated, _with_queue(settings, store, keys, exposed, instant(clock.now())))
        clock.sleep(_PAUSE)


def _signing(settings: Settings, store: LifecycleStore, keys: Sequence[Key], *, is_fleet: bool) -> list[str]:
    """Return the domains that sign with one of these keys."""
    if is_fleet:
        found = [key for key in keys if not _is_replaced(store, key)]
    else:
        installed = installed_keys(settings)
        found = [key for key in keys if (key.domain, key.selector) in installed]
    return list(dict.fromkeys(key.domain for key in found))


def _is_replaced(store: LifecycleStore, key: Key) -> bool:
    """Return True when a key that is not leaked is active in its place."""
    others = (one for one in store.keys(key.domain) if one.metadata.algorithm == key.metadata.algorithm)
    return any(one.phase is Phase.ACTIVE and not read_leak(one.metadata) for one in others)


def _with_queue(
    settings: Settings, store: LifecycleStore, keys: Sequence[Key], exposed: Sequence[Exposed], now: int
) -> tuple[Exposed, ...]:
    """Return the same, with how many messages in the queue each key may have signed."""
    mails = queued_mail(settings)
    if mails is None:
        return tuple(exposed)
    found = []
    for key, one in zip(keys, exposed, strict=True):
        current = store.find(key.name)
        left = read_on_relay(current.metadata, now).left if current else None
        found.append(replace(one, queued=count_from(key.domain, mails, left)))
    return tuple(found)


def _exposed(store: LifecycleStore, key: Key, now: int) -> Exposed:
    current = store.find(key.name)
    if current is None:
        return Exposed(key.domain, key.selector, revoked=True, until=None)
    record = read_record(current.metadata, now)
    if record.gone is None:
        return Exposed(key.domain, key.selector, revoked=False, until=None)
    until = at_text(record.gone + (record.ttl or _CACHED))
    return Exposed(key.domain, key.selector, revoked=True, until=until, is_assumed=not record.ttl)
