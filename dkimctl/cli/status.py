"""`dkimctl status`: the state of every key, and the next command."""

from dkimctl.cli.frame import App, domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command


@make_command("status", example="dkimctl status\ndkimctl status example.com --json")
@domains_argument()
def command(app: App, domains: tuple[str, ...]) -> int:
    """Show the state of every key: phase, kind, provider, age.

    It reads the metadata beside the keys and asks no name server; verify-dns does. OVH is asked, in one call, when the
    credential expires with which keys were published. Exit code: 0 right, 1 a finding is an error, 3 something could
    not be read or asked.
    """
    from dkimctl.findings import exit_code
    from dkimctl.lifecycle.status import status
    from dkimctl.output.status import next_lines, status_blocks

    found = status(app.settings, app.store, managed_domains(app, domains), app.clock)
    app.terminal.show(status_blocks(found))
    for line in next_lines(found):
        app.terminal.note(line)
    app.terminal.document("status", found)
    return exit_code(found.findings)
