"""The loop of a simulation: a worker looks at what is due every hour, and each relay follows a minute later.

A day on which nothing is due takes as long as a look at the column `due`. The daily look at each record that signs is
not made: nobody else changes the simulated DNS, so it would find all as before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dkimctl.config.settings import Settings
from dkimctl.fleet.changes import FleetKey
from dkimctl.fleet.database import Database
from dkimctl.fleet.on_relays import FleetRelays
from dkimctl.fleet.queue import Worker
from dkimctl.fleet.simulation.effects import SimulatedEffects
from dkimctl.fleet.simulation.judge import Judge
from dkimctl.fleet.simulation.load import Load
from dkimctl.fleet.simulation.moment import Moment
from dkimctl.fleet.simulation.pool import Pool
from dkimctl.fleet.simulation.relays import SimulatedRelay
from dkimctl.fleet.store import PostgresStore
from dkimctl.fleet.work import AT_ONCE, SOON
from dkimctl.lifecycle.due import Due, when_again
from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.plan import Do, Plan, plan
from dkimctl.lifecycle.policy import DAY, HOUR
from dkimctl.lifecycle.preview import look_at
from dkimctl.lifecycle.steps import RotationStep, StepOutcome

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_NEVER = 10**6 * DAY
_LATER = 60
"""Seconds after a run at which the relays have what it changed."""
Decide = Callable[..., Plan]
"""The core: `plan(policy, facts, now, *, begin)`."""


@dataclass(slots=True)
class World:
    """A simulated fleet, hour by hour where something is due."""

    settings: Settings
    database: Database
    clock: Moment
    store: PostgresStore
    machine: Machine
    worker: Worker
    load: Load
    judge: Judge
    effects: SimulatedEffects
    failed: dict[str, str]
    """By domain, why its last step failed."""
    decide: Decide = plan
    new_keys: int = 0
    """Of this hour's run."""

    def run(self, end: int) -> Iterator[int]:
        """Let the time pass until `end`; yield of each step how many days it was."""
        while self.clock.at < end:
            now = self.clock.at
            for relay in self.judge.relays:
                relay.move(now)
                if not relay.is_away:
                    relay.beat()
            self._work()
            self.clock.move(now + _LATER)
            for relay in self.judge.relays:
                if not relay.is_away:
                    self._sync(relay)
            following = min(self._next(now), end)
            self.clock.move(following)
            yield (following - START) // DAY - (now - START) // DAY

    def _next(self, now: int) -> int:
        """Return when a domain is due, or a relay is back or goes away: at the full hour after that, within a day."""
        due = int(self.database.value("SELECT extract(epoch FROM min(due))::bigint FROM dkimctl.domain"))
        first = min(due, *(relay.next_change(now) for relay in self.judge.relays))
        return now + min(max(1, -(-(first - now) // HOUR)), 24) * HOUR

    def _sync(self, relay: SimulatedRelay) -> None:
        def switched(one: SimulatedRelay, domain: str, before: str | None, key: FleetKey) -> None:
            self.judge.switched(one, (domain, key.selector), before, self.clock.at)

        before = relay.fetched
        relay.sync(switched)
        self.load.fetched[(self.clock.at - START) // DAY] += relay.fetched - before

    def _work(self) -> None:
        self.new_keys = 0
        now = self.clock.now()
        while claims := self.worker.claim(now, AT_ONCE):
            for claim in sorted(claims):
                due, waits = self._visit(claim.domain)
                self.worker.release(claim, due, now, self.failed.pop(claim.domain, ""), waits)

    def _visit(self, domain: str) -> tuple[datetime, str]:
        """Do what is due of a domain, one action after the other; return when it is due again, and its waits."""
        attempted: set[tuple[Do, str]] = set()
        while True:
            found, policy = look_at(self.settings, self.store, domain, self.machine, self.clock.at)
            policy = policy._replace(check_every=_NEVER)
            planned = self.decide(policy, found.facts, self.clock.at, begin=found.begun)
            for action in planned.actions:
                attempt = (action.do, action.key or action.algorithm)
                if attempt not in attempted and self._may(action.do):
                    break
            else:
                due = when_again(planned, self.clock.at)
                at = self.clock.now() + SOON if due is None else datetime.fromtimestamp(due, UTC)
                return at, "; ".join(wait.on for wait in planned.waits)
            attempted.add(attempt)
            self.new_keys += action.do is Do.MAKE
            self.effects.perform(action.do, [Due(found, policy, action)])
            if action.do in (Do.PUBLISH, Do.REVOKE, Do.REMOVE):
                attempted.discard((Do.LOOK, attempt[1]))

    def _may(self, do: Do) -> bool:
        return do is not Do.PROVE and not (do is Do.MAKE and self.new_keys >= self.settings.lifecycle.most_new_keys)


def new_world(
    settings: Settings, store: PostgresStore, database: Database, clock: Moment, judge: Judge, pool: Pool
) -> World:
    """Return the world of a fleet that `fill` has made."""
    on_relays, load, failed = FleetRelays(database, store), Load(), dict[str, str]()

    def said(step: RotationStep) -> None:
        if step.outcome is StepOutcome.FAILED:
            failed[step.domain] = step.proof

    effects = SimulatedEffects(
        settings, store, clock, said, on_relays, account=judge.account, judge=judge, load=load, pool=pool, start=START
    )
    machine = Machine(frozenset(), frozenset(), oldest_queued=0, relays=on_relays)
    return World(settings, database, clock, store, machine, Worker(database), load, judge, effects, failed)
