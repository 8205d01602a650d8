"""`dkimctl doctor`: check everything on this host that decides whether mail is signed."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from dkimctl.cli.frame import App, dns_options, monitoring_format_option
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.doctor.base import Check, Diagnosis
    from dkimctl.findings import Finding
    from dkimctl.host.world import World


@make_command("doctor", example="sudo dkimctl doctor\nsudo dkimctl doctor --fix\ndkimctl doctor --format nagios")
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
    found, 3 something could not be checked. With --format nagios those of a Nagios plug-in: 0 OK, 1 WARNING,
    2 CRITICAL, 3 UNKNOWN, also for every error. -q prints nothing while nothing is wrong.
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
        if fix:
            apply_repairs(app.settings, app.clock, app.terminal.note, app.terminal.failure)
        world = read_world(app.settings)
        asks = world.is_live if dns is None else dns
        checks = _checks_that_ask(app) if asks else CHECKS
        found = findings(diagnose(world, checks, begins=lambda name: meter.wait_for(f"checking: {name}")))
    is_quiet = form == "text" and app.verbosity < 0
    if not (is_quiet and NOTHING_WRONG.issuperset(f.severity for f in found)):
        _show(app, found, form)
    if form == "text" and app.verbosity > 0 and (missing := skipped_comparisons(world)):
        app.terminal.note(missing)
    if form == "nagios":
        from dkimctl.output import nagios

        return nagios.exit_code({f.severity for f in found})
    return exit_code(found)


def _checks_that_ask(app: App) -> "tuple[Check, ...]":
    """Return all checks, with those that ask DNS and the provider about its credential."""
    from dkimctl.doctor.base import Diagnosis
    from dkimctl.doctor.run import with_network
    from dkimctl.providers.ovh.credential_check import credential_findings

    def check_credential(_: "World") -> "Iterator[Diagnosis]":
        yield from map(Diagnosis, credential_findings(app.settings, app.store, app.clock))

    return (*with_network(app.settings.lookup), check_credential)


def _show(app: App, found: "Sequence[Finding]", form: str) -> None:
    from dkimctl.output.doctor import diagnosis_blocks
    from dkimctl.output.doctor_machine import nagios_text, prometheus_text

    if form == "nagios":
        app.terminal.result(nagios_text(found))
    elif form == "prometheus":
        app.terminal.result(prometheus_text(found, app.clock.now()))
    else:
        app.terminal.show(diagnosis_blocks(found, verbose=app.verbosity > 0))
        app.terminal.document("findings", found)
