"""`dkimctl delete`: a key that is not needed, or a whole domain."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.completing import complete_domains, complete_selectors
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from dkimctl.lifecycle.steps import RotationStep


@make_command(
    "delete", example="sudo dkimctl delete example.com dk202611\nsudo dkimctl delete example.com --stop-signing"
)
@click.argument("domain", shell_complete=complete_domains)
@click.argument("selector", required=False, shell_complete=complete_selectors)
@click.option("--stop-signing", is_flag=True, help="Also delete a key that signs: mail leaves unsigned from then on.")
@click.option("--under-way", is_flag=True, help="Also delete a key whose mail may be in transit: that mail then fails.")
@click.option("--dry-run", is_flag=True, help="Show what would be done.")
def command(app: App, domain: str, selector: str | None, stop_signing: bool, under_way: bool, dry_run: bool) -> int:
    """Delete an unused key, or a whole domain: out of the tables, then its records, then the private keys.

    A key that signs is refused without --stop-signing. What mail in transit needs is kept until it is delivered; for a
    whole domain rotate removes it later. A record with anything but exactly this key is not touched. On the control
    host of a fleet the relays have to stop first: nothing is removed before each of them has confirmed it.
    """
    from dkimctl.lifecycle.deletable import Consent
    from dkimctl.names import domain_name, selector_name
    from dkimctl.output.rotation import show_step, show_waits

    steps = _deleting(app)(
        domain_name(domain),
        selector_name(selector) if selector else None,
        consent=Consent(stop_signing, under_way),
        dry_run=dry_run,
        clock=app.clock,
        report=lambda step: None if step.outcome == "waits" else show_step(step, app.terminal),
    )
    show_waits(steps, app.terminal)
    if not steps:
        app.terminal.note(f"{' '.join(filter(None, (domain, selector)))}: nothing is left to delete")
    app.terminal.document("steps", steps, changed=any(step.is_change for step in steps))
    return 0


def _deleting(app: App) -> "Callable[..., tuple[RotationStep, ...]]":
    """Return what deletes: keys of this machine, or on its control host a fleet's. Raises Refused on a relay."""
    from functools import partial

    if app.is_control:
        from dkimctl.fleet.removal import delete_from_fleet

        return partial(delete_from_fleet, app.settings)
    from dkimctl.lifecycle.delete import delete
    from dkimctl.lifecycle.generation import key_owner

    return partial(delete, app.settings, app.life_store_of(key_owner(app.settings).owner))
