"""`delete`: a key that is not needed, or a whole domain: out of the tables, then out of DNS, then off the disk.

delete(settings, store, domain) → steps. The key that signs goes only when told so, and no key before its mail is
through, unless told so. Each step is found done when the command is repeated. Of a whole domain it is noted that it is
deleted, and `rotate` takes away in its time what could not go at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from dkimctl.clock import Clock, timestamp
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, Refused, UsageError, shell_word
from dkimctl.files import locked
from dkimctl.install.switch import reload_again
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.account import open_account, provider_of
from dkimctl.lifecycle.deletion import needed_until
from dkimctl.lifecycle.due import Report
from dkimctl.lifecycle.facts import HERE, KeyFacts
from dkimctl.lifecycle.gather import DELETED, Gathered, Machine, gather, left_relay
from dkimctl.lifecycle.machine import STATE_DIRECTORY, make_state_directory, read_machine
from dkimctl.lifecycle.notes import at_text, instant, with_on_relay
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.steps import Ending, RotationStep, StepOutcome
from dkimctl.lifecycle.switching import stop
from dkimctl.publish.withdraw import remove_record


class Consent(NamedTuple):
    """What else than an unused key may be taken away."""

    stop_signing: bool = False
    """A key that signs: mail goes out unsigned from then on."""
    under_way: bool = False
    """A key whose mail may be under way: it fails from then on."""


UNUSED_ONLY = Consent()


def delete(
    settings: Settings,
    store: LifecycleStore,
    domain: str,
    selector: str | None = None,
    *,
    consent: Consent = UNUSED_ONLY,
    dry_run: bool = False,
    clock: Clock,
    report: Report = lambda _: None,
    relays: Relays | None = None,
) -> tuple[RotationStep, ...]:
    """Delete a key, or all of a domain; nothing is left to do where that was done already.

    `relays`: those of a fleet, which sign instead of this host; they are told to stop, and confirm it later.

    Raises UsageError when there is no such key, Refused for one that needs a word, and what a switch of the signer and
    a provider raise: what was not done yet is then as it was.
    """
    run = _Run(settings, store, domain, selector, consent, clock, report, relays)
    if dry_run:
        planned = tuple(run.plan())
        for step in planned:
            report(step)
        return planned
    make_state_directory(settings)
    with locked(settings.at(STATE_DIRECTORY), clock=clock):
        run.work()
    return tuple(run.steps)


def finish(
    settings: Settings, store: LifecycleStore, domain: str, *, clock: Clock, relays: Relays | None = None
) -> tuple[RotationStep, ...]:
    """Take away what is due of a deleted domain; `rotate` calls it, and holds its lock. Raises as `delete`."""
    run = _Run(settings, store, domain, None, Consent(stop_signing=True), clock, relays=relays)
    run.work()
    return tuple(run.steps)


@dataclass(slots=True)
class _Run:
    settings: Settings
    store: LifecycleStore
    domain: str
    selector: str | None
    consent: Consent
    clock: Clock
    report: Report = lambda _: None
    relays: Relays | None = None
    steps: list[RotationStep] = field(default_factory=list)

    def plan(self) -> Iterator[RotationStep]:
        """Yield what would be done."""
        machine, found, chosen = self._look()
        self._check(machine, found, chosen)
        for facts in chosen:
            if self._signs(found, facts):
                yield self._step(facts, Ending.STOP, StepOutcome.PLANNED, "no mail is signed with it any more")
        for facts in chosen:
            leaves = facts._replace(relays={}) if self._signs(found, facts) and self.consent.under_way else facts
            if wait := self._wait(machine, leaves):
                yield wait
                continue
            yield from self._planned_end(found.keys[facts.id])
        for key in self._lost(found):
            yield from self._planned_end(key)

    def _planned_end(self, key: Key) -> Iterator[RotationStep]:
        proofs = {Do.REMOVE: "its record is removed, its absence read back", Do.PURGE: f"{key.path} is removed"}
        for action, proof in proofs.items():
            if action is Do.PURGE or _has_record(key):
                yield RotationStep(self.domain, key.selector, action, StepOutcome.PLANNED, proof)

    def work(self) -> None:
        """Do it."""
        machine, found, chosen = self._look()
        self._check(machine, found, chosen)
        used = [facts for facts in chosen if self._signs(found, facts)]
        if self.selector is None and chosen:
            self._note(timestamp(self.clock.now()))
        if used:
            self._stop(found, used)
            machine, found, chosen = self._look()
        if self.relays is None:  # a fleet's relays say themselves when none of them may sign with it any more
            found, chosen = self._note_left(machine, found, chosen, was_stopped=bool(used))
        waits = [wait for facts in chosen if (wait := self._wait(machine, facts))]
        waiting = {wait.selector for wait in waits}
        for facts in chosen:
            if facts.selector not in waiting:
                self._take_away(found.keys[facts.id])
        for key in self._lost(found):
            self._take_away(key)
        for wait in waits:
            self._say(wait)
        if self.selector is None and not waits:
            self._note(None)

    # --- guards

    def _look(self) -> tuple[Machine, Gathered, Sequence[KeyFacts]]:
        """Return the facts about the keys to delete. Raises UsageError when there is none, and never was one."""
        machine = read_machine(self.settings, self._now, self.relays)
        found = gather(self.settings, self.store, self.domain, machine, self._now)
        chosen = [facts for facts in found.facts.keys if self.selector in (None, facts.selector)]
        if not (chosen or self._lost(found) or self._was_deleted()):
            raise UsageError(
                f"{self.domain} has no key {self.selector or ''}".rstrip(),
                hint=f"see its keys: dkimctl status {shell_word(self.domain)}",
            )
        return machine, found, chosen

    def _check(self, machine: Machine, found: Gathered, chosen: Sequence[KeyFacts]) -> None:
        """Raise Refused for a key that must not go."""
        for facts in chosen:
            self._guard(machine, found, facts)
        lost = self._lost(found)
        if any(key.phase is Phase.ACTIVE or (key.domain, key.selector) in machine.installed for key in lost):
            raise Refused(
                f"the private key of a key of {self.domain} is gone, but mail signed with it may be under way",
                hint="dkimctl rotate says what to do, and takes its record away once that mail is through",
            )

    def _lost(self, found: Gathered) -> list[Key]:
        """Return the keys whose private key is gone although they were not taken out of use."""
        return [key for key in found.lost if self.selector in (None, key.selector)]

    def _was_deleted(self) -> bool:
        """Return True when there was such a key."""
        return any(self.selector in (None, key.selector) for key in self.store.purged(self.domain))

    def _signs(self, found: Gathered, facts: KeyFacts) -> bool:
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
        domain, key, signs = shell_word(self.domain), found.keys[facts.id], self._signs(found, facts)
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
        if self.selector and not signs and self._wait(machine, facts):
            raise Refused(
                f"mail signed with the key {key.selector} of {key.domain} may be under way",
                hint="dkimctl rotate takes it away when that is through; a leaked key: dkimctl revoke",
            )
        if _has_record(key) and provider_of(self.settings, self.domain, [key]) in (None, "manual"):
            raise Refused(
                f"the record of {key.selector} of {key.domain} is kept by hand",
                hint=f"remove it there first; see whether it is gone: dkimctl verify-dns {domain}",
            )

    def _wait(self, machine: Machine, facts: KeyFacts) -> RotationStep | None:
        """Return what a key waits for before it may be taken away; None when nothing needs it."""
        under_way = self.consent.under_way
        wait = needed_until(self.settings, self.domain, machine, facts, self._now, under_way=under_way)
        if wait is None:
            return None
        step = self._step(facts, Do.REMOVE, StepOutcome.WAITS, wait.on)
        return step if wait.until is None else replace(step, until=at_text(wait.until))

    # --- effects

    def _stop(self, found: Gathered, used: Sequence[KeyFacts]) -> None:
        if self.relays is not None:
            self.relays.stop([found.keys[facts.id] for facts in used], self.clock.now())
            for facts in used:
                self._say(self._step(facts, Ending.STOP, StepOutcome.DONE, "the relays stop with their next sync"))
            return
        try:
            stop(self.settings, self.store, frozenset((self.domain, key.selector) for key in used), clock=self.clock)
        except DkimctlError:
            if self.selector is None:
                self._note(None)
            raise
        for facts in used:
            key = found.keys[facts.id]
            if key.phase is not Phase.RETIRING:
                self.store.advance(key, Phase.RETIRING, self.clock.now(), note="signs no more")
            self._say(self._step(facts, Ending.STOP, StepOutcome.DONE, "the signer signs with it no more"))

    def _note_left(
        self, machine: Machine, found: Gathered, chosen: Sequence[KeyFacts], *, was_stopped: bool
    ) -> tuple[Gathered, Sequence[KeyFacts]]:
        """Note which connections may still sign with keys that the tables do not name, or that none can any more."""
        unsure = [facts for facts in chosen if facts.has_signed and not facts.is_used and facts.left is None]
        if not unsure:
            return found, chosen
        if self.settings.is_live and not was_stopped and not all(facts.relays[HERE].pinned for facts in unsure):
            reload_again(self.settings)  # a run that was killed may not have told the daemon
        for facts in unsure:
            relay = left_relay(facts.relays[HERE], machine, self._now)
            self.store.note(found.keys[facts.id], partial(with_on_relay, facts=relay))
        _, found, chosen = self._look()
        return found, chosen

    def _take_away(self, key: Key) -> None:
        if _has_record(key):
            account = open_account(self.settings, self.domain, [key], self.clock)
            if not self.store.holds(key):  # in this phase its record is known without its private key
                key = self.store.advance(key, Phase.REVOKED, self.clock.now(), note="its private key is gone")
            proof = remove_record(self.settings, self.store, account, key)
            self._say(RotationStep(self.domain, key.selector, Do.REMOVE, StepOutcome.DONE, proof))
        key = self.store.note(key, lambda known: known.in_phase(Phase.PURGED, self.clock.now(), "deleted"))
        self.store.purge(key)
        proof = f"{key.path} was removed"
        self._say(RotationStep(self.domain, key.selector, Do.PURGE, StepOutcome.DONE, proof))

    # --- words

    @property
    def _now(self) -> int:
        return instant(self.clock.now())

    def _note(self, since: str | None) -> None:
        noted: Mapping[str, object] = {DELETED: since}
        self.store.note_domain(self.domain, **noted)

    def _step(self, facts: KeyFacts, action: Do | Ending, outcome: StepOutcome, proof: str) -> RotationStep:
        return RotationStep(self.domain, facts.selector, action, outcome, proof)

    def _say(self, step: RotationStep) -> None:
        self.steps.append(step)
        self.report(step)


def _has_record(key: Key) -> bool:
    """Return True unless the record was never published, or was removed before its phase became PURGED."""
    if key.phase is Phase.PURGED:
        return False
    return key.phase is not Phase.GENERATED or bool(key.metadata.provider)
