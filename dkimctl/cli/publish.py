"""`dkimctl publish`: key records into DNS, proven by reading them back."""

import click

from dkimctl.cli.frame import App, dns_options, domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command


@make_command(
    "publish",
    example="dkimctl publish example.com --provider ovh --dry-run\n"
    "dkimctl publish example.com --provider ovh\n"
    "dkimctl publish example.com --provider zonefile:/etc/bind/db.example.com\n"
    "dkimctl publish example.com --provider manual --wait",
)
@domains_argument()
@click.option(
    "--provider",
    metavar="NAME",
    help="ovh, rfc2136:HOST, lexicon:NAME, zonefile:PATH or manual; default: as configured.",
)
@click.option("-s", "--selector", metavar="NAME", help="Only the key with this selector.")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and change nothing.")
@click.option("--ttl", type=click.IntRange(1, 604800), metavar="N", help="TTL of the records in seconds.")
@click.option("--wait/--no-wait", default=None, help="Wait until every authoritative server serves the record.")
@click.option("--timeout", type=click.FloatRange(0), default=600, metavar="N", help="Seconds to wait (default 600).")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, metavar="N", help="Zones at a time (default 4).")
@click.option("--replace", is_flag=True, help="Also replace records that hold another key.")
@dns_options
def command(
    app: App,
    domains: tuple[str, ...],
    provider: str | None,
    selector: str | None,
    dry_run: bool,
    ttl: int | None,
    wait: bool | None,
    timeout: float,
    jobs: int,
    replace: bool,
) -> int:
    """Publish the key record of each key that is not revoked, and prove it.

    The plan is made from what the provider holds now; what is right already is not touched. Each record is read back
    and compared, then looked for at every authoritative server of its zone.
    """
    from dkimctl.lifecycle.interruption import StoppableClock
    from dkimctl.lifecycle.publication import Choices, publish_at_each
    from dkimctl.lifecycle.records import chosen_keys
    from dkimctl.output.publication import PublicationView

    choices = Choices(dry_run=dry_run, wait=wait, timeout=timeout, jobs=jobs, replace=replace, ttl=ttl)
    keys = chosen_keys(app.store, managed_domains(app, domains), selector)
    view = PublicationView(app.terminal)
    clock = StoppableClock(app.clock)
    publish_at_each(app.settings, app.store, provider, keys, choices, clock=clock, report=view.event)
    return view.end()
