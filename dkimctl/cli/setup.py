"""`dkimctl setup`: set up new domains in one command."""

from typing import TYPE_CHECKING, Any

import click

from dkimctl.cli.app import App
from dkimctl.cli.completing import complete_providers
from dkimctl.cli.domains import domains_argument
from dkimctl.cli.frame import Number, accept_limits_option, dns_options
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.milter_action import milter_action_option
from dkimctl.config.settings import SIGNERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dkimctl.output.progress import Meter
    from dkimctl.setup.setup import SetupRequest
    from dkimctl.setup.steps import SetupStep, Site


@make_command(
    "setup",
    waits=True,
    example="sudo dkimctl setup example.com --provider ovh\n"
    "sudo dkimctl setup example.com example.org -s mail --provider ovh\n"
    "sudo dkimctl setup example.com --provider zonefile:/etc/bind/db.example.com",
)
@domains_argument(required=True)
@click.option(
    "--provider",
    metavar="NAME",
    shell_complete=complete_providers,
    help="ovh, rfc2136:HOST, lexicon:NAME, zonefile:PATH or manual; default: as configured.",
)
@click.option("--signer", type=click.Choice(tuple(SIGNERS)), help="The daemon that signs (default opendkim).")
@milter_action_option
@click.option("-s", "--selector", metavar="NAME", help="Selector of new keys; default from the configured pattern.")
@click.option("--timeout", type=Number(0), default=600, metavar="N", help="Seconds to wait for DNS (600).")
@accept_limits_option
@dns_options
def command(
    app: App,
    domains: tuple[str, ...],
    signer: str | None,
    milter_default_action: str | None,
    selector: str | None,
    **options: Any,
) -> int:
    """Do everything for new domains: key, record, proof, signing.

    Each step shows its proof. A step whose proof already holds is skipped, so after an interruption run the same
    command again. A key signs only after every authoritative server was seen to serve it; a test signature proves
    it. On the control host of a fleet the relays sign, and the last step is that each of them has proven it.
    """
    from dkimctl.output.progress import Meter
    from dkimctl.setup.setup import set_up
    from dkimctl.setup.steps import StepState

    app.sign_by(signer)
    app.answer_by(milter_default_action)
    with Meter(app.terminal, "setup", total=1, clock=app.clock) as meter:
        steps = set_up(_site(app, meter), _request(app, domains, selector, options))
    app.terminal.document("steps", steps, changed=any(step.state is StepState.DONE for step in steps))
    return max((step.exit_code for step in steps), default=0)


def _site(app: App, meter: "Meter") -> "Site":
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.output.steps import show_step
    from dkimctl.setup.steps import Site

    settings, terminal = app.settings, app.terminal
    choice = key_owner(settings)
    store = app.life_store_of(choice.owner)
    if choice.warning and not app.is_control:
        terminal.warning(choice.warning, choice.hint)

    def report(step: "SetupStep") -> None:
        meter.wait_for("")
        show_step(step, terminal)

    return Site(settings, store, app.clock, report, meter.step, relays=app.relays)


def _request(app: App, domains: tuple[str, ...], selector: str | None, options: "Mapping[str, Any]") -> "SetupRequest":
    from dkimctl.keys.ahead import generator
    from dkimctl.keys.metadata import Tags
    from dkimctl.keys.pair import Algorithm
    from dkimctl.lifecycle.generation import KeyStyle
    from dkimctl.lifecycle.requests import in_slots, requests_for
    from dkimctl.names import selector_from_template
    from dkimctl.setup.setup import SetupRequest

    defaults = app.settings.keys
    chosen = selector or selector_from_template(defaults.selector, app.clock.now())
    requests = in_slots(requests_for(domains, chosen, any_selector=selector is None), app.settings, app.life_store)
    style = KeyStyle(generator(Algorithm(defaults.algorithm), defaults.bits), Tags())
    return SetupRequest(tuple(requests), style, **options)
