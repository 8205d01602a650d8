"""`fleet simulate`: a fleet over any number of days, on all cores."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from dkimctl.config.settings import Settings
from dkimctl.fleet.database import Database
from dkimctl.fleet.simulation.account import Account
from dkimctl.fleet.simulation.fill import fill
from dkimctl.fleet.simulation.judge import Invariant, Judge, merged
from dkimctl.fleet.simulation.load import Load, Period
from dkimctl.fleet.simulation.moment import Moment
from dkimctl.fleet.simulation.pool import make_pool
from dkimctl.fleet.simulation.relays import SimulatedRelay
from dkimctl.fleet.simulation.scratch import clean_server, scratch_database
from dkimctl.fleet.simulation.world import START, Decide, new_world
from dkimctl.fleet.store import PostgresStore
from dkimctl.fleet.vault import Vault
from dkimctl.keys.sealing import new_secret
from dkimctl.lifecycle.plan import plan
from dkimctl.lifecycle.policy import DAY, policy_for
from dkimctl.programs.cores import cores

_FOR_DOMAIN, _FOR_ROTATION, _FOR_HOUR = 0.003, 0.04, 0.004
"""Seconds of a core, as measured: to make a domain, for a rotation, for each relay in an hour with work."""
_FEWEST = 500
"""Domains that are worth a process."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a fleet of this size does in that time."""

    domains: int
    relays: int
    days: int
    seed: int
    rotations: int
    """Domains that were told to sign with their next key; a domain may be among them several times."""
    keys_made: int
    api_calls: int
    failures: int
    """Changes at the account that failed, or whose answer was lost, and were made up for."""
    absences: int
    """Times that a relay was not heard from for hours or days."""
    calendar: tuple[Period, ...]
    invariants: tuple[Invariant, ...]

    @property
    def exit_code(self) -> int:
        """1 when an invariant was broken, else 0."""
        return int(any(one.broken for one in self.invariants))


@dataclass(frozen=True, slots=True)
class _Share:
    """What the domains of one process did."""

    load: Load
    failures: int
    absences: int
    invariants: tuple[Invariant, ...]


@dataclass(frozen=True, slots=True)
class _Simulated:
    settings: Settings
    server: Callable[[], Database]
    domains: int
    relays: int
    days: int
    seed: int
    decide: Decide
    processes: int

    def share(self, number: int) -> Iterator[int | _Share]:
        """Let every so many-th domain live; yield the days as they pass, and in the end what happened."""
        with self.server() as session, scratch_database(session) as database:
            clock = Moment(database, START)
            fleet_key = Vault(1, {1: new_secret()})
            judge = Judge(Account(self.seed), self._relays(database), lambda one: policy_for(self.settings, one), START)
            pool = make_pool(self.settings.keys, 4 + self.days * DAY * 10 // (9 * self.settings.lifecycle.rotate_after))
            numbers = range(number + 1, self.domains + 1, self.processes)
            fill(database, fleet_key, pool, judge, (f"domain{one}.example" for one in numbers), self.seed)
            world = new_world(self.settings, PostgresStore(database, fleet_key), database, clock, judge, pool)
            world.decide = self.decide
            yield from world.run(START + self.days * DAY)
            judge.end(clock.at)
            absences = sum(relay.absences for relay in judge.relays)
            yield _Share(world.load, judge.account.failures, absences, judge.verdicts())

    def _relays(self, database: Database) -> tuple[SimulatedRelay, ...]:
        names = (f"relay{number}" for number in range(1, self.relays + 1))
        return tuple(SimulatedRelay(name, database, Random(f"{self.seed} {name}"), START) for name in names)  # noqa: S311

    def first(self, numbers: Iterator[int]) -> Iterator[int | _Share]:
        """In a process: work at the first share that it gets."""
        for number in islice(numbers, 1):
            yield from self.share(number)


def minutes(settings: Settings, domains: int, relays: int, days: int) -> int:
    """Return about how many minutes a simulation takes on this machine."""
    rotations = domains * days * DAY / settings.lifecycle.rotate_after
    hours = min(24 * days, 30 * rotations + days)
    processes = _processes(domains)
    seconds = (domains * _FOR_DOMAIN + rotations * _FOR_ROTATION) / processes + hours * (1 + relays) * _FOR_HOUR
    return round(seconds / 60)


def _processes(domains: int) -> int:
    return max(1, min(cores(), domains // _FEWEST))


def simulate(
    settings: Settings,
    server: Callable[[], Database],
    *,
    domains: int,
    relays: int,
    days: int,
    seed: int = 0,
    decide: Decide = plan,
    processes: int | None = None,
    report: Callable[[int], object] = lambda _: None,
) -> Simulation:
    """Let a fleet live for these days, each process with its share of the domains in a database of its own.

    `server`: opens a session at the server on which those are made and dropped. `decide`: the core. `report` is called
    after each day. The same seed gives the same result, whatever the key pairs are, but for the order in which a
    limit on new keys lets the domains of several processes have them. Raises as `scratch_database` and `Database`.
    """
    count = processes or _processes(domains)
    rules = settings.lifecycle._replace(most_new_keys=-(-settings.lifecycle.most_new_keys // count))
    settings = replace(settings, provider="simulated", domains={}, lifecycle=rules)
    simulated = _Simulated(settings, server, domains, relays, days, seed, decide, count)
    with server() as session, clean_server(session):
        shares = list(_reported(_parts(simulated), count, report))
    load = Load.merged(share.load for share in shares)
    calendar = load.calendar(days, relays)
    return Simulation(
        domains,
        relays,
        days,
        seed,
        sum(period.switches for period in calendar),
        sum(period.keys_made for period in calendar),
        sum(period.api_calls for period in calendar),
        sum(share.failures for share in shares),
        max(share.absences for share in shares),
        calendar,
        merged(share.invariants for share in shares),
    )


def _parts(simulated: _Simulated) -> Iterable[int | _Share]:
    if simulated.processes == 1:
        return simulated.share(0)
    from dkimctl.programs.workers import results_of

    return results_of(range(simulated.processes), simulated.first, simulated.processes, portion=1)


def _reported(parts: Iterable[int | _Share], count: int, report: Callable[[int], object]) -> Iterator[_Share]:
    """Yield the shares; report a day when it has passed in all of them on average."""
    passed = told = 0
    for part in parts:
        if isinstance(part, _Share):
            yield part
            continue
        passed += part
        report(passed // count - told)
        told = passed // count
