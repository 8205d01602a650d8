"""`dkimctl fleet simulate`: what a fleet of this size costs, before there is one."""

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command
from dkimctl.names import counted


@make_command(
    "simulate",
    example="dkimctl fleet simulate --domains 10000 --relays 3 --days 365\n"
    "dkimctl fleet simulate --domains 500 --relays 2 --days 90 --seed 7 --json",
)
@click.option(
    "--domains", "size", type=click.IntRange(1, 1_000_000), required=True, metavar="N", help="Number of domains."
)
@click.option("--relays", type=click.IntRange(1, 100), required=True, metavar="M", help="Number of relays.")
@click.option("--days", type=click.IntRange(1, 3660), required=True, metavar="D", help="Number of days.")
@click.option("--seed", type=int, default=0, metavar="S", help="Seed of the random events (default: 0).")
@click.option(
    "--database",
    metavar="CONNINFO",
    help="A PostgreSQL server (default: the fleet's, else postgresql:///postgres).",
)
def command(app: App, size: int, relays: int, days: int, seed: int, database: str | None) -> int:
    """Simulate a fleet of this size and show its load.

    It makes databases of its own, dkimctl_simulation_…, on the server that it connects to, and drops them at the
    end: its role needs CREATEDB, and CREATEROLE where that server has no fleet yet. No other database, relay,
    account or name server is touched. The rules and the SQL of rotate run for every simulated hour, with [keys] and
    [lifecycle] as configured, for domains with keys of all ages; relays that are away, an account that fails, and
    name servers that are late are simulated. All simulated mail is checked against what DNS served then. The daily
    checks of records in use are left out: they are DNS queries, not API calls. Exit code: 0 every invariant held, 1
    one was broken.
    """
    from dkimctl.fleet.simulation.scratch import open_server
    from dkimctl.fleet.simulation.simulate import minutes, simulate
    from dkimctl.output.fleet_simulation import show_simulation
    from dkimctl.output.progress import Meter

    if (expected := minutes(app.settings, size, relays, days)) > 1:
        app.terminal.note(f"this may take {counted(expected, 'minute')} on this machine")
    with Meter(app.terminal, "days", total=days, clock=app.clock) as meter:
        done = simulate(
            app.settings,
            lambda: open_server(app.settings, database),
            domains=size,
            relays=relays,
            days=days,
            seed=seed,
            report=meter.advance,
        )
    show_simulation(done, app.terminal)
    app.terminal.document("simulation", done)
    return done.exit_code
