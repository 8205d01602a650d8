"""`dkimctl sandbox`: run the OVH-compatible API and the name servers in the foreground."""

import contextlib
import signal
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.layout import FILE
from dkimctl.errors import shell_word
from dkimctl.sandbox.faultkinds import FAULT_KINDS
from dkimctl.sandbox.options import switch_table

if TYPE_CHECKING:
    from dkimctl.sandbox import LoggedCall, Sandbox
    from dkimctl.sandbox.oauth2 import ServiceAccount

STOP = {signal.SIGINT, signal.SIGTERM}
PORT = click.IntRange(1, 65535)


@make_command(
    "sandbox",
    example="dkimctl sandbox --zone example.com > sandbox.env &\n"
    ". ./sandbox.env\n"
    "dkimctl publish example.com --provider ovh\n"
    "dkimctl sandbox --switch truncate-txt --fault 502-html@POST:*/refresh",
    public=True,
)
@click.option(
    "--zone", "zones", multiple=True, metavar="DOMAIN", help="A zone of the account; repeatable (default domain.tld)."
)
@click.option("--api-port", type=PORT, metavar="N", help="Port of the API (default: any free one).")
@click.option("--dns-port", "name_port", type=PORT, metavar="N", help="Port of the name servers (default: any free).")
@click.option("--switch", "switches", multiple=True, metavar="NAME[=VALUE]", help="A switch from the list below.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND@CALL",
    help="Make a call fail: CALL is its number, or METHOD:PATTERN for the next such call; kinds below.",
)
@click.option("--oauth2", is_flag=True, help="Print a service account instead of the three keys.")
@click.option(
    "--without", "lacking", multiple=True, metavar="ACTION", help="An IAM action that the service account may not do."
)
@click.option("--log", "log_file", type=FILE, help="Append every API call to FILE, one JSON object a line.")
def command(
    app: App,
    zones: tuple[str, ...],
    api_port: int | None,
    name_port: int | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    oauth2: bool,
    lacking: tuple[str, ...],
    log_file: str | None,
) -> int:
    """Run an OVH-compatible DNS API and two name servers on loopback until Ctrl-C.

    Prints the environment variables that point dkimctl at them. The signature of every call is checked; a change is
    served in DNS only after a refresh. Nothing leaves this machine, and root is not needed.
    """
    from dkimctl.names import domain_name
    from dkimctl.sandbox import Sandbox
    from dkimctl.sandbox.options import actions_without, parse_fault, parse_switches

    names = [domain_name(zone) for zone in zones] or ["domain.tld"]
    wanted, planned = parse_switches(switches), [parse_fault(fault) for fault in faults]
    allowed = actions_without(lacking) if lacking else None
    with contextlib.ExitStack() as stack:
        on_call = _log_to(log_file, app, stack) if log_file else None
        sandbox = Sandbox(names, wanted, api_port=api_port or 0, dns_port=name_port or 0, on_call=on_call)
        for fault in planned:
            sandbox.faults.add(fault)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # before its threads start, so that only sigwait sees them
        stack.callback(_unblock)
        stack.enter_context(sandbox)
        _announce(app, sandbox, sandbox.accounts.create(allowed) if oauth2 or lacking else None)
        signal.sigwait(STOP)
    app.terminal.note("sandbox: stopped")
    return 0


def _unblock() -> None:
    while signal.sigtimedwait(STOP, 0):
        pass  # Ctrl-C twice is once
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def _announce(app: App, sandbox: "Sandbox", account: "ServiceAccount | None") -> None:
    import sys

    environment = sandbox.environment(account)
    app.terminal.result("".join(f"export {name}={shell_word(value)}\n" for name, value in environment.items()))
    app.terminal.document("sandbox", {"environment": environment, "zones": sorted(sandbox.zones)})
    sys.stdout.flush()
    app.terminal.note(f"sandbox: serving {', '.join(sorted(sandbox.zones))}; Ctrl-C stops it")


def _log_to(path: str, app: App, stack: contextlib.ExitStack) -> "Callable[[LoggedCall], None]":
    """Return a function that appends a call to a file, and warns when the disk refuses one."""
    from dkimctl.errors import reason
    from dkimctl.files import open_log
    from dkimctl.sandbox.calls import log_line

    file = open_log(path)
    stack.callback(file.close)

    def log(call: "LoggedCall") -> None:
        try:
            file.write(log_line(call) + "\n")
        except OSError as error:
            app.terminal.warning(f"a call is missing in the log {path}: {reason(error)}")

    return log


def _lists() -> str:
    """Return switches and kinds of faults for the help text; `\\b` keeps click from joining the lines."""
    lines = ["\b", "Switches:"]
    for form, meaning in switch_table():
        lines += [f"  {form}", *textwrap.wrap(meaning, 70, initial_indent=" " * 6, subsequent_indent=" " * 6)]
    kinds = textwrap.wrap(
        ", ".join(FAULT_KINDS), 74, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    timed = "  429=SECONDS@CALL asks to retry after that time, slow-body=SECONDS@CALL takes\n  that long to send it"
    return "\n".join([*lines, "", "\b", "Faults:", *kinds, timed])


_CLIENTS = """\
Other clients of the API: lego takes OVH_ENDPOINT as it is. Programs that use python-ovh (octodns-ovh) need
ovh.client.ENDPOINTS["ovh-eu"] = os.environ["OVH_ENDPOINT"] before they start, dns-lexicon and certbot-dns-ovh the same
in ENDPOINTS of lexicon._private.providers.ovh. A client that speaks https only (Node's ovh) needs a proxy with TLS in
front that passes Host on, or sends it as X-Forwarded-Host. Only requests for localhost or a loopback address are
answered.
"""

command.epilog = f"{_lists()}\n\n{_CLIENTS}"
