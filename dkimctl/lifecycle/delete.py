"""`delete`: a key that never signed, or a domain that does not sign any more, out of DNS and off the disk."""

from collections.abc import Sequence

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, UsageError, shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.account import open_account, provider_of
from dkimctl.lifecycle.effects import Report
from dkimctl.lifecycle.gather import gather
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.notes import instant
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.policy import policy_for
from dkimctl.lifecycle.steps import RotationStep, StepOutcome
from dkimctl.publish.withdraw import remove_record


def unused_keys(
    settings: Settings, store: LifecycleStore, domain: str, selector: str | None, clock: Clock
) -> tuple[Key, ...]:
    """Return the keys that may be deleted: the named one, or all of the domain.

    Raises UsageError when there is none, Refused for a key that signs, or whose mail may be under way.
    """
    now = instant(clock.now())
    machine = read_machine(settings, now)
    found = gather(settings, store, domain, machine, now)
    keep = policy_for(settings, domain).keep_after
    chosen = [facts for facts in found.facts.keys if selector in (None, facts.selector)]
    lost = [key for key in store.lost(domain) if selector in (None, key.selector)]
    if any(key.phase is Phase.ACTIVE or (domain, key.selector) in machine.installed for key in lost):
        raise Refused(
            f"the private key of {lost[0].selector} of {domain} is gone, but mail signed with it may be under way",
            hint="dkimctl rotate says what to do, and takes its record away once that mail is through",
        )
    if not (chosen or lost):
        raise UsageError(
            f"{domain} has no key {selector or ''}".rstrip(), hint=f"see its keys: dkimctl status {shell_word(domain)}"
        )
    for facts in chosen:
        if found.keys[facts.id].metadata.path:
            raise Refused(
                f"{facts.selector} of {domain} was taken over, and its files are not dkimctl's to remove",
                hint="remove its record and its file by hand, then its .json in the key directory",
            )
        if facts.is_used:
            raise Refused(
                f"{facts.selector} signs for {domain}: without it mail goes out unsigned",
                hint=f"replace it: dkimctl rotate --now {shell_word(domain)}",
            )
        if facts.has_signed and (facts.left is None or facts.left + keep > now):
            raise Refused(
                f"mail signed with {facts.selector} of {domain} may be under way",
                hint="dkimctl rotate takes it away when that is through; a leaked key: dkimctl revoke",
            )
    return (*(found.keys[facts.id] for facts in chosen), *lost)


def delete(
    settings: Settings, store: LifecycleStore, keys: Sequence[Key], *, clock: Clock, report: Report = lambda _: None
) -> tuple[RotationStep, ...]:
    """Remove the record of each of these keys, read its absence back, and only then the private key.

    Raises what the provider raises, Refused where another record is at the name: the key is then left as it was.
    """
    steps = []
    for key in keys:
        if key.phase is not Phase.GENERATED or key.metadata.provider:
            if provider_of(settings, key.domain, [key]) in (None, "manual"):
                raise Refused(
                    f"the record of {key.selector} of {key.domain} is kept by hand",
                    hint=f"remove it there first; see whether it is gone: dkimctl verify-dns {shell_word(key.domain)}",
                )
            account = open_account(settings, key.domain, [key], clock)
            if not store.holds(key):  # in this phase its record is known without its private key
                key = store.advance(key, Phase.REVOKED, clock.now(), note="its private key is gone")
            proof = remove_record(settings, store, account, key)
            steps.append(RotationStep(key.domain, key.selector, Do.REMOVE, StepOutcome.DONE, proof))
            report(steps[-1])
        store.advance(key, Phase.PURGED, clock.now(), note="deleted")
        store.purge(key)
        proof = f"{key.path} was removed"
        steps.append(RotationStep(key.domain, key.selector, Do.PURGE, StepOutcome.DONE, proof))
        report(steps[-1])
    return tuple(steps)
