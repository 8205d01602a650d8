"""`dkimctl status`: the state of every key, and the next command."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.domains import domains_argument, managed_domains, possible_domains
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dkimctl.fleet.overview import FleetStatus
    from dkimctl.lifecycle.status import Status

_FOR_PROGRAMS = ("nagios", "prometheus")


@make_command(
    "status",
    example="dkimctl status\ndkimctl status example.com\ndkimctl status --format html > keys.html\n"
    "dkimctl status --format prometheus",
)
@domains_argument()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", *_FOR_PROGRAMS, "html", "ledger"]),
    default="text",
    help="How to print (default: text); ledger: JSON of the selectors that signatures may name now.",
)
def command(app: App, domains: tuple[str, ...], form: str) -> int:
    """Show the state of every key: phase, kind, age, and the next step with its date.

    With a DOMAIN also the history and the future of its keys, removed ones included. Reads the metadata next to the
    keys and queries no name server; verify-dns does that. Shows why rotate could not do a step. Asks OVH once when
    the credential expires that published keys. On the control host of a fleet the relays are shown too, unless a
    DOMAIN is named; fleet status, with fewer rights, shows only them. Exit code: 0 right, 1 a finding is an error, 3
    something could not be read or asked. With --format nagios the exit codes of a Nagios plug-in: 0 OK, 1 WARNING
    (also where a person has to act), 2 CRITICAL, 3 UNKNOWN; it prints one line, with -v one more for each problem.
    -q prints nothing while all is right.
    """
    from dkimctl.findings import exit_code
    from dkimctl.lifecycle.status import status

    app.refuse_json_with(form, (*_FOR_PROGRAMS, "html"))
    app.json = app.json or form in ("json", "ledger")
    wanted = managed_domains(app, domains) if form in ("html", "ledger") else possible_domains(app, domains)
    found = status(
        app.settings,
        app.life_store,
        wanted,
        app.clock,
        are_listed=not domains,
        relays=app.relays,
        typed=app.typed,
    )
    fleet = None if domains else app.fleet_status
    if fleet is not None:
        found = _with_fleet(found, fleet, app)
    if not (found.keys or found.keyless):
        managed_domains(app, domains)  # raises where there is none, and goes on where none could be read
    if form in _FOR_PROGRAMS:
        return _show_for_monitoring(app, found, form, fleet)
    if form == "html":
        _show_page(app, found, wanted, fleet)
    elif form == "ledger":
        _show_ledger(app, wanted)
    elif form == "json" or not _is_silent(app, found):
        _show_text(app, found, wanted if domains else [], fleet)
    return exit_code(found.findings)


def _with_fleet(found: "Status", fleet: "FleetStatus", app: App) -> "Status":
    """Return the status with what is wrong in the fleet among its findings."""
    from dataclasses import replace

    from dkimctl.fleet.health import problems_of

    more = tuple(replace(one, fix=app.typed(one.fix)) for one in problems_of(fleet))
    return replace(found, findings=(*found.findings, *more))


def _is_silent(app: App, found: "Status") -> bool:
    """Return True where -q has nothing to say: every domain signs, nothing is wrong, and nobody has to act."""
    from dkimctl.output.status_machine import nagios_exit_code

    return app.is_quiet and not app.json and nagios_exit_code(found) == 0


def _show_text(app: App, found: "Status", named: "Sequence[str]", fleet: "FleetStatus | None") -> None:
    from dkimctl.output.status import next_lines, status_blocks

    app.terminal.show(status_blocks(found))
    more: dict[str, object] = {}
    if fleet is not None:
        from dkimctl.output.fleet_relays import status_blocks as fleet_blocks
        from dkimctl.output.layout import GAP

        app.terminal.show([GAP, *fleet_blocks(fleet, has_findings=True)])
        more["fleet"] = fleet
    if named:
        from dkimctl.lifecycle.history import lives
        from dkimctl.output.status_timeline import timeline_blocks, timeline_document

        life = list(lives(app.settings, app.life_store, named, app.clock, app.relays))
        app.terminal.show(timeline_blocks(life, app.clock.now()))
        more["timeline"] = timeline_document(life)
    for line in next_lines(found):
        app.terminal.note(line)
    app.terminal.document("status", found, **more)


def _show_page(app: App, found: "Status", wanted: "Sequence[str]", fleet: "FleetStatus | None") -> None:
    from dkimctl.lifecycle.history import lives
    from dkimctl.output.status_html import html_page

    life = lives(app.settings, app.life_store, wanted, app.clock, app.relays)
    app.terminal.result(html_page(found, life, app.clock.now(), fleet))


def _show_ledger(app: App, wanted: "Sequence[str]") -> None:
    from dkimctl.lifecycle.history import ledger

    app.terminal.document("ledger", ledger(app.settings, app.life_store, wanted, app.clock, app.relays))


def _show_for_monitoring(app: App, found: "Status", form: str, fleet: "FleetStatus | None") -> int:
    from dkimctl.findings import exit_code
    from dkimctl.output.status_machine import nagios_exit_code, nagios_text, prometheus_lines

    if form == "nagios":
        app.terminal.result(nagios_text(found, verbose=app.verbosity > 0))
        return nagios_exit_code(found)
    app.terminal.lines(prometheus_lines(found, app.clock.now()))
    if fleet is not None:
        from dkimctl.output.fleet_relays import prometheus_lines as fleet_lines

        app.terminal.lines(fleet_lines(fleet, app.clock.now()))
    return exit_code(found.findings)
