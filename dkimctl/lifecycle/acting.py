"""What the effects of all actions share: the run's means, its clock, and the steps that it reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.due import Due, Report
from dkimctl.lifecycle.notes import instant
from dkimctl.lifecycle.steps import RotationStep, StepOutcome, failed_step


@dataclass(frozen=True, slots=True)
class Acting:
    """Acts on keys and reports each step."""

    settings: Settings
    store: LifecycleStore
    clock: Clock
    report: Report

    @property
    def _now(self) -> int:
        return instant(self.clock.now())

    def _fail(self, due: Due, error: DkimctlError) -> None:
        self.report(failed_step(due.domain, due.key.selector, due.action.do, error))

    @contextmanager
    def _alone(self, due: Due) -> Iterator[None]:
        """Make an error in here a failed step of this key: the others of its group go on."""
        try:
            yield
        except DkimctlError as error:
            self._fail(due, error)

    def _done(self, due: Due, proof: str, selector: str = "") -> None:
        name = selector or due.key.selector
        self.report(RotationStep(due.domain, name, due.action.do, StepOutcome.DONE, proof))
