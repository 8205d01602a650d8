"""`dkimctl rotate`: what is due in the life of the keys, and nothing else."""

import click

from dkimctl.cli.domains import Unread, domains_argument, managed_domains, possible_domains
from dkimctl.cli.frame import App, dns_options
from dkimctl.cli.frame import command as make_command


@make_command(
    "rotate",
    example="sudo dkimctl rotate\ndkimctl rotate --dry-run\nsudo dkimctl rotate --now example.com",
    waits=True,
)
@domains_argument()
@click.option("--now", "is_now", is_flag=True, help="Begin a rotation of the named domains now.")
@click.option("--step", "is_single", is_flag=True, help="Do one step, then say what the next is and when.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and when what comes next is due.")
@dns_options
def command(app: App, domains: tuple[str, ...], is_now: bool, is_single: bool, dry_run: bool) -> int:
    """Make, publish, switch and retire keys: what is due, and nothing else.

    Made for a timer: silent when nothing is due. A new key signs only after every address of every name server gave it
    twice, and an old one goes only after its mail is through. Killed at any moment, the next run goes on.
    """
    from dkimctl.errors import UsageError

    if is_now and not domains:
        raise UsageError("--now needs the domains", hint="dkimctl rotate --now example.com")
    from dkimctl.keys.store import refuse_keyless

    if domains:
        refuse_keyless(app.store, managed_domains(app, domains))
    if dry_run:
        return _preview(app, managed_domains(app, domains))
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.lifecycle.rotate import rotate
    from dkimctl.output.rotation import show_next, show_result, show_step

    named = possible_domains(app, domains)
    store = app.store_of(key_owner(app.settings).owner)
    result = rotate(
        app.settings,
        store,
        named,
        clock=app.clock,
        begin=named if is_now else (),
        single=is_single,
        report=lambda step: show_step(step, app.terminal),
    )
    show_result(result, app.terminal)
    if is_single:
        show_next(result, app.terminal)
    app.terminal.document("rotation", result, changed=any(step.is_change for step in result.steps))
    return result.exit_code


def _preview(app: App, domains: list[str]) -> int:
    from dkimctl.lifecycle.calendar import calendar
    from dkimctl.output.rotation import calendar_blocks

    unread = Unread(app, domains)
    found = calendar(app.settings, app.store, domains, app.clock, unread)
    app.terminal.show(calendar_blocks(found))
    app.terminal.document("calendar", found, changed=False)
    return unread.exit_code
