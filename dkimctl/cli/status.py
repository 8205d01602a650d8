"""`dkimctl status`: the state of every key, and the next command."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.domains import domains_argument, managed_domains
from dkimctl.cli.frame import App
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    With a DOMAIN also the life of its keys, past and planned. It reads the metadata beside the keys and asks no name
    server; verify-dns does. OVH is asked, in one call, when the credential expires with which keys were published.
    Exit code: 0 right, 1 a finding is an error, 3 something could not be read or asked. With --format nagios those of a
    Nagios plug-in: 0 OK, 1 WARNING (also where a person has to act), 2 CRITICAL, 3 UNKNOWN.
    -q prints nothing while all is right.
    """
    from dkimctl.findings import exit_code
    from dkimctl.lifecycle.status import as_typed, status

    app.refuse_json_with(form, (*_FOR_PROGRAMS, "html"))
    app.json = app.json or form in ("json", "ledger")
    wanted = managed_domains(app, domains)
    found = as_typed(status(app.settings, app.store, wanted, app.clock), app.typed)
    if form in _FOR_PROGRAMS:
        return _show_for_monitoring(app, found, form)
    if form == "html":
        _show_page(app, found, wanted)
    elif form == "ledger":
        _show_ledger(app, wanted)
    elif form == "json" or not _is_silent(app, found):
        _show_text(app, found, wanted if domains else [])
    return exit_code(found.findings)


def _is_silent(app: App, found: "Status") -> bool:
    """Return True where -q has nothing to say: every domain signs, nothing is wrong, and nobody has to act."""
    from dkimctl.output.status_machine import nagios_exit_code

    return app.verbosity < 0 and not app.json and nagios_exit_code(found) == 0


def _show_text(app: App, found: "Status", named: "Sequence[str]") -> None:
    from dkimctl.output.status import next_lines, status_blocks

    app.terminal.show(status_blocks(found))
    if named and not app.json:
        from dkimctl.lifecycle.history import lives
        from dkimctl.output.status_timeline import timeline_blocks

        app.terminal.show(timeline_blocks(lives(app.settings, app.store, named, app.clock), app.clock.now()))
    for line in next_lines(found):
        app.terminal.note(line)
    app.terminal.document("status", found)


def _show_page(app: App, found: "Status", wanted: "Sequence[str]") -> None:
    from dkimctl.lifecycle.history import lives
    from dkimctl.output.status_html import html_page

    app.terminal.result(html_page(found, lives(app.settings, app.store, wanted, app.clock), app.clock.now()))


def _show_ledger(app: App, wanted: "Sequence[str]") -> None:
    from dkimctl.lifecycle.history import ledger

    app.terminal.document("ledger", ledger(app.settings, app.store, wanted, app.clock))


def _show_for_monitoring(app: App, found: "Status", form: str) -> int:
    from dkimctl.findings import exit_code
    from dkimctl.output.status_machine import nagios_exit_code, nagios_text, prometheus_lines

    if form == "nagios":
        app.terminal.result(nagios_text(found))
        return nagios_exit_code(found)
    app.terminal.result("".join(prometheus_lines(found, app.clock.now())))
    return exit_code(found.findings)
