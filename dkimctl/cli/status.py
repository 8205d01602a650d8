"""`dkimctl status`: the state of every key, and the next command."""

from typing import TYPE_CHECKING

from dkimctl.cli.domains import domains_argument, managed_domains
from dkimctl.cli.frame import App, monitoring_format_option
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.lifecycle.status import Status


@make_command("status", example="dkimctl status\ndkimctl status example.com --json\ndkimctl status --format prometheus")
@domains_argument()
@monitoring_format_option
def command(app: App, domains: tuple[str, ...], form: str) -> int:
    """Show the state of every key: phase, kind, age, and the next step with its date.

    It reads the metadata beside the keys and asks no name server; verify-dns does. OVH is asked, in one call, when the
    credential expires with which keys were published. Exit code: 0 right, 1 a finding is an error, 3 something could
    not be read or asked. With --format nagios those of a Nagios plug-in: 0 OK, 1 WARNING (also where a domain has no
    active key), 2 CRITICAL, 3 UNKNOWN.
    """
    from dkimctl.findings import exit_code
    from dkimctl.lifecycle.status import as_typed, status

    app.refuse_json_with(form, ("nagios", "prometheus"))
    app.json = app.json or form == "json"
    found = as_typed(status(app.settings, app.store, managed_domains(app, domains), app.clock), app.typed)
    if form in ("nagios", "prometheus"):
        return _show_for_monitoring(app, found, form)
    from dkimctl.output.status import next_lines, status_blocks

    app.terminal.show(status_blocks(found))
    for line in next_lines(found):
        app.terminal.note(line)
    app.terminal.document("status", found)
    return exit_code(found.findings)


def _show_for_monitoring(app: App, found: "Status", form: str) -> int:
    from dkimctl.findings import exit_code
    from dkimctl.output.status_machine import nagios_exit_code, nagios_text, prometheus_lines

    if form == "nagios":
        app.terminal.result(nagios_text(found))
        return nagios_exit_code(found)
    app.terminal.result("".join(prometheus_lines(found, app.clock.now())))
    return exit_code(found.findings)
