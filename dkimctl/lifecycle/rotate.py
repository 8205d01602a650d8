"""`rotate`: what is due, and nothing else. An action is done, read back and noted; then the plan is made again.

rotate(settings, store, domains) → Rotated; each step is reported as it ends. After a kill the next run goes on.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from dkimctl.clock import Clock, timestamp
from dkimctl.config.settings import Settings
from dkimctl.files import locked
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.due import Report
from dkimctl.lifecycle.gather import REPLACED
from dkimctl.lifecycle.machine import STATE_DIRECTORY, make_state_directory, note_run
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.run import Run
from dkimctl.lifecycle.steps import Rotated, StepOutcome


def rotate(
    settings: Settings,
    store: LifecycleStore,
    domains: Iterable[str],
    *,
    clock: Clock,
    begin: Collection[str] = (),
    single: bool = False,
    report: Report = lambda _: None,
) -> Rotated:
    """Do what is due for these domains. `begin`: domains whose rotation begins now. `single`: one step, then end.

    One run at a time: another one waits for its end. Raises DiskError, Refused and Unavailable for what concerns the
    whole machine; what concerns a domain or a key is a failed step, and the others go on.
    """
    make_state_directory(settings)
    with locked(settings.at(STATE_DIRECTORY), clock=clock):
        for domain in begin:
            _begin(store, domain, clock)
        run = Run(settings, store, clock, report)
        run.work(list(domains), single=single)
        run.end()
        if not run.machine().clock_problem:
            note_run(settings, run.machine(), clock.now())
        return run.result()


Ended = Callable[[str, int | None, str, str], object]
"""Called with a domain: when it is due again, None where that is not known; why the last step failed, and for what it
waits, or nothing."""


def rotate_shared(
    settings: Settings,
    store: LifecycleStore,
    relays: Relays,
    batches: Iterable[Sequence[str]],
    *,
    clock: Clock,
    begin: Collection[str] = (),
    single: bool = False,
    report: Report = lambda _: None,
    ended: Ended,
) -> Rotated:
    """Do what is due for a fleet's domains, of which other runs, here or on other hosts, do others meanwhile.

    `batches`: the domains that this run has for itself, some at a time; `ended` is called with each one once its batch
    is done. Raises as `rotate`.
    """
    make_state_directory(settings)
    run = Run(settings, store, clock, report, relays)
    for batch in batches:
        for domain in batch:
            if domain in begin:
                _begin(store, domain, clock)
        said = len(run.steps)
        run.work(list(batch), single=single)
        told = {
            step.domain for step in run.steps[said:] if (step.action, step.outcome) == (Do.SWITCH, StepOutcome.DONE)
        }
        for domain in batch:
            waits = "; ".join(wait.proof for wait in run.waits.get(domain, ()))
            due = None if domain in told else run.dues.get(domain)  # soon: the relays confirm what they were told
            ended(domain, due, run.failures.get(domain, ""), waits)
        if single and run.steps:
            break
    run.end()
    if not run.machine().clock_problem:
        note_run(settings, run.machine(), clock.now())
    return run.result()


def _begin(store: LifecycleStore, domain: str, clock: Clock) -> None:
    store.note_domain(domain, **{"begun": timestamp(clock.now()), REPLACED: None})
