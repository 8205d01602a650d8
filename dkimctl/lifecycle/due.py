"""An action that is due, and when a domain is due again: apart from what is done, which an idle run need not load."""

from collections.abc import Callable
from typing import NamedTuple

from dkimctl.keys.store import Key
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.plan import Action, Do, Plan
from dkimctl.lifecycle.policy import DAY, Policy
from dkimctl.lifecycle.steps import RotationStep, StepOutcome

Report = Callable[[RotationStep], None]


class Due(NamedTuple):
    """One action that is due, with what it was decided from."""

    gathered: Gathered
    policy: Policy
    action: Action

    @property
    def domain(self) -> str:
        """The domain that it is for."""
        return self.gathered.facts.domain

    @property
    def key(self) -> Key:
        """The key that it is for; not of an action that makes one."""
        return self.gathered.keys[self.action.key]

    @property
    def selector(self) -> str:
        """The selector of that key; empty for an action that makes one."""
        return self.key.selector if self.action.key else ""


def when_again(planned: Plan, now: int) -> int | None:
    """Return when a fleet's domain is to be looked at again; None: soon, as an action could not be done yet.

    A proof is none of the worker's: each relay proves by itself. A relay that comes back makes what waits for it due.
    """
    waits = {wait.do for wait in planned.waits if wait.until is None and not (wait.needs_person or wait.is_for_away)}
    if Do.SWITCH in waits or any(action.do is not Do.PROVE for action in planned.actions):
        return None
    hour = now + 3600
    return min(planned.due or hour, hour) if waits else planned.due or now + DAY


def as_before(due: Due) -> RotationStep:
    """Return the step for a look or a proof that found nothing new."""
    return RotationStep(due.domain, due.key.selector, due.action.do, StepOutcome.DONE, "all is as it was noted before")


def following(due: Due) -> str:
    """Return an action that comes next, in words."""
    subject = " ".join(filter(None, (due.domain, due.selector)))
    return f"{subject}: {due.action.do} ({due.action.why})"
