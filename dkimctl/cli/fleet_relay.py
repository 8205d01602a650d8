"""The relays of a fleet: `fleet join` and `fleet sync` on a relay; `approve`, `drain`, `remove`, `status` elsewhere."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.errors import DkimctlError
    from dkimctl.fleet.membership import Membership
    from dkimctl.fleet.sync import Synced

_relay_argument = click.argument("name", metavar="NAME")


@make_command("join", example="sudo dkimctl fleet join mx1")
@_relay_argument
def join(app: App, name: str) -> int:
    """Register this host as a relay; print its fingerprint.

    The identity is created in /etc/dkimctl/relay.age, readable by its owner only. The relay gets no key before
    an operator compares the fingerprint and approves it on the control host. It is safe to repeat.
    """
    from dkimctl.fleet.access import open_fleet
    from dkimctl.fleet.membership import join as register
    from dkimctl.fleet.membership import relay_name

    wanted = relay_name(name)
    with open_fleet(app.settings) as database:
        return _show(app, register(app.settings, database, wanted))


@make_command(
    "approve",
    example="sudo dkimctl fleet approve mx1\n"
    "sudo dkimctl fleet approve mx1 --fingerprint lusab-babad-gutih-tugad-bihos",
)
@_relay_argument
@click.option("--fingerprint", metavar="WORDS", help="The fingerprint that the relay printed.")
def approve(app: App, name: str, fingerprint: str | None) -> int:
    """Give a relay the fleet's keys, once its fingerprint matches.

    Run it on the control host. The fingerprint must be the one that the relay itself printed; without --fingerprint
    the one in the database is shown. A drained relay returns to service.
    """
    from dkimctl.fleet.access import control
    from dkimctl.fleet.membership import approve as admit
    from dkimctl.fleet.membership import relay_name

    wanted = relay_name(name)
    with control(app.settings) as (database, vault):
        return _show(app, admit(database, vault, wanted, fingerprint))


@make_command("drain", example="sudo dkimctl fleet drain mx1")
@_relay_argument
def drain(app: App, name: str) -> int:
    """Take a relay out of service for a while.

    From now on nothing waits for it. Stop mail on it first. Once it has synced again, dkimctl fleet approve returns
    it to service.
    """
    from dkimctl.fleet.access import open_fleet
    from dkimctl.fleet.membership import drain as take_out
    from dkimctl.fleet.membership import relay_name

    wanted = relay_name(name)
    with open_fleet(app.settings) as database:
        return _show(app, take_out(database, wanted))


@make_command("remove", example="sudo dkimctl fleet remove mx1\nsudo dkimctl fleet remove mx1 --compromised")
@_relay_argument
@click.option(
    "--compromised", is_flag=True, help="Others may have its keys: replace all of them, as for a leaked host."
)
def remove(app: App, name: str, compromised: bool) -> int:
    """Remove a relay from the fleet; encrypt every key again.

    Private keys are encrypted under a new fleet key, which this relay never had. It still holds its own copies in
    plain text: where those may be in wrong hands, --compromised marks each key as revoke --leaked host does, and
    the next runs of rotate replace them.
    """
    from dkimctl.fleet.access import control
    from dkimctl.fleet.membership import relay_name
    from dkimctl.fleet.membership import remove as end

    wanted = relay_name(name)
    with control(app.settings) as (database, vault):
        return _show(app, end(database, vault, wanted, compromised=compromised, now=app.clock.now()))


def _show(app: App, made: "Membership") -> int:
    from dkimctl.output.fleet_relays import show_membership

    show_membership(made, app.terminal)
    app.terminal.document("membership", made, changed=made.is_change)
    return 0


@make_command(
    "sync",
    example="sudo dkimctl fleet sync\nsudo dkimctl fleet sync --watch\nsudo dkimctl fleet sync --full",
    waits=True,
)
@click.option("--watch", "keeps_on", is_flag=True, help="Follow the database until stopped; print each change.")
@click.option("--full", is_flag=True, help="Fetch every key again, also those that this relay has.")
@click.option(
    "--before-start",
    "starts",
    is_flag=True,
    help="Ask once, briefly; a failure does not keep the signer from starting.",
)
@click.option("--accept-older", is_flag=True, help="Accept a database that was restored from an older backup.")
def sync(app: App, keeps_on: bool, full: bool, starts: bool, accept_older: bool) -> int:
    """Fetch, install, prove and confirm what changed.

    Run it on a relay; dkimctl init installs a timer for it. Signing does not depend on it: while the database
    cannot be reached, the signer goes on with its local files. With --watch, for a service, each change arrives at
    once, and an outage of the database does not end it. With --before-start, for a unit that runs before the
    signer's, it always succeeds, unless [fleet] max_stale forbids a start with old keys. Exit code: 1 refused, or a
    key does not sign; 3 the database cannot be reached, or nothing could be proven yet.
    """
    from dkimctl.errors import UsageError

    if (keeps_on or starts) and (full or accept_older or (keeps_on and starts)):
        raise UsageError("--watch and --before-start go with no other option", hint="run one pass with it first")
    if keeps_on or starts:
        return _watch(app) if keeps_on else _before_start(app)
    from dkimctl.fleet.access import open_fleet
    from dkimctl.fleet.admission import own_identity
    from dkimctl.fleet.sync import sync as pass_once
    from dkimctl.output.fleet_relays import show_synced, synced_value

    own_identity(app.settings)
    with open_fleet(app.settings) as database:
        done = pass_once(
            app.settings,
            app.store,
            database,
            clock=app.clock,
            full=full,
            accept_older=accept_older,
            report=app.terminal.detail,
        )
    show_synced(done, app.terminal)
    app.terminal.document("synced", synced_value(done), changed=done.applied is not None)
    return done.exit_code


def _before_start(app: App) -> int:
    from dkimctl.errors import DkimctlError
    from dkimctl.fleet.start import before_start
    from dkimctl.output.fleet_relays import show_synced, synced_value

    done = before_start(app.settings, app.store, clock=app.clock)
    if isinstance(done, DkimctlError):
        app.terminal.warning(f"the signer starts with the keys that are here: {done.message}", done.hint)
        app.terminal.document("synced", None, changed=False)
        return 0
    show_synced(done, app.terminal)
    app.terminal.document("synced", synced_value(done), changed=done.applied is not None)
    return 0


def _watch(app: App) -> int:
    from threading import Event

    from dkimctl.fleet.watch import watch
    from dkimctl.output.fleet_relays import show_synced

    said: list[object] = [None]

    def passed(done: "Synced") -> None:
        if done.applied is not None or said[0] != (done.failed, done.cautions):
            show_synced(done, app.terminal)
        said[0] = (done.failed, done.cautions)

    def failed(error: "DkimctlError") -> None:
        if said[0] != error.message:
            app.terminal.warning(error.message, error.hint)
        said[0] = error.message

    watch(app.settings, app.store, clock=app.clock, stop=Event(), passed=passed, failed=failed)
    return 0


@make_command("status", example="dkimctl fleet status\ndkimctl fleet status --format prometheus")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "prometheus"]),
    default="text",
    help="How to print (default: text).",
)
def status(app: App, form: str) -> int:
    """Show the relays, and the domains that are due or fail.

    Exit code: 0 all is right, 1 a relay is silent for more than ten minutes, reports a problem, or has a wrong clock,
    or a domain failed. A role that was granted dkimctl_reader suffices.
    """
    from dkimctl.fleet.access import open_fleet
    from dkimctl.fleet.overview import look
    from dkimctl.output.fleet_relays import prometheus_lines, status_blocks

    app.refuse_json_with(form, ("prometheus",))
    app.json = app.json or form == "json"
    with open_fleet(app.settings) as database:
        found = look(database)
    if form == "prometheus":
        app.terminal.result("".join(prometheus_lines(found, app.clock.now())))
        return found.exit_code
    app.terminal.show(status_blocks(found))
    app.terminal.document("fleet", found)
    return found.exit_code


COMMANDS = (join, approve, sync, status, drain, remove)
