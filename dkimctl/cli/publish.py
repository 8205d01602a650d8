"""`dkimctl publish`: publish key records in DNS, proven by reading them back."""

from typing import Any

import click

from dkimctl.cli.app import App
from dkimctl.cli.completing import complete_providers
from dkimctl.cli.domains import Unread, domains_argument, managed_domains, selector_option
from dkimctl.cli.frame import Number, accept_limits_option, dns_options
from dkimctl.cli.frame import command as make_command


@make_command(
    "publish",
    waits=True,
    example="dkimctl publish example.com --provider ovh --dry-run\n"
    "dkimctl publish example.com --provider ovh\n"
    "dkimctl publish example.com --provider zonefile:/etc/bind/db.example.com\n"
    "dkimctl publish example.com --provider manual --wait",
)
@domains_argument()
@click.option(
    "--provider",
    metavar="NAME",
    shell_complete=complete_providers,
    help="ovh, rfc2136:HOST, lexicon:NAME, zonefile:PATH or manual; default: as configured.",
)
@selector_option("Only keys with this selector.")
@click.option("--dry-run", is_flag=True, help="Show the plan and its digest, and change nothing.")
@click.option("--plan-digest", metavar="D", help="Apply the plan with this digest or nothing; see --dry-run.")
@click.option("--ttl", type=click.IntRange(1, 604800), metavar="N", help="TTL of the records in seconds.")
@click.option("--wait/--no-wait", default=None, help="Wait until every authoritative server serves the record.")
@click.option("--timeout", type=Number(0), default=600, metavar="N", help="Seconds to wait (default 600).")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, metavar="N", help="API calls in parallel (default 4).")
@click.option(
    "--rate",
    type=Number(0, 1000),
    metavar="N",
    help="Requests per second, for each credential (default 20, for rfc2136 no limit; 0: no limit).",
)
@click.option("--resume", is_flag=True, help="Skip keys that an earlier run finished.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    help="text (default); json: one document; jsonl: a line for each key as it ends.",
)
@click.option("--replace", is_flag=True, help="Also replace records that hold another key.")
@accept_limits_option
@dns_options
def command(
    app: App,
    domains: tuple[str, ...],
    *,
    provider: str | None,
    selector: str | None,
    resume: bool,
    form: str,
    **options: Any,
) -> int:
    """Publish the key record of each key that is not revoked, and prove it.

    The plan compares the keys with the provider's current records; right ones are not touched. Each written record is
    read back and compared, then checked at every authoritative server of its zone.
    """
    from dkimctl.output.publication import PublicationView
    from dkimctl.publish.publish import Choices, publish_streaming, unfinished
    from dkimctl.publish.stop import Stop
    from dkimctl.record.published_keys import chosen_keys

    app.json = app.json or form == "json"
    choices = Choices(**options)
    store = app.life_store_of(None)
    named = managed_domains(app, domains, store)
    unread = Unread(app, named)
    keys = chosen_keys(store, named, selector, unread)
    names = [key.name for key in (unfinished(keys, choices) if resume else keys)]
    view = PublicationView(app.terminal, lines=form == "jsonl", total=len(names), clock=app.clock)
    with view.meter:
        view.meter.wait_for("reading and writing the zones")
        publish_streaming(
            app.settings, store, provider, names, choices, clock=app.clock, stop=Stop(), report=view.event
        )
    return max(view.end(), unread.exit_code)
