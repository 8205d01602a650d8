"""`dkimctl doctor`: everything on this host that decides whether mail is signed, looked at."""

import click

from dkimctl.cli.frame import App
from dkimctl.cli.frame import command as make_command


@make_command("doctor", example="sudo dkimctl doctor\nsudo dkimctl doctor --fix\ndkimctl doctor --format nagios")
@click.option("--fix", is_flag=True, help="Mend what cannot hurt: owners, modes, rows that never count.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "nagios", "prometheus"]),
    default="text",
    help="How to print (default: text).",
)
def command(app: App, fix: bool, form: str) -> int:
    """Check this host: keys, opendkim, Postfix, sockets, clock.

    Every finding has a code, the exact file and line, and the command that mends it. Exit code: 0 right, 1 an error was
    found, 3 something could not be looked at.
    """
    from dkimctl.findings import exit_code
    from dkimctl.host.doctor.run import diagnose, findings
    from dkimctl.host.repair import mend
    from dkimctl.host.world import read_world
    from dkimctl.output.doctor import diagnosis_text

    app.json = app.json or form == "json"
    if fix:
        diagnoses = mend(app.settings, app.clock, app.terminal.note, app.terminal.failure)
    else:
        diagnoses = diagnose(read_world(app.settings))
    found = findings(diagnoses)
    app.terminal.result(diagnosis_text(found, form, verbose=app.verbosity > 0))
    app.terminal.document("findings", found)
    return exit_code(found)
