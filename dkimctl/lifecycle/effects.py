"""The effects of a plan's actions: each is done, read back, and noted as a fact."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dkimctl.errors import DkimctlError
from dkimctl.findings import Finding
from dkimctl.keys.metadata import UNPROVEN, Metadata, Phase
from dkimctl.keys.phases import reach
from dkimctl.keys.store import Key
from dkimctl.lifecycle.account import open_account, provider_text
from dkimctl.lifecycle.acting import Acting
from dkimctl.lifecycle.due import Due
from dkimctl.lifecycle.facts import RecordFacts
from dkimctl.lifecycle.next_key import NoFreeSlot, make_next
from dkimctl.lifecycle.notes import read_record, with_record
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.policy import DAY
from dkimctl.lifecycle.records import look, noted
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.reveal import TooEarly, reveal
from dkimctl.lifecycle.steps import TO_BE_CONTINUED, RotationStep, StepOutcome, failed_step
from dkimctl.lifecycle.switch_effects import Switching
from dkimctl.providers.base import Provider
from dkimctl.publish.publication import Choices, PublishOutcome
from dkimctl.publish.publish import publish_at_each
from dkimctl.publish.withdraw import remove_record, revoke_record
from dkimctl.verify.report import Report as DnsReport
from dkimctl.verify.report import Target
from dkimctl.verify.targets import managed_target


@dataclass(frozen=True, slots=True)
class Effects(Acting):
    """Does actions, all of one kind at a time."""

    relays: Relays | None = None
    """The relays of a fleet, which sign; None where this host does."""

    def perform(self, do: Do, dues: Sequence[Due]) -> bool:
        """Do these actions; each reports its step. Returns False when a switch failed for too many domains."""
        match do:
            case Do.MAKE:
                self._each(dues, self._make)
            case Do.PUBLISH:
                self._publish(dues)
            case Do.LOOK:
                self._look(dues)
            case Do.SWITCH:
                return self._switching.switch(dues)
            case Do.PROVE:
                self._switching.prove(dues)
            case Do.REVOKE:
                self._each(dues, self._revoke)
            case Do.REMOVE:
                self._each(dues, self._remove)
            case Do.PURGE:
                self._each(dues, self._purge)
        return True

    @property
    def _switching(self) -> Switching:
        return Switching(self.settings, self.store, self.clock, self.report, self.relays)

    def _each(self, dues: Sequence[Due], work: Callable[[Due], tuple[str, str]]) -> None:
        for due in dues:
            try:
                selector, proof = work(due)
                self._done(due, proof, selector)
            except (NoFreeSlot, TooEarly) as error:
                name, do = due.selector, due.action.do
                self.report(RotationStep(due.domain, name, do, StepOutcome.WAITS, error.message, error.hint))
            except DkimctlError as error:
                self.report(failed_step(due.domain, due.selector, due.action.do, error))

    def _note_record(self, key: Key, change: Callable[[RecordFacts], RecordFacts]) -> Key:
        return self.store.note(key, lambda now: with_record(now, change(read_record(now, self._now))))

    # --- keys and records

    def _make(self, due: Due) -> tuple[str, str]:
        key = make_next(self.settings, self.store, due.domain, due.action.algorithm, self.clock.now())
        return key.selector, f"{key.metadata.algorithm} {key.metadata.bits}, {key.path}"

    def _provider(self, domain: str) -> Provider:
        return open_account(self.settings, domain, self.store.keys(domain), self.clock)

    def _publish(self, dues: Sequence[Due]) -> None:
        by_provider: dict[str, list[Due]] = {}
        for due in dues:
            with self._alone(due):
                text = provider_text(self.settings, due.domain, self.store.keys(due.domain))
                by_provider.setdefault(text, []).append(due)
        for text, group in by_provider.items():
            try:
                self._publish_at(text, group)
            except DkimctlError as error:
                for due in group:
                    self._fail(due, error)

    def _publish_at(self, text: str, dues: Sequence[Due]) -> None:
        keys = [due.key for due in dues]
        choices = Choices(wait=False)
        for due, made in zip(
            dues, publish_at_each(self.settings, self.store, text, keys, choices, clock=self.clock), strict=True
        ):
            if made.error:
                self._fail(due, made.error)
            elif made.outcome is PublishOutcome.BY_HAND:
                self._waits(due, made.next_step, person=True)
            else:
                with self._alone(due):
                    self._note_written(due.key)
                    proof = f"{made.name} at {made.provider}, read back and equal ({len(made.text)} characters)"
                    self._done(due, proof)

    def _note_written(self, key: Key) -> None:
        now = self._now
        self._note_record(key, lambda record: record._replace(written=now))

    def _look(self, dues: Sequence[Due]) -> None:
        targets: dict[Target, Due] = {}
        for due in dues:
            with self._alone(due):
                targets[managed_target(due.key, self.settings, self.store)] = due
        left = dict(targets)
        try:
            for report in look(self.settings, targets):
                due = left.pop(report.target)
                with self._alone(due):
                    self._note_seen(due, report)
        except DkimctlError as error:
            for due in left.values():
                self._fail(due, error)

    def _note_seen(self, due: Due, report: DnsReport) -> None:
        now, public = self._now, self.store.public(due.key).base64
        before = read_record(due.key.metadata, now)
        after = noted(before, report, public, due.policy, now)
        self.store.note(due.key, partial(with_record, record=after))
        self._say_seen(due, before, after, report.findings[0] if report.findings else None)

    def _say_seen(self, due: Due, before: RecordFacts, after: RecordFacts, wrong: Finding | None) -> None:
        if after.gone is not None and before.gone is None:
            return self._done(due, "no name server gives the key any more")
        if after.absent is not None and before.absent is None:
            return self._done(due, "no name server has the record any more")
        if after.last_seen is not None and after.missing is None and after.last_seen != before.last_seen:
            if due.key.phase in UNPROVEN:
                key = self.store.find(due.key.name) or due.key
                reach(self.store, key, Phase.VERIFIED, self.clock.now(), provider=key.metadata.provider or "")
            if before.last_seen is None or before.missing is not None or after.confirmed != before.confirmed:
                self._done(due, "every address of every name server gives exactly this key")
            return None
        if wrong is None:
            return self._waits(due, "a name server does not give it")
        return self._waits(due, f"{wrong.title}: {wrong.seen}", wrong.fix)

    def _waits(self, due: Due, on: str, hint: str = "", *, person: bool = False) -> None:
        code = TO_BE_CONTINUED if person or (due.action.do is Do.LOOK and self._is_bad(due)) else 0
        name, do = due.selector, due.action.do
        self.report(RotationStep(due.domain, name, do, StepOutcome.WAITS, on, hint, exit_code=code))

    def _is_bad(self, due: Due) -> bool:
        """Return True when the record of a key that signs is not served, or a change is not for more than a day."""
        key = next(key for key in due.gathered.facts.keys if key.id == due.action.key)
        changed = max(key.record.written or 0, key.record.revoked or 0, key.record.removed or 0)
        return key.is_used or 0 < changed < self._now - DAY

    # --- what is taken away

    def _revoke(self, due: Due) -> tuple[str, str]:
        return due.key.selector, self.empty(due.key)

    def empty(self, key: Key) -> str:
        """Have the record of a key say an empty `p=`, and note it. Returns the proof; raises as `revoke_record`."""
        proof = self._write_empty(key)
        now = self._now

        def emptied(known: Metadata) -> Metadata:
            known = with_record(known, _emptied(read_record(known, now), now))
            return known.in_phase(Phase.REVOKED, self.clock.now())

        self.store.note(key, emptied)
        return proof

    def _write_empty(self, key: Key) -> str:
        return revoke_record(self.settings, self.store, self._provider(key.domain), key)

    def _delete_record(self, key: Key) -> str:
        return remove_record(self.settings, self.store, self._provider(key.domain), key)

    def _remove(self, due: Due) -> tuple[str, str]:
        proof = self._delete_record(due.key)
        now = self._now
        self._note_record(due.key, lambda record: record._replace(removed=now, absent=None))
        return due.key.selector, proof

    def _purge(self, due: Due) -> tuple[str, str]:
        revealed = reveal(self.settings, self.store, due.key, self._now)
        key = self.store.note(due.key, lambda known: known.in_phase(Phase.PURGED, self.clock.now()))
        self.store.purge(key)
        return key.selector, f"{key.path} was removed" + (f", and published at {revealed}" if revealed else "")


def _emptied(record: RecordFacts, now: int) -> RecordFacts:
    return record if record.revoked is not None else RecordFacts(revoked=now, ttl=record.ttl)
