"""`dkimctl delete`: a key that is not needed, or a whole domain."""

import click

from dkimctl.cli.completing import complete_domains, complete_selectors
from dkimctl.cli.frame import App
from dkimctl.cli.frame import command as make_command


@make_command(
    "delete", example="sudo dkimctl delete example.com dk202611\nsudo dkimctl delete example.com --stop-signing"
)
@click.argument("domain", shell_complete=complete_domains)
@click.argument("selector", required=False, shell_complete=complete_selectors)
@click.option("--stop-signing", is_flag=True, help="Also a key that signs: mail goes out unsigned from then on.")
@click.option("--under-way", is_flag=True, help="Also a key whose mail may be under way: it fails from then on.")
@click.option("--dry-run", is_flag=True, help="Show what would be done.")
def command(app: App, domain: str, selector: str | None, stop_signing: bool, under_way: bool, dry_run: bool) -> int:
    """Delete an unused key, or a whole domain: out of the tables, then its records, then the private keys.

    A key that signs is refused without --stop-signing. What mail under way needs stays until that is through: of a
    whole domain rotate takes it away in time. A record that is not of exactly this key is left alone.
    """
    from dkimctl.lifecycle.delete import Consent, delete
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.names import domain_name, selector_name
    from dkimctl.output.rotation import show_step

    steps = delete(
        app.settings,
        app.store_of(key_owner(app.settings).owner),
        domain_name(domain),
        selector_name(selector) if selector else None,
        consent=Consent(stop_signing, under_way),
        dry_run=dry_run,
        clock=app.clock,
        report=lambda step: show_step(step, app.terminal),
    )
    app.terminal.document("steps", steps, changed=any(step.is_change for step in steps))
    return 0
