"""`delete`: a key that is not needed, or a whole domain: out of the tables, then out of DNS, then off the disk.

delete(settings, store, domain) → steps. The key that signs goes only when told so, and no key before its mail is
through, unless told so. Each step is found done when the command is repeated. Of a whole domain it is noted that it is
deleted, and `rotate` takes away in its time what could not go at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dkimctl.clock import Clock, timestamp
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.files import locked
from dkimctl.install.switch import reload_again
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.account import open_account
from dkimctl.lifecycle.deletable import UNUSED_ONLY, Consent, Deletable, has_record
from dkimctl.lifecycle.due import Report
from dkimctl.lifecycle.facts import HERE, KeyFacts
from dkimctl.lifecycle.gather import DELETED, Gathered, Machine, left_relay
from dkimctl.lifecycle.machine import STATE_DIRECTORY, make_state_directory
from dkimctl.lifecycle.notes import with_on_relay
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.steps import Ending, RotationStep, StepOutcome
from dkimctl.lifecycle.switching import stop
from dkimctl.publish.withdraw import remove_record


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
    run = _Run(settings, store, domain, selector, consent, clock, relays, report)
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
    run = _Run(settings, store, domain, None, Consent(stop_signing=True), clock, relays)
    run.work()
    return tuple(run.steps)


@dataclass(slots=True)
class _Run(Deletable):
    report: Report = lambda _: None
    steps: list[RotationStep] = field(default_factory=list)

    def plan(self) -> Iterator[RotationStep]:
        """Yield what would be done."""
        machine, found, chosen = self.look()
        self.check(machine, found, chosen)
        for facts in chosen:
            if self.signs(found, facts):
                yield self._step(facts, Ending.STOP, StepOutcome.PLANNED, "no mail is signed with it any more")
        for facts in chosen:
            leaves = facts._replace(relays={}) if self.signs(found, facts) and self.consent.under_way else facts
            if wait := self.wait(machine, leaves):
                yield wait
                continue
            yield from self._planned_end(found.keys[facts.id])
        for key in self.lost(found):
            yield from self._planned_end(key)

    def _planned_end(self, key: Key) -> Iterator[RotationStep]:
        proofs = {Do.REMOVE: "its record is removed, its absence read back", Do.PURGE: f"{key.path} is removed"}
        for action, proof in proofs.items():
            if action is Do.PURGE or has_record(key):
                yield RotationStep(self.domain, key.selector, action, StepOutcome.PLANNED, proof)

    def work(self) -> None:
        """Do it."""
        machine, found, chosen = self.look()
        self.check(machine, found, chosen)
        used = [facts for facts in chosen if self.signs(found, facts)]
        if self.selector is None and chosen:
            self._note(timestamp(self.clock.now()))
        if used:
            self._stop(found, used)
            machine, found, chosen = self.look()
        if self.relays is None:  # a fleet's relays say themselves when none of them may sign with it any more
            found, chosen = self._note_left(machine, found, chosen, was_stopped=bool(used))
        waits = [wait for facts in chosen if (wait := self.wait(machine, facts))]
        waiting = {wait.selector for wait in waits}
        for facts in chosen:
            if facts.selector not in waiting:
                self._take_away(found.keys[facts.id])
        for key in self.lost(found):
            self._take_away(key)
        for wait in waits:
            self._say(wait)
        if self.selector is None and not waits:
            self._note(None)

    # --- effects

    def _stop(self, found: Gathered, used: Sequence[KeyFacts]) -> None:
        if self.relays is not None:
            self.relays.stop([found.keys[facts.id] for facts in used], self.clock.now())
            for facts in used:
                self._say(self._step(facts, Ending.STOP, StepOutcome.DONE, "the relays stop with their next sync"))
            return
        try:
            stop(
                self.settings,
                self.store,
                frozenset((self.domain, key.selector) for key in used),
                clock=self.clock,
            )
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
            relay = left_relay(facts.relays[HERE], machine, self.now)
            self.store.note(found.keys[facts.id], partial(with_on_relay, facts=relay))
        _, found, chosen = self.look()
        return found, chosen

    def _take_away(self, key: Key) -> None:
        if has_record(key):
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

    def _note(self, since: str | None) -> None:
        noted: Mapping[str, object] = {DELETED: since}
        self.store.note_domain(self.domain, **noted)

    def _step(self, facts: KeyFacts, action: Do | Ending, outcome: StepOutcome, proof: str) -> RotationStep:
        return RotationStep(self.domain, facts.selector, action, outcome, proof)

    def _say(self, step: RotationStep) -> None:
        self.steps.append(step)
        self.report(step)
