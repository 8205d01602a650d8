"""`dkimctl ovh`: request and check the credential of the OVH API."""

import os
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import CONTEXT, Number
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.layout import FILE, CommandGroup

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dkimctl.config.settings import Option


@click.group(
    "ovh",
    cls=CommandGroup,
    example="dkimctl ovh login example.com\ndkimctl ovh whoami example.com",
    context_settings=CONTEXT,
)
def command() -> None:
    """Request an OVH consumer key with minimal rights, and show what it may do."""


@make_command(
    "login",
    example="dkimctl ovh login --show-rules example.com\nsudo dkimctl ovh login example.com example.org",
    public=True,
)
@click.argument("zones", nargs=-1, metavar="ZONE...")
@click.option("--show-rules", is_flag=True, help="Print the rights that would be requested, and request nothing.")
@click.option(
    "--credentials",
    type=FILE,
    help="File to store the keys in (default: as configured, else /etc/dkimctl/ovh.conf).",
)
@click.option("--replace", is_flag=True, help="Request a new key even if the stored one is good enough.")
@click.option("--timeout", type=Number(0), default=600, metavar="N", help="Seconds to wait (default 600).")
def login(
    app: App, zones: tuple[str, ...], show_rules: bool, credentials: str | None, replace: bool, timeout: float
) -> int:
    """Request a consumer key for these zones, with no other rights.

    You need an application key and its secret: create them once at https://eu.api.ovh.com/createApp/ and put them in
    OVH_APPLICATION_KEY and OVH_APPLICATION_SECRET, or in the file. The command prints an address; the owner of the
    zones opens it in any browser and allows the key. It is then checked, and stored readable by its owner only.
    """
    if show_rules:
        return _show_rules(app, zones)
    from dkimctl.findings import exit_code
    from dkimctl.output.ovh import login_blocks, show_pending
    from dkimctl.output.progress import Meter
    from dkimctl.providers.ovh.credentials import read_application
    from dkimctl.providers.ovh.login import LoginRequest, log_in

    wanted = _zones(zones, required=True)
    target = _target(app, credentials)
    application = read_application(_options(app), app.settings, os.environ, target)
    request = LoginRequest(application, wanted, target, replace, timeout, named=bool(credentials))
    with Meter(app.terminal, "OVH", total=1, clock=app.clock) as meter:
        done = log_in(request, app.clock, lambda pending: show_pending(pending, app.terminal, meter))
    app.terminal.show(login_blocks(done))
    app.terminal.document("login", done, changed=done.is_change)
    _say_what_is_read(app, target)
    return exit_code(done.credential.findings)


@make_command("whoami", example="dkimctl ovh whoami\ndkimctl ovh whoami example.com --json", public=True)
@click.argument("zones", nargs=-1, metavar="[ZONE]...")
def whoami(app: App, zones: tuple[str, ...]) -> int:
    """Show what the OVH credential may do, and what it lacks.

    Without ZONE, the zones in its own rules. Exit code: 1 when a right that publishing needs is missing or OVH rejects
    the credential, 3 when OVH could not be asked. Nothing is changed.
    """
    from dkimctl.findings import exit_code
    from dkimctl.output.ovh import identity_blocks
    from dkimctl.providers.ovh.credentials import read_credentials
    from dkimctl.providers.ovh.whoami import whoami as look

    identity = look(read_credentials(_options(app), app.settings, os.environ), _zones(zones), app.clock)
    app.terminal.show(identity_blocks(identity))
    app.terminal.document("credential", identity)
    return exit_code(identity.findings)


command.add_command(login)
command.add_command(whoami)


def _show_rules(app: App, zones: tuple[str, ...]) -> int:
    from dkimctl.output.ovh import rule_lines
    from dkimctl.providers.ovh.credentials import DEFAULT_ENDPOINT
    from dkimctl.providers.ovh.endpoint import web_host
    from dkimctl.providers.ovh.grants import rules_for
    from dkimctl.providers.ovh.rights import token_page

    wanted = _zones(zones) or ("ZONE",)
    rules = rules_for(wanted)
    app.terminal.show(rule_lines(rules))
    if len(wanted) == 1:  # for many zones the address of the page would be too long
        host = web_host(os.environ.get("OVH_ENDPOINT", "") or str(_options(app).get("endpoint", DEFAULT_ENDPOINT)))
        app.terminal.note(f"a page that makes all three keys, with these rights: {token_page(wanted[0], host)}")
    app.terminal.document("rules", rules, changed=False)
    return 0


def _zones(named: tuple[str, ...], *, required: bool = False) -> tuple[str, ...]:
    from dkimctl.errors import UsageError
    from dkimctl.names import domain_name

    if required and not named:
        raise UsageError("name the zones that the key is for", hint="such as: dkimctl ovh login example.com")
    return tuple(dict.fromkeys(map(domain_name, named)))


def _options(app: App) -> "Mapping[str, Option]":
    return app.settings.providers.get("ovh", {})


def _target(app: App, named: str | None) -> "Path":
    from pathlib import Path

    from dkimctl.providers.ovh.credentials_file import OWN_FILE

    if named:
        return Path(named)
    return app.settings.at(str(_options(app).get("credentials", OWN_FILE)))


def _say_what_is_read(app: App, target: "Path") -> None:
    """Warn when the stored key is not the one that is used; else show the next command."""
    variables = [name for name in ("OVH_CONSUMER_KEY", "OVH_CONSUMER_KEY_FILE") if os.environ.get(name)]
    if variables:
        app.terminal.warning(f"{variables[0]} is set, and the environment overrides the file", f"unset {variables[0]}")
    elif target.absolute() != _target(app, None).absolute():
        app.terminal.warning(
            f"dkimctl reads credentials from another file: {_target(app, None)}",
            f'write credentials = "{target.absolute()}" under [providers.ovh] in dkimctl.toml',
        )
    else:
        app.terminal.note("next: dkimctl publish DOMAIN --provider ovh")
