"""`fleet simulate`: the real core and the real SQL in a simulated world, which judges what they did."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.simulation.scratch import clean_server, open_server, scratch_database
from dkimctl.fleet.simulation.simulate import Simulation, simulate
from dkimctl.lifecycle.facts import Facts
from dkimctl.lifecycle.plan import Action, Do, Plan, plan
from dkimctl.lifecycle.policy import Policy
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server

_DAY = 86400


@pytest.fixture
def server(postgres: Server) -> Iterator[Database]:
    """A session at the server on which simulations make their databases."""
    with connect(postgres.url("postgres")) as session:
        yield session


def _settings(rotate_after: int) -> Settings:
    """Small keys, and short lives."""
    settings = Settings()
    rules = settings.lifecycle._replace(rotate_after=rotate_after * _DAY, private_key_for=50 * _DAY)
    return replace(settings, keys=settings.keys._replace(algorithm="ed25519"), lifecycle=rules)


def _simulated(server: Database, **options: Any) -> Simulation:
    return simulate(_settings(options.pop("rotate_after", 90)), lambda: server.beside("postgres"), **options)


def test_a_year_of_a_small_fleet(server: Database) -> None:
    """Every rotation ends and every invariant holds while relays are away and answers are lost; nothing is left."""
    done = _simulated(server, domains=8, relays=2, days=400, seed=3)
    assert [one for one in done.invariants if one.broken] == [] and done.exit_code == 0
    assert {one.name for one in done.invariants if not one.checks} == {"I9", "I11", "I12"}
    assert done.rotations >= 8 * 3 and done.absences > 0
    assert done.api_calls == sum(period.api_calls for period in done.calendar) > 6 * done.keys_made
    assert [(one.first_day, one.last_day) for one in done.calendar][-2:] == [(361, 390), (391, 400)]
    assert all(one.busiest_hour <= one.busiest_day <= one.api_calls for one in done.calendar)
    assert sum(one.relay_bytes for one in done.calendar) > 400 * done.keys_made
    assert server.rows("SELECT datname FROM pg_database WHERE datname LIKE 'dkimctl\\_sim%'") == []


def test_processes_share_the_work(server: Database) -> None:
    """Two of them come to the same result as one: each has its domains, and all of the relays."""
    both = [_simulated(server, domains=4, relays=2, days=30, seed=5, processes=count) for count in (1, 2)]
    assert both[0] == both[1] and both[0].rotations > 0


def _forgets_mail(policy: Policy, facts: Facts, now: int, **begin: Any) -> Plan:
    return plan(policy._replace(keep_after=0), facts, now, **begin)


def _hurries(policy: Policy, facts: Facts, now: int, **begin: Any) -> Plan:
    """Switches to a key as soon as it is made."""
    planned = plan(policy, facts, now, **begin)
    new = [key for key in facts.keys if not (key.has_signed or key.is_revoked)]
    switches = tuple(Action(Do.SWITCH, key.algorithm, key.id) for key in new)
    return planned._replace(actions=(*switches, *planned.actions), due=now + 3600)


def _never_rotates(policy: Policy, facts: Facts, now: int, **begin: Any) -> Plan:
    return plan(policy._replace(rotate_after=10**9), facts, now, **begin)


@pytest.mark.parametrize(
    ("broken", "days", "invariants"),
    [(_forgets_mail, 40, {"I1"}), (_hurries, 3, {"I1", "I5"}), (_never_rotates, 70, {"I10"})],
)
def test_a_broken_core_is_found_out(server: Database, broken: Any, days: int, invariants: set[str]) -> None:
    """The judge looks at the world and not at what was noted, so that it can say no."""
    done = _simulated(server, domains=3, relays=2, days=days, rotate_after=40, decide=broken)
    assert {one.name for one in done.invariants if one.broken and one.examples} >= invariants, done.invariants
    assert done.exit_code == 1


def test_the_command(dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str) -> None:
    """It uses the server of the configured fleet, whose database stays as it is."""
    configure(dkimctl_inside.scratch, postgres, empty_database, more='[keys]\nalgorithm = "ed25519"')
    asked = ("fleet", "simulate", "--domains", "2", "--relays", "1", "--days", "2")
    document = dkimctl_inside(*asked, "--json").json["simulation"]
    assert (document["domains"], document["days"], len(document["invariants"])) == (2, 2, 12)
    shown = dkimctl_inside(*asked, "--seed", "2", "--database", postgres.url("postgres"))
    assert shown.code == 0 and "held" in shown.out and "BYTES A RELAY" in shown.out, shown.err
    with connect(postgres.url(empty_database)) as database:
        assert database.value("SELECT to_regnamespace('dkimctl')") is None


def test_what_a_killed_one_has_left_is_dropped(postgres: Server, server: Database) -> None:
    """The next one removes a database that nobody uses, and leaves one that someone does."""
    for number in (1, 2):
        server.run(f"CREATE DATABASE dkimctl_simulation_{number}")
    with connect(postgres.url("dkimctl_simulation_2")), clean_server(server):
        found = server.rows("SELECT datname FROM pg_database WHERE datname LIKE 'dkimctl\\_simulation\\__'")
    assert found == [("dkimctl_simulation_2",)]
    server.run("DROP DATABASE dkimctl_simulation_2")


def test_a_role_that_may_make_no_database(postgres: Server) -> None:
    """What it needs is said; a password in the arguments is refused."""
    postgres.run("CREATE ROLE makes_none LOGIN")
    with connect(postgres.url("postgres", "makes_none")) as session, pytest.raises(ConfigError) as refused:
        scratch_database(session).__enter__()
    assert "CREATEDB" in refused.value.hint
    with pytest.raises(ConfigError, match="password"):
        open_server(Settings(), "postgresql://root:secret@127.0.0.1/x")
