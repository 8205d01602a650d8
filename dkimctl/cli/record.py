"""`dkimctl record`: print the key record, ready to be pasted or piped."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.domains import Unread, domains_argument, managed_domains, selector_option
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.frame import dns_options

if TYPE_CHECKING:
    from dkimctl.errors import DiskError
    from dkimctl.record.published_keys import NamedRecord


@make_command(
    "record", example="sudo dkimctl record example.com\nsudo dkimctl record example.com --format ovh", public=True
)
@domains_argument()
@selector_option("Only keys with this selector.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["zone", "oneline", "ovh", "json"]),
    default="zone",
    help="zone: lines for a zone file (default); oneline: one line; ovh: the fields of OVH's form; json.",
)
@dns_options
def command(app: App, domains: tuple[str, ...], selector: str | None, form: str) -> int:
    """Print the key record of each key that is not revoked.

    The record is derived from the private key on disk, so it always verifies its signatures. A user who may not read
    the key gets the record that DNS serves.
    """
    from dkimctl.errors import DiskError, DkimctlError, is_denied
    from dkimctl.output.records import aliases_text, record_text
    from dkimctl.record.published_keys import key_records

    app.json = app.json or form == "json"
    store = app.life_store
    named = managed_domains(app, domains, store)
    unread = Unread(app, named)

    def tell(error: DkimctlError) -> None:
        if domains and is_denied(error):
            raise error
        unread(error)

    try:
        found = key_records(app.settings, store, named, selector, tell)
    except DiskError as error:
        if not (domains and is_denied(error)):
            raise
        found = _served(app, domains, selector, error)
    app.terminal.result("".join(record_text(record, form) for record in found) + aliases_text(found, form))
    app.terminal.document("records", found)
    return unread.exit_code


def _served(app: App, domains: tuple[str, ...], selector: str | None, error: "DiskError") -> "list[NamedRecord]":
    """Return the records from DNS; without -s those of the selectors in the daemon's tables, which all may read."""
    from dkimctl.dkim.keysource import served_records
    from dkimctl.install.eligible_keys import installed_keys
    from dkimctl.keys.store import KeyName
    from dkimctl.names import selector_name

    wanted = managed_domains(app, domains)
    if selector:
        names = [KeyName(domain, selector_name(selector)) for domain in wanted]
    else:
        names = [KeyName(*name) for name in sorted(installed_keys(app.settings)) if name[0] in wanted]
    if {name.domain for name in names} != set(wanted):
        raise error
    app.terminal.warning(f"{error.message}: this is the record that DNS serves", "sudo dkimctl record derives it")
    return served_records(names, app.settings)
