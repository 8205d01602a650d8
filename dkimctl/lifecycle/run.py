"""A run of `rotate`: what is due of each domain is chosen, done, read back and noted; then the plan is made again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, shell_word
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.at_rest import due_of, rest_of
from dkimctl.lifecycle.due import Due, Report, as_before, following, when_again
from dkimctl.lifecycle.gap import about_time
from dkimctl.lifecycle.gather import Gathered, Machine
from dkimctl.lifecycle.lost import damaged_keys, lost_keys, unusable_keys
from dkimctl.lifecycle.machine import has_daemon, read_machine
from dkimctl.lifecycle.notes import instant
from dkimctl.lifecycle.noting import note_first, note_left
from dkimctl.lifecycle.plan import Action, Do, Plan, plan
from dkimctl.lifecycle.planning import acts_by_itself
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.preview import look_at
from dkimctl.lifecycle.reading import lives, readable
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.run_hooks import RunHooks
from dkimctl.lifecycle.steps import (
    Rotated,
    RotationStep,
    StepOutcome,
    failed_step,
    waiting_step,
    when_text,
)
from dkimctl.lifecycle.troubles import TroubleNotes
from dkimctl.names import counted


@dataclass(slots=True)
class Run:
    """The state of a run, and its work. `relays`: those of a fleet, for whose domains it is."""

    settings: Settings
    store: LifecycleStore
    clock: Clock
    report: Report
    relays: Relays | None = None
    dues: dict[str, int] = field(default_factory=dict)
    """By domain, when it is to be looked at again."""
    failures: dict[str, str] = field(default_factory=dict)
    """By domain, why its last step failed."""
    steps: list[RotationStep] = field(default_factory=list)
    waits: dict[str, list[RotationStep]] = field(default_factory=dict)
    due: int | None = None
    next: str | None = None
    _attempted: set[tuple[str, Do, str]] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    """The domains of which was said what is wrong with the files of their keys."""
    _troubles: TroubleNotes = field(init=False)
    _hooks: RunHooks = field(init=False)
    _new_keys: int = 0
    _may_switch: bool = True
    _machine: Machine | None = None
    _returned: int | None = None
    _is_time_said: bool = False

    def __post_init__(self) -> None:
        self._troubles = TroubleNotes(self.store, self.clock)
        self._hooks = RunHooks(self.settings, self._say)

    def machine(self) -> Machine:
        """Return what was read of the machine; read again after a switch."""
        if self._machine is None:
            read = read_machine(self.settings, self._now, self.relays)
            self._returned = self._returned or read.returned  # the same in all of this run
            self._machine = read._replace(returned=self._returned)
        return self._machine

    def result(self) -> Rotated:
        """Return what was done, and what is waited for."""
        waits = tuple(chain.from_iterable(self.waits.values()))
        return Rotated(tuple(self.steps), waits, when_text(self.due), self.next)

    @property
    def _now(self) -> int:
        return instant(self.clock.now())

    def work(self, pending: list[str], *, single: bool) -> None:
        """Do what is due, one action of each domain at a time, actions of one kind together."""
        if not self._is_time_said and (said_of_time := about_time(self.machine())):
            self._is_time_said = True
            self._say(said_of_time)
        while dues := list(self._choose(pending)):
            first = [due for due in dues if due.action.do is not Do.SWITCH] or dues
            if single:
                first = first[:1]
            said = len(self.steps)
            for do in dict.fromkeys(due.action.do for due in first):
                self._perform(do, [due for due in first if due.action.do is do])
            if single:
                if len(self.steps) == said:  # routine looks and proofs that find all as before are not told otherwise
                    self._say(as_before(first[0]))
                self._machine = None
                self._troubles.settle(first[0].domain, tried=(first[0].action.do, first[0].selector))
                then = next(self._choose([due.domain for due in first]), None)
                self.next = following(then) if then else None
                return
            self._machine = None if any(due.action.do is Do.SWITCH for due in first) else self._machine
            self._look_again(first)
            pending = [due.domain for due in dues]

    def _perform(self, do: Do, group: list[Due]) -> None:
        """Do one kind of action, with the hooks before a domain's first change and after a switch."""
        self._attempted.update(_attempt(due.domain, due.action) for due in group)
        if do not in (Do.LOOK, Do.PROVE):
            self._hooks.before(group)
        begin = len(self.steps)
        from dkimctl.lifecycle.effects import Effects  # only here: an idle run, the usual one, needs none of it

        effects = Effects(self.settings, self.store, self.clock, self._say, self.relays)
        self._may_switch &= effects.perform(do, group)
        if do is Do.SWITCH:
            done = {step.domain for step in self.steps[begin:] if step.outcome is StepOutcome.DONE}
            self._hooks.after_switch([due for due in group if due.domain in done])

    def end(self) -> None:
        """Run the hooks of the end of a run, where it changed anything."""
        self._hooks.at_end()

    def _look_again(self, dues: Iterable[Due]) -> None:
        """After a record was changed its name is looked up again in the same run."""
        for due in dues:
            if due.action.do in (Do.PUBLISH, Do.REVOKE, Do.REMOVE):
                self._attempted.discard(_attempt(due.domain, due.action._replace(do=Do.LOOK)))

    def _choose(self, domains: Iterable[str]) -> Iterator[Due]:
        """Yield the next action of each domain that has one, and note what the others wait for."""
        for domain, read in lives(self.store, domains):
            try:
                now, life = self._now, readable(read)
                rest = rest_of(self.settings, domain, life, self.machine(), now)
                if rest and (due := due_of(rest, now)):
                    self.due = min(self.due or due, due)
                    self.waits.pop(domain, None)
                    continue
                self._troubles.meet(domain, life.notes)
                found, policy = look_at(self.settings, self.store, domain, self.machine(), now, life)
                if (found.lost or found.damaged) and self._tell_of_lost(found, policy):
                    found, policy = look_at(self.settings, self.store, domain, self.machine(), now)
                if found.is_deleted:
                    self._finish(domain)
                    continue
                found = note_left(self.store, found, self.clock.now())
                if self.relays is not None:
                    found = note_first(self.store, found, self.clock.now())
                planned = plan(policy, found.facts, now, begin=found.begun)
            except DkimctlError as error:
                self._say(failed_step(domain, "", None, error))
                continue
            action = next((one for one in planned.actions if self._may(domain, one)), None)
            if action is not None:
                self.waits.pop(domain, None)
                self._new_keys += action.do is Do.MAKE  # counted when chosen: many are made at a time
                yield Due(found, policy, action)
            else:
                self._note_waits(domain, planned, found)
                self._settle(domain, planned, found)

    def _tell_of_lost(self, found: Gathered, policy: Policy) -> bool:
        """Say once of each key that its file was deleted by hand or damaged; return whether that was now."""
        domain = found.facts.domain
        if domain in self._told:
            return False
        self._told.add(domain)
        goes_on = bool(found.begun) or acts_by_itself(policy, found.facts)
        installed, now = self.machine().installed, self.clock.now()
        for step in (
            *lost_keys(self.store, domain, installed, now, is_automatic=goes_on),
            *damaged_keys(self.store, found.damaged, is_automatic=goes_on),
        ):
            self._say(step)
        return True

    def _finish(self, domain: str) -> None:
        """Take away what is due of a deleted domain."""
        from dkimctl.lifecycle.delete import finish

        for step in finish(self.settings, self.store, domain, clock=self.clock, relays=self.relays):
            if step.outcome is StepOutcome.WAITS:
                self.waits.setdefault(domain, []).append(step)
            else:
                self._say(step)
        self._troubles.settle(domain)

    def _settle(self, domain: str, planned: Plan, found: Gathered) -> None:
        selectors = {key.id: key.selector for key in found.facts.keys}
        to_do = [(action.do, action.key) for action in planned.actions]
        waits = [(wait.do, wait.key) for wait in planned.waits if wait.do]
        try:
            self._troubles.settle(domain, {(do, selectors.get(key, "")) for do, key in (*to_do, *waits)})
        except DkimctlError as error:
            self._say(failed_step(domain, "", None, error))

    def _may(self, domain: str, action: Action) -> bool:
        do = action.do
        if _attempt(domain, action) in self._attempted:
            return False
        if self.relays is not None and do is Do.PROVE:
            return False  # each relay proves by itself
        if self.relays is None and do in (Do.SWITCH, Do.PROVE) and not has_daemon(self.settings):
            return False
        return not self._why_not(action)

    def _why_not(self, action: Action) -> str:
        """Return why this run does no more of such actions; empty while it does."""
        if action.do is Do.MAKE and self._new_keys >= self.settings.lifecycle.most_new_keys:
            return f"the next run, as this one has made {counted(self._new_keys, 'key')} (most_new_keys)"
        if action.do is Do.SWITCH and not self._may_switch:
            return "the next run, as a switch failed in this one"
        return ""

    def _note_waits(self, domain: str, planned: Plan, found: Gathered) -> None:
        signs = any(key.is_used for key in found.facts.keys)
        hint = "" if signs else f"have one sign: dkimctl setup {shell_word(domain)}"
        if not signs:
            for step in unusable_keys(self.store, found.keys.values()):
                self._say(step)
        if planned.due is not None:
            self.due = min(self.due or planned.due, planned.due)
        if due := when_again(planned, self._now):
            self.dues[domain] = due
        self.waits[domain] = [waiting_step(domain, wait, hint) for wait in planned.waits]
        for action in planned.actions:
            if why := self._why_not(action):
                self.waits[domain].append(RotationStep(domain, "", None, StepOutcome.WAITS, why))
                self.next = self.next or f"{domain}: {action.do} (left for the next run: dkimctl rotate)"

    def _say(self, step: RotationStep) -> None:
        self.steps.append(step)
        self._troubles.add(step)
        if step.outcome is StepOutcome.FAILED:
            self.failures[step.domain] = step.proof
        self.report(step)


def _attempt(domain: str, action: Action) -> tuple[str, Do, str]:
    """Return what names an action of a run: its key, or the algorithm of one that makes a key."""
    return domain, action.do, action.key or action.algorithm
