"""The guards of `delete`: which keys are meant, and whether each may go now, must wait, or needs a word."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, UsageError, shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.account import provider_of
from dkimctl.lifecycle.deletion import needed_until
from dkimctl.lifecycle.facts import KeyFacts
from dkimctl.lifecycle.gather import Gathered, Machine, gather
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.steps import RotationStep, StepOutcome


class Consent(NamedTuple):
    """What else than an unused key may be taken away."""

    stop_signing: bool = False
    """A key that signs: mail goes out unsigned from then on."""
    under_way: bool = False
    """A key whose mail may be under way: it fails from then on."""


UNUSED_ONLY = Consent()


@dataclass(slots=True)
class Deletable:
    """The keys that a person asks to delete. Without a selector, all of the domain."""

    settings: Settings
    store: LifecycleStore
    domain: str
    selector: str | None
    consent: Consent
    clock: Clock
    relays: Relays | None = None

    def look(self) -> tuple[Machine, Gathered, Sequence[KeyFacts]]:
        """Return the facts about the keys to delete. Raises UsageError when there is none, and never was one."""
        machine = read_machine(self.settings, self.now, self.relays)
        found = gather(self.settings, self.store, self.domain, machine, self.now)
        chosen = [facts for facts in found.facts.keys if self.selector in (None, facts.selector)]
        if not (chosen or self.lost(found) or self._was_deleted()):
            raise UsageError(
                f"{self.domain} has no key {self.selector or ''}".rstrip(),
                hint=f"see its keys: dkimctl status {shell_word(self.domain)}",
            )
        return machine, found, chosen

    def check(self, machine: Machine, found: Gathered, chosen: Sequence[KeyFacts]) -> None:
        """Raise Refused for a key that must not go."""
        for facts in chosen:
            self._guard(machine, found, facts)
        lost = self.lost(found)
        if any(key.phase is Phase.ACTIVE or (key.domain, key.selector) in machine.installed for key in lost):
            raise Refused(
                f"the private key of a key of {self.domain} is gone, but mail signed with it may be under way",
                hint="dkimctl rotate says what to do, and takes its record away once that mail is through",
            )

    def lost(self, found: Gathered) -> list[Key]:
        """Return the keys that never signed, and whose private key is gone; of others there are facts."""
        known = found.keys.values()
        return [key for key in found.lost if self.selector in (None, key.selector) and key not in known]

    def _was_deleted(self) -> bool:
        """Return True when there was such a key."""
        return any(self.selector in (None, key.selector) for key in self.store.purged(self.domain))

    def signs(self, found: Gathered, facts: KeyFacts) -> bool:
        """Return True for a key with which mail is signed, or may be at any moment, until a person ends that.

        A fleet's relays take the key that is active, and where none is, one that DNS serves. One that they were told to
        stop signing with waits for their word.
        """
        phase = found.keys[facts.id].phase
        if self.relays is None:
            return facts.is_used
        if phase is Phase.RETIRING or not facts.relays:
            return False
        others = {key.phase for key in found.keys.values() if key.metadata.algorithm == facts.algorithm}
        return facts.is_used or phase is Phase.ACTIVE or (phase is Phase.VERIFIED and Phase.ACTIVE not in others)

    def _guard(self, machine: Machine, found: Gathered, facts: KeyFacts) -> None:
        domain, key, signs = shell_word(self.domain), found.keys[facts.id], self.signs(found, facts)
        if key.metadata.path:
            raise Refused(
                f"{key.selector} of {key.domain} was taken over, and its files are not dkimctl's to remove",
                hint="remove its record and its file by hand, then its .json in the key directory",
            )
        if signs and not self.consent.stop_signing:
            raise Refused(
                f"{key.selector} signs for {key.domain}: without it mail goes out unsigned",
                hint=f"replace it: dkimctl rotate --now {domain}; or end it: dkimctl delete {domain} --stop-signing",
            )
        if self.selector and not signs and self.wait(machine, facts):
            raise Refused(
                f"mail signed with the key {key.selector} of {key.domain} may be under way",
                hint="dkimctl rotate takes it away when that is through; a leaked key: dkimctl revoke",
            )
        if has_record(key) and provider_of(self.settings, self.domain, [key]) in (None, "manual"):
            raise Refused(
                f"the record of {key.selector} of {key.domain} is kept by hand",
                hint=f"remove it there first; see whether it is gone: dkimctl verify-dns {domain}",
            )

    def wait(self, machine: Machine, facts: KeyFacts) -> RotationStep | None:
        """Return what a key waits for before it may be taken away; None when nothing needs it."""
        under_way = self.consent.under_way
        wait = needed_until(self.settings, self.domain, machine, facts, self.now, under_way=under_way)
        if wait is None:
            return None
        step = RotationStep(self.domain, facts.selector, Do.REMOVE, StepOutcome.WAITS, wait.on)
        return step if wait.until is None else replace(step, until=at_text(wait.until))

    @property
    def now(self) -> int:
        """Now, as in facts."""
        return instant(self.clock.now())


def has_record(key: Key) -> bool:
    """Return True unless the record was never published, or was removed before its phase became PURGED."""
    if key.phase is Phase.PURGED:
        return False
    return key.phase is not Phase.GENERATED or bool(key.metadata.provider)
