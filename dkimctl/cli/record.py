"""`dkimctl record`: print the key record, ready to be pasted or piped."""

import click

from dkimctl.cli.domains import domains_argument, managed_domains, selector_option
from dkimctl.cli.frame import App
from dkimctl.cli.frame import command as make_command


@make_command("record", example="dkimctl record example.com\ndkimctl record example.com --format ovh")
@domains_argument()
@selector_option("Only keys with this selector.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["zone", "oneline", "ovh", "json"]),
    default="zone",
    help="zone: lines for a zone file (default); oneline: one line; ovh: the fields of OVH's form; json.",
)
def command(app: App, domains: tuple[str, ...], selector: str | None, form: str) -> int:
    """Print the key record of each key that is not revoked.

    The record is derived from the private key on disk, so it always verifies its signatures.
    """
    from dkimctl.output.records import aliases_text, record_text
    from dkimctl.record.published_keys import key_records

    app.json = app.json or form == "json"
    found = key_records(app.settings, app.store, managed_domains(app, domains), selector)
    app.terminal.result("".join(record_text(record, form) for record in found) + aliases_text(found, form))
    app.terminal.document("records", found)
    return 0
