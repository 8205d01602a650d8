"""The effects of a switch and of a proof: the signer, or a fleet's relays, use another key, and that is noted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dkimctl.errors import DkimctlError
from dkimctl.host.milterconnections import open_connections
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import Key
from dkimctl.lifecycle.acting import Acting
from dkimctl.lifecycle.due import Due
from dkimctl.lifecycle.facts import KeyOnRelay
from dkimctl.lifecycle.gather import REPLACED
from dkimctl.lifecycle.notes import read_on_relay, with_on_relay
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.relays import Canary, NotHeld, Relays, is_too_many
from dkimctl.lifecycle.steps import TO_BE_CONTINUED, RotationStep, StepOutcome, failed_step
from dkimctl.lifecycle.switching import prove_keys, switch
from dkimctl.names import counted
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_of
from dkimctl.signers.service import Action as Reload
from dkimctl.signers.service import reload_daemon


@dataclass(frozen=True, slots=True)
class Switching(Acting):
    """Switches to keys, and proves that they sign."""

    relays: Relays | None = None
    """The relays of a fleet, which sign; None where this host does."""

    def switch(self, dues: Sequence[Due]) -> bool:
        """Switch one domain, then 1 % of them, then the rest; stop, and return False, at three failures or 1 %."""
        if self.relays is not None:
            return self._hand_over_all(dues, self.relays)
        failures = 0
        for batch in _canary(dues) if self.settings.lifecycle.canary else [dues]:
            failures += self._switch_all(batch)
            if is_too_many(failures, len(dues)):
                return False
        return True

    def _hand_over_all(self, dues: Sequence[Due], relays: Relays) -> bool:
        """Tell a fleet's relays of the switches that the canary allows; return False where some of them wait for it.

        The relays prove later what they are told now: each run goes on from what they have proven by then. A leaked key
        waits for nothing.
        """
        free = [due for due in dues if due.key.phase is Phase.ACTIVE or _is_leaked(due)]
        if not self.settings.lifecycle.canary:
            free = list(dues)
        others = [due for due in dues if due not in free]
        self._hand_over_each(free, relays)
        if not others:
            return True
        canary = relays.canary(self.clock.now())
        self._hand_over_each(others[: canary.allowed], relays)
        if left := others[canary.allowed :]:
            self.report(_awaits_canary(left, canary))
        return not left

    def _hand_over_each(self, dues: Sequence[Due], relays: Relays) -> None:
        for due in dues:
            with self._alone(due):
                self._hand_over(due, relays)

    def _hand_over(self, due: Due, relays: Relays) -> None:
        """Tell a fleet's relays to sign with this key. Each proves it; until then the record of the old one stays."""
        facts = next(key for key in due.gathered.facts.keys if key.id == due.action.key)
        old = [
            due.gathered.keys[key.id]
            for key in due.gathered.facts.keys
            if key.is_used and key.algorithm == facts.algorithm and key.id != facts.id
        ]
        try:
            is_new = relays.hand_over(due.key, old, self.clock.now())
        except NotHeld as error:
            step = RotationStep(due.domain, due.key.selector, Do.SWITCH, StepOutcome.WAITS, error.message, error.hint)
            return self.report(step)
        if is_new:
            self._note_replaced(due)
            return self._done(due, "every relay that lives holds it, and signs with it from its next sync on")
        missing = ", ".join(name for name, relay in facts.relays.items() if not relay.is_used)
        said = f"not every relay signs with it yet: {missing}"
        hint = "see since when each is silent: dkimctl fleet status; one that is gone: dkimctl fleet remove"
        return self.report(RotationStep(due.domain, due.key.selector, Do.SWITCH, StepOutcome.WAITS, said, hint))

    def _switch_all(self, dues: Sequence[Due]) -> int:
        now = self._now
        try:
            for due in dues:  # no proof from before counts: the tables change before the daemon reads them
                self._note_signing(due.key, lambda facts: KeyOnRelay(tried=now, failed=facts.failed))
            result = switch(self.settings, self.store, [due.key for due in dues], clock=self.clock)
        except DkimctlError as error:
            for due in dues:
                self._fail(due, error)
            return len(dues)
        if any(map(_is_leaked, dues)):
            self._restart(dues)
        for due in dues:
            name = (due.domain, due.key.selector)
            if name in result.failed:
                self._fail(due, result.failed[name])
                continue
            with self._alone(due):
                self._note_proof(due, was_switched=True)
                self._done(due, "it signs now, and its signature verifies with the record in DNS")
        return len(result.failed)

    def _restart(self, dues: Sequence[Due]) -> None:
        """Restart the signer: connections that were open at the reload still sign with the leaked key."""
        signer = signer_of(self.settings)
        socket = signer.listens_at(self.settings) if self.settings.is_live else None
        if socket is None or not open_connections(socket):
            return
        try:
            made = reload_daemon(Reload.RESTART, signer.service(self.settings), signer.running(self.settings).pid)
            outcome = StepOutcome.DONE if made.done else StepOutcome.WAITS
            code = 0 if made.done else TO_BE_CONTINUED
            self.report(RotationStep("", "", Do.SWITCH, outcome, made.message, hint=made.hint, exit_code=code))
        except DkimctlError as error:
            self.report(failed_step(dues[0].domain, dues[0].key.selector, Do.SWITCH, error))

    def _note_proof(self, due: Due, *, was_switched: bool = False) -> None:
        """Note a proof, and the phase that follows from it, in one write: a run may be killed after any.

        With the switch of its last algorithm the rotation that a person began is over; a wish that was left would begin
        another one. The first proof of a key that signed before any run ends no wish.
        """
        now, key = self._now, due.key
        if was_switched or self._is_begun(key):
            self._note_replaced(due)

        def proven(known: Metadata) -> Metadata:
            facts = read_on_relay(known, now)
            known = with_on_relay(known, KeyOnRelay(since=now if facts.since is None else facts.since, proven=now))
            return known.in_phase(Phase.ACTIVE, self.clock.now(), "a probe's signature verified")

        self.store.note(key, proven)

    def _note_replaced(self, due: Due) -> None:
        if left := due.gathered.begun - {due.action.algorithm}:
            every = {key.algorithm for key in due.gathered.facts.keys}
            self.store.note_domain(due.domain, **{REPLACED: sorted(every - left)})
        else:
            self.store.note_domain(due.domain, **{"begun": None, REPLACED: None})

    def prove(self, dues: Sequence[Due]) -> None:
        """Prove by a message each that these keys sign, and note it."""
        result: Mapping[Name, DkimctlError | None]
        keys = [due.key for due in dues]
        is_begun = any(self._is_begun(key) for key in keys)
        try:
            result = prove_keys(self.settings, self.store, keys, is_begun=is_begun, clock=self.clock)
        except DkimctlError as problem:
            result = dict.fromkeys(((due.domain, due.key.selector) for due in dues), problem)
        for due in dues:
            error = result.get((due.domain, due.key.selector))
            with self._alone(due):
                self._note_proof(due) if error is None else self._note_failure(due.key)
            if error is not None:
                self._fail(due, error)

    def _is_begun(self, key: Key) -> bool:
        """Return True when a switch to this key began and was not seen to end."""
        noted = read_on_relay(key.metadata, self._now)
        return noted.tried is not None and noted.since is None

    def _note_failure(self, key: Key) -> None:
        now = self._now
        self._note_signing(key, lambda facts: facts._replace(failed=now if facts.failed is None else facts.failed))

    def _note_signing(self, key: Key, change: Callable[[KeyOnRelay], KeyOnRelay]) -> Key:
        return self.store.note(key, lambda now: with_on_relay(now, change(read_on_relay(now, self._now))))


def _is_leaked(due: Due) -> bool:
    return any(key.leak and key.is_used for key in due.gathered.facts.keys)


def _awaits_canary(left: Sequence[Due], canary: Canary) -> RotationStep:
    """Return the step for switches that wait for what the relays say of the first ones."""
    count = counted(len(left), "more domain")
    if not canary.is_stopped:
        waits = f"{count}: the relays first prove the switches of today, {canary.proven} of {canary.told} so far"
        return RotationStep("", "", Do.SWITCH, StepOutcome.WAITS, waits)
    failed = f"{count}: relays do not sign as they should with {canary.failed} of today's {counted(canary.told, 'key')}"
    hint = "see which and why: dkimctl fleet status; on that relay: sudo dkimctl fleet sync"
    return RotationStep("", "", Do.SWITCH, StepOutcome.WAITS, failed, hint, exit_code=TO_BE_CONTINUED)


def _canary(dues: Sequence[Due]) -> Iterator[Sequence[Due]]:
    percent = max(1, len(dues) // 100)
    yield dues[:1]
    if len(dues) > 1:
        yield dues[1 : 1 + percent]
    if len(dues) > 1 + percent:
        yield dues[1 + percent :]
