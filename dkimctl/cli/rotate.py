"""`dkimctl rotate`: what is due in the life of the keys, and nothing else."""

from functools import partial
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.domains import Unread, domains_argument, managed_domains, possible_domains
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.frame import dns_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from dkimctl.lifecycle.steps import Rotated


@make_command(
    "rotate",
    example="sudo dkimctl rotate\ndkimctl rotate --dry-run\nsudo dkimctl rotate --now example.com",
    waits=True,
)
@domains_argument()
@click.option("--now", "is_now", is_flag=True, help="Begin a rotation of the named domains now.")
@click.option("--step", "is_single", is_flag=True, help="Do one step, then show the next one and when it is due.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and when the next steps are due.")
@dns_options
def command(app: App, domains: tuple[str, ...], is_now: bool, is_single: bool, dry_run: bool) -> int:
    """Make, publish, switch and retire keys: what is due, and nothing else.

    Made for a timer: silent when nothing is due. A new key signs only after every address of every name server has
    served it twice, and an old one is removed only after all mail signed with it was delivered or given up. After a
    kill at any moment the next run continues.
    """
    from dkimctl.errors import UsageError

    if is_now and not domains:
        raise UsageError("--now needs the domains", hint="dkimctl rotate --now example.com")
    if app.settings.fleet and not dry_run:
        return _rotate_fleet(app, domains, is_now, is_single)
    from dkimctl.keys.store import refuse_keyless

    if domains:
        refuse_keyless(app.life_store, managed_domains(app, domains))
    if dry_run:
        return _preview(app, managed_domains(app, domains, app.life_store))
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.lifecycle.rotate import rotate

    store = app.store_of(key_owner(app.settings).owner)
    return _rotate(app, partial(rotate, app.settings, store), possible_domains(app, domains), is_now, is_single)


def _leave_to_control_host(app: App) -> int:
    """Do nothing, for the timer of a relay: the keys of a fleet are rotated on its control host."""
    from dkimctl.lifecycle.steps import Rotated

    app.terminal.note(
        "this host is a relay of a fleet: its keys are rotated on the control host; see dkimctl fleet sync"
    )
    app.terminal.document("rotation", Rotated((), (), None), changed=False)
    return 0


def _rotate_fleet(app: App, domains: tuple[str, ...], is_now: bool, is_single: bool) -> int:
    from dkimctl.fleet.role import is_relay

    if is_relay(app.settings):
        return _leave_to_control_host(app)
    from dkimctl.fleet.work import rotate_fleet
    from dkimctl.names import domain_name

    named = list(dict.fromkeys(map(domain_name, domains)))
    return _rotate(app, partial(rotate_fleet, app.settings), named, is_now, is_single)


def _rotate(app: App, work: "Callable[..., Rotated]", named: list[str], is_now: bool, is_single: bool) -> int:
    from dkimctl.output.rotation import show_next, show_result, show_step

    result = work(
        named,
        clock=app.clock,
        begin=named if is_now else (),
        single=is_single,
        report=lambda step: show_step(step, app.terminal),
    )
    is_asked = is_now or is_single
    show_result(result, app.terminal, is_asked=is_asked)
    if is_asked:  # nobody is left to guess whether and when it goes on
        show_next(result, app.terminal)
    app.terminal.document("rotation", result, changed=any(step.is_change for step in result.steps))
    return result.exit_code


def _preview(app: App, domains: list[str]) -> int:
    from dkimctl.lifecycle.calendar import calendar
    from dkimctl.output.rotation import calendar_blocks

    unread = Unread(app, domains)
    store = app.life_store
    found = calendar(app.settings, store, domains, app.clock, unread, app.relays)
    app.terminal.show(calendar_blocks(found))
    app.terminal.document("calendar", found, changed=False)
    return unread.exit_code
