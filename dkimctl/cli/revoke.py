"""`dkimctl revoke`: a key that others may hold, out of use and out of DNS."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.completing import complete_domains, complete_selectors
from dkimctl.cli.frame import Number, dns_options
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.lifecycle.revoke import Run
    from dkimctl.lifecycle.steps import RotationStep


@make_command(
    "revoke",
    example="sudo dkimctl revoke example.com --leaked key\nsudo dkimctl revoke example.com dk202611 --leaked key --now",
    waits=True,
)
@click.argument("domain", shell_complete=complete_domains)
@click.argument("selector", required=False, shell_complete=complete_selectors)
@click.option(
    "--leaked",
    type=click.Choice(("key", "host")),
    required=True,
    help="What may have leaked: the private key, or everything on this host.",
)
@click.option("--now", "at_once", is_flag=True, help="Empty the record first: mail in transit fails from then on.")
@click.option("--timeout", type=Number(0), default=600, metavar="N", help="Seconds to wait for DNS (600).")
@dns_options
def command(app: App, domain: str, selector: str | None, leaked: str, at_once: bool, timeout: float) -> int:
    """Take a leaked key out of use, then out of DNS.

    The standby key signs from now on, or a new key once every name server serves it; the daemon is restarted, and
    then the record is emptied (p=). The output says until when resolvers may still hold the old record. It is safe
    to repeat.
    """
    from dkimctl.lifecycle.facts import Leak
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.lifecycle.leaked import leaked_keys
    from dkimctl.lifecycle.revoke import revoke
    from dkimctl.names import domain_name, selector_name
    from dkimctl.output.rotation import show_later, show_result, show_revocation, show_step

    store = app.life_store_of(key_owner(app.settings).owner)
    only = selector_name(selector) if selector else None
    found = leaked_keys(app.settings, store, domain_name(domain), only, Leak(leaked), is_fleet=app.is_control)
    if at_once:
        named = ", ".join(key.selector for key in found.keys)
        app.terminal.warning(
            f"{found.keys[0].domain}: mail signed with {named} fails from now on, until another key signs"
        )
    changes: list[RotationStep] = []

    def tell(step: "RotationStep") -> None:
        show_step(step, app.terminal)
        changes.extend([step] if step.is_change else [])

    result = revoke(
        app.settings,
        store,
        found.keys,
        Leak(leaked),
        clock=app.clock,
        at_once=at_once,
        timeout=timeout,
        report=tell,
        run=_in_fleet(app) if app.is_control else None,
    )
    show_result(result.rotated, app.terminal)
    show_revocation(result, app.terminal)
    show_later(found.later, leaked, app.terminal)
    app.terminal.document("revocation", result, changed=bool(changes))
    return result.exit_code


def _in_fleet(app: App) -> "Run":
    from dkimctl.fleet.work import rotate_fleet

    return lambda domains, begin, report: rotate_fleet(
        app.settings, domains, clock=app.clock, begin=begin, report=report
    )
