"""Why steps of a domain did not succeed: `rotate` notes it, so that `status` can say it between two runs.

What is noted lies in a directory of the daemon's user: it is only ever shown, and what is damaged is passed over.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from dkimctl.clock import Clock
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.policy import DAY
from dkimctl.lifecycle.steps import RotationStep, StepOutcome

TROUBLES = "troubles"
"""The note of a domain: what its last run could not do."""
StepName = tuple[str, str]
"""An action and the selector of the key that it is for; that is empty for a key to be made."""
_TEXTS = ("action", "selector", "why", "hint")
_MOST = 20
_LONGEST = 1000


class Trouble(NamedTuple):
    """Why one step did not succeed."""

    action: str
    selector: str
    why: str
    hint: str
    has_failed: bool
    """False where it only waits for others, such as a name server."""
    needs_person: bool
    """True where trying again does not help."""
    since: int

    @property
    def name(self) -> StepName:
        """The step."""
        return self.action, self.selector

    def text(self) -> str:
        """Return it in words, with what to do."""
        since = f"since {at_text(self.since)[:16].replace('T', ' ')} UTC"
        said = f"it fails {since}: {self.why}" if self.has_failed else f"{self.why}, {since}"
        return f"{said}; {self.hint}" if self.hint else said

    def is_for_person(self, now: int) -> bool:
        """Return True when a person has to act: at once, or as trying again has not helped for a day."""
        return self.needs_person or (self.has_failed and self.since <= now - DAY)


def read_troubles(notes: Mapping[str, object], now: int) -> dict[StepName, Trouble]:
    """Return what was noted of a domain, by the step."""
    noted = notes.get(TROUBLES)
    found = map(_read, noted[:_MOST]) if isinstance(noted, list) else ()
    return {one.name: one._replace(since=min(one.since, now)) for one in found if one is not None}


def _read(noted: object) -> Trouble | None:
    if not isinstance(noted, dict):  # as JSON
        return None
    action, selector, why, hint = (str(noted.get(name, ""))[:_LONGEST] for name in _TEXTS)
    with suppress(TypeError, ValueError, OverflowError):
        since = instant(datetime.fromisoformat(noted["since"])) if "since" in noted else 0
        return Trouble(action, selector, why, hint, noted.get("failed") is True, noted.get("person") is True, since)
    return None


class TroubleNotes:
    """Notes the troubles of a run, of each domain once nothing more is done for it."""

    def __init__(self, store: LifecycleStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._before: dict[str, dict[StepName, Trouble]] = {}
        self._steps: dict[str, dict[StepName, RotationStep]] = {}

    def meet(self, domain: str, notes: Mapping[str, object]) -> None:
        """Read what an earlier run noted of a domain."""
        if notes.get(TROUBLES):
            self._before[domain] = read_troubles(notes, instant(self._clock.now()))

    def add(self, step: RotationStep) -> None:
        """Take how an attempt at a step ended. A finding about a domain as a whole is none of them."""
        if step.domain and step.action is not None:
            self._steps.setdefault(step.domain, {})[step.action, step.selector] = step

    def settle(self, domain: str, still: Collection[StepName] = (), *, tried: StepName | None = None) -> None:
        """Note the troubles of a domain. `still`: the steps that it has before it, which keep what was said of them.

        `tried`: where only this step was tried; the others then keep it too. Raises DiskError.
        """
        met, steps = self._before.pop(domain, None), self._steps.pop(domain, {})
        before = met or {}
        is_damaged = met is not None and not met
        kept = before if tried else still
        after = {name: one for name, one in before.items() if name in kept and name != tried}
        now = instant(self._clock.now())
        for name, step in steps.items():
            if step.outcome in (StepOutcome.FAILED, StepOutcome.WAITS):
                after[name] = _trouble(step, before[name].since if name in before else now)
            else:
                after.pop(name, None)
        if after != before or is_damaged:
            self._store.note_domain(domain, **{TROUBLES: [_noted(one) for one in list(after.values())[:_MOST]] or None})


def _trouble(step: RotationStep, since: int) -> Trouble:
    has_failed = step.outcome is StepOutcome.FAILED
    needs_person = step.exit_code in (1, 2) if has_failed else step.exit_code != 0
    why, hint = step.proof[:_LONGEST], step.hint[:_LONGEST]
    return Trouble(str(step.action), step.selector, why, hint, has_failed, needs_person, since)


def _noted(one: Trouble) -> dict[str, object]:
    return {
        "action": one.action,
        "selector": one.selector,
        "why": one.why,
        "hint": one.hint,
        "failed": one.has_failed,
        "person": one.needs_person,
        "since": at_text(one.since),
    }
