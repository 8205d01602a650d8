"""What is said of one domain after another: the status of its keys, and its next step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, Life, LifecycleStore
from dkimctl.lifecycle.at_rest import rest_of
from dkimctl.lifecycle.facts import KeyFacts
from dkimctl.lifecycle.gather import Machine, is_deleted
from dkimctl.lifecycle.key_status import KeyStatus, key_status
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.next_step import NextStep, damaged_step, lost_steps, next_steps, switch_to_come, unused_steps
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.planning import acts_by_itself
from dkimctl.lifecycle.preview import preview
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.troubles import read_troubles


class DomainStatus(NamedTuple):
    """What is said of one domain."""

    keys: list[KeyStatus]
    """Oldest first."""
    steps: tuple[NextStep, ...]
    """The next step, and what else it waits for."""
    is_deleted: bool
    problem: DkimctlError | None
    """Why its next step is not known."""


class _Planned(NamedTuple):
    """The next steps of a domain, and what a plan has found out about its keys."""

    steps: tuple[NextStep, ...] = ()
    signing: tuple[str, ...] = ()
    """The selectors with which mail is signed, where the plan was that of a domain at rest."""
    facts: tuple[KeyFacts, ...] = ()
    problem: DkimctlError | None = None


@dataclass
class StatusReader:
    """Reads what is said of domains, each of them once. `relays`: of a fleet, which sign instead of this host."""

    settings: Settings
    store: LifecycleStore
    clock: Clock
    relays: Relays | None = None

    def __post_init__(self) -> None:
        self.moment = self.clock.now()
        self.now = instant(self.moment)
        self.machine_problem: DkimctlError | None = None
        """Why nothing is known of this machine, once a domain was read."""

    def of(self, domain: str, life: Life) -> DomainStatus:
        """Return what is said of a domain."""
        planned = self._plan(domain, life)
        signing = planned.signing or self._signing(domain, life, planned)
        keys = self._statuses(life.keys, signing)
        if self.relays is not None:
            keys = [_as_on_relays(key, planned.facts) for key in keys]
        deleted = bool(keys) and is_deleted(life.keys, life.notes)
        return DomainStatus(keys, planned.steps, deleted, planned.problem)

    def _statuses(self, keys: tuple[Key, ...], signing: Sequence[str]) -> list[KeyStatus]:
        phases = [_phase_now(key, signing) for key in keys]
        signs = Phase.ACTIVE in phases
        return [
            key_status(key, phase, self.moment, self.settings, waits=not (signs and phase is Phase.VERIFIED))
            for key, phase in zip(keys, phases, strict=True)
        ]

    def _signing(self, domain: str, life: Life, planned: _Planned) -> list[str]:
        """Return the selectors with which mail of a domain is signed."""
        if self.relays is not None:
            return [key.selector for key in planned.facts if any(on.is_used for on in key.relays.values())]
        if self._machine is None:
            return []
        installed = self._machine.installed
        return [key.selector for key in life.keys if (domain, key.selector) in installed]

    @cached_property
    def _machine(self) -> Machine | None:
        """What a plan needs of this machine; None where it cannot be read."""
        try:
            return read_machine(self.settings, self.now, self.relays)
        except DkimctlError as error:
            self.machine_problem = error
            return None

    def _plan(self, domain: str, life: Life) -> _Planned:
        """Return the next steps of a domain, if a key of it signs or it is deleted."""
        if self._machine is None:
            return _Planned()
        try:
            if rest := rest_of(self.settings, domain, life, self._machine, self.now):
                return _Planned((switch_to_come(domain, rest),), (rest.selector,))
            if not (life.lost or self._is_used(domain, life, self._machine) or is_deleted(life.keys, life.notes)):
                return _Planned(tuple(unused_steps(domain, life)))
            found, policy, plan = preview(self.settings, self.store, domain, self._machine, self.clock, life)
            steps = next_steps(domain, found, policy, plan, self.now, read_troubles(life.notes, self.now))
            if self._machine.clock_problem and not life.notes.get("held"):
                steps = tuple(one for one in steps if one.step)  # nobody holds it: a finding says what it waits for
            goes_on = acts_by_itself(policy, found.facts)
            gone = lost_steps(life, self._machine.installed, is_automatic=goes_on)
            damaged = (damaged_step(key, life, is_automatic=goes_on) for key in found.damaged)
            return _Planned((*gone, *damaged, *steps), facts=found.facts.keys)
        except DkimctlError as error:
            return _Planned(problem=error)

    def _is_used(self, domain: str, life: Life, machine: Machine) -> bool:
        if self.relays is not None:
            return True  # the plan knows
        return any((domain, key.selector) in machine.installed for key in life.keys)


def _phase_now(key: Key, signing: Sequence[str]) -> Phase:
    """Return active for a key that is proven in DNS and with which mail is signed, no matter by whose doing."""
    return Phase.ACTIVE if key.phase is Phase.VERIFIED and key.selector in signing else key.phase


def _as_on_relays(key: KeyStatus, facts: tuple[KeyFacts, ...]) -> KeyStatus:
    """Return the status as a fleet has it: proven since every relay that signs with the key has proven it."""
    used = [on.proven for one in facts if one.selector == key.selector for on in one.relays.values() if on.is_used]
    times = [at for at in used if at is not None]
    return replace(key, proven=at_text(min(times)) if used and len(times) == len(used) else None)
