"""The hooks of a run: before a domain's first change, after its switch, and at the end."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dkimctl.config.settings import Settings
from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.due import Due, Report
from dkimctl.lifecycle.hooks import Occasion, Stage, run_hooks
from dkimctl.lifecycle.steps import RotationStep, StepOutcome


@dataclass(slots=True)
class RunHooks:
    """Runs them, and reports those that fail."""

    settings: Settings
    report: Report
    _changed: dict[str, None] = field(default_factory=dict)
    """The domains of which something was changed, in order."""

    def before(self, dues: Iterable[Due]) -> None:
        """Run the hooks of the domains of which nothing was changed yet."""
        for due in dues:
            if due.domain not in self._changed:
                self._changed[due.domain] = None
                self._run(Stage.PRE, due)

    def after_switch(self, dues: Iterable[Due]) -> None:
        """Run the hooks of domains that sign with another key now."""
        for due in dues:
            self._run(Stage.DEPLOY, due)

    def at_end(self) -> None:
        """Run the hooks of the end of a run, where it changed anything."""
        if self._changed:
            self._report(Stage.POST, Occasion(" ".join(self._changed)))

    def _run(self, stage: Stage, due: Due) -> None:
        old = next((key.selector for key in due.gathered.facts.keys if key.is_used), "")
        phase = Phase.ACTIVE if stage is Stage.DEPLOY else due.key.phase if due.action.key else ""
        self._report(stage, Occasion(due.domain, due.selector, old, phase, due.action.do))

    def _report(self, stage: Stage, occasion: Occasion) -> None:
        for result in run_hooks(self.settings, stage, occasion):
            if result.problem:
                hint = "fix it, and do by hand what it should have done: it does not run again for this step"
                step = RotationStep(occasion.domain, "", None, StepOutcome.FAILED, result.problem, hint, exit_code=1)
                self.report(step)
