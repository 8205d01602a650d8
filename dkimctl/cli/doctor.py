"""`dkimctl doctor`: check everything on this host that decides whether mail is signed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.frame import dns_options, monitoring_format_option

if TYPE_CHECKING:
    from dkimctl.doctor.base import Check, Diagnosis
    from dkimctl.findings import Finding
    from dkimctl.host.world import World
    from dkimctl.keys.store import LifecycleStore


@make_command(
    "doctor", example="sudo dkimctl doctor\nsudo dkimctl doctor --fix\ndkimctl doctor --format nagios", public=True
)
@click.option("--fix", is_flag=True, help="Apply safe repairs: owners, modes, unused table rows.")
@click.option(
    "--dns/--no-dns",
    default=None,
    help="Also check the key records in DNS and the OVH credential (default: unless --root is given).",
)
@monitoring_format_option
@dns_options
def command(app: App, fix: bool, dns: bool | None, form: str) -> int:
    """Check this host: keys, opendkim, Postfix, sockets, clock.

    Every finding has a code, the exact file and line, and the command that fixes it. Exit code: 0 right, 1 an error was
    found, 3 something could not be checked. With --format nagios the exit codes of a Nagios plug-in: 0 OK,
    1 WARNING, 2 CRITICAL, 3 UNKNOWN, also when doctor fails; it prints one line, with -v one more for each problem.
    -q prints only what is wrong.
    """
    from dkimctl.doctor.knownbad import skipped_comparisons
    from dkimctl.doctor.repair import apply_repairs
    from dkimctl.doctor.run import CHECKS, diagnose, findings
    from dkimctl.findings import NOTHING_WRONG, exit_code
    from dkimctl.host.world import read_world
    from dkimctl.output.progress import Meter

    app.refuse_json_with(form, ("nagios", "prometheus"))
    app.json = app.json or form == "json"
    with Meter(app.terminal, "doctor", total=1, clock=app.clock) as meter:
        meter.wait_for("reading the configuration")
        changed = fix and apply_repairs(app.settings, app.clock, app.terminal.note, app.terminal.failure)
        world = read_world(app.settings)
        asks = world.is_live if dns is None else dns
        of_host = _checks_that_ask(app) if asks else CHECKS
        checks = (*of_host, _check_rotation(app), _check_units(app), *_checks_of_fleet(app))
        found = findings(
            diagnose(
                world,
                checks,
                begins=lambda name: meter.wait_for(f"checking: {name}"),
                without_signer=_is_without_signer(app),
            )
        )
    is_quiet = form == "text" and app.is_quiet and not app.json
    shown = [f for f in found if f.severity not in NOTHING_WRONG] if is_quiet else found
    if shown:
        _show(app, shown, form, changed=changed)
    if form == "text" and app.verbosity > 0 and (missing := skipped_comparisons(world)):
        app.terminal.note(missing)
    if form == "nagios":
        from dkimctl.output import nagios

        return nagios.exit_code({f.severity for f in found})
    return exit_code(found)


def _check_rotation(app: App) -> "Check":
    """Return the check whether `rotate` still runs."""
    from dkimctl.doctor.base import Diagnosis
    from dkimctl.lifecycle.last_run import rotation_findings

    def check_rotation(_: "World") -> "Iterator[Diagnosis]":
        if (store := _life_store(app)) and (app.is_control or not app.settings.fleet):  # a relay rotates nothing
            yield from map(Diagnosis, rotation_findings(app.settings, store, app.clock, app.relays))

    return check_rotation


def _check_units(app: App) -> "Check":
    """Return the check whether the units are those that `init` would put there."""
    from dkimctl.doctor.base import Diagnosis
    from dkimctl.timer.outdated import unit_findings

    def check_units(_: "World") -> "Iterator[Diagnosis]":
        yield from map(Diagnosis, unit_findings(app.settings))

    return check_units


def _life_store(app: App) -> "LifecycleStore | None":
    """Return the keys that are rotated here; None where a fleet's cannot be opened, as the check of the fleet says."""
    from dkimctl.errors import DkimctlError

    try:
        return app.life_store
    except DkimctlError:
        if app.is_control:
            return None
        raise


def _checks_of_fleet(app: App) -> "Iterator[Check]":
    """Yield the check of the fleet that this host belongs to."""
    if app.settings.fleet:
        from dkimctl.doctor.base import Diagnosis
        from dkimctl.fleet.health import fleet_findings

        def check_fleet(_: "World") -> "Iterator[Diagnosis]":
            yield from map(Diagnosis, fleet_findings(app.settings, app.clock))

        yield check_fleet


def _is_without_signer(app: App) -> bool:
    """Return True on a host that only controls a fleet."""
    if not app.is_control:
        return False
    from dkimctl.errors import DkimctlError
    from dkimctl.fleet.role import signs_here

    try:
        return not signs_here(app.settings)
    except DkimctlError:
        return False  # its tables cannot be read, which the checks say


def _checks_that_ask(app: App) -> "tuple[Check, ...]":
    """Return all checks, with those that ask DNS and the provider about its credential."""
    from dkimctl.doctor.base import Diagnosis
    from dkimctl.doctor.run import with_network
    from dkimctl.providers.ovh.credential_check import credential_findings

    def check_credential(_: "World") -> "Iterator[Diagnosis]":
        if store := _life_store(app):
            yield from map(Diagnosis, credential_findings(app.settings, store, app.clock))

    return (*with_network(app.settings.lookup), check_credential)


def _show(app: App, found: "Sequence[Finding]", form: str, *, changed: bool) -> None:
    from dkimctl.output.doctor import diagnosis_blocks
    from dkimctl.output.doctor_machine import nagios_text, prometheus_text

    if form == "nagios":
        app.terminal.result(nagios_text(found, verbose=app.verbosity > 0))
    elif form == "prometheus":
        app.terminal.result(prometheus_text(found, app.clock.now()))
    else:
        app.terminal.show(diagnosis_blocks(found, verbose=app.verbosity > 0))
        app.terminal.document("findings", found, changed=changed)
