"""`dkimctl delete`: an unused key, or the keys of a domain that does not sign any more."""

import click

from dkimctl.cli.completing import complete_domains, complete_selectors
from dkimctl.cli.frame import App
from dkimctl.cli.frame import command as make_command


@make_command("delete", example="sudo dkimctl delete example.com dk202611")
@click.argument("domain", shell_complete=complete_domains)
@click.argument("selector", required=False, shell_complete=complete_selectors)
def command(app: App, domain: str, selector: str | None) -> int:
    """Delete an unused key: its record, then its private key.

    Without a selector all keys of the domain. A key that signs is refused, and one whose mail may be under way; rotate
    takes those away in time. A record that is not of exactly this key is left alone.
    """
    from dkimctl.lifecycle.delete import delete, unused_keys
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.names import domain_name, selector_name
    from dkimctl.output.rotation import show_step

    store = app.store_of(key_owner(app.settings).owner)
    named = selector_name(selector) if selector else None
    keys = unused_keys(app.settings, store, domain_name(domain), named, app.clock)
    steps = delete(app.settings, store, keys, clock=app.clock, report=lambda step: show_step(step, app.terminal))
    app.terminal.document("steps", steps)
    return 0
