"""`dkimctl why`: predict whether mail from a sender is signed, by which key, or why not."""

import os
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.frame import dns_options

if TYPE_CHECKING:
    from dkimctl.verify.report import Report
    from dkimctl.why.answer import Mail, WhyAnswer


@make_command(
    "why",
    example="sudo dkimctl why contact@example.com\n"
    "sudo dkimctl why contact@example.com --client 203.0.113.9\n"
    "sudo dkimctl why contact@example.com --client 'mx.example.com[203.0.113.9]'",
    public=True,
)
@click.argument("sender")
@click.option(
    "--client",
    metavar="IP|HOST[IP]",
    default="localhost[127.0.0.1]",
    help="The SMTP client, as Postfix logs it (default: this machine).",
)
@click.option("--auth", "login", metavar="USER", default="", help="The user of SMTP AUTH (default: none).")
@click.option("--dns/--no-dns", default=None, help="Check the key record too (default: unless --root is given).")
@dns_options
def command(app: App, sender: str, client: str, login: str, dns: bool | None) -> int:
    """Predict whether mail from SENDER is signed, by which lines and key, or why not.

    SENDER is the From field or the address in it, which alone decides. A signing daemon other than opendkim is asked
    with a test message that is not delivered. Exit code: 0 signed, 1 not signed or the key record is wrong, 3 something
    could not be checked.
    """
    from dkimctl.errors import shell_word
    from dkimctl.host.world import read_world
    from dkimctl.output.why import answer_blocks
    from dkimctl.why.answer import MailOutcome
    from dkimctl.why.decisions import decide

    mail = _mail(sender, client, login)
    answer = _by_fleet(app, mail) or decide(read_world(app.settings), mail)
    asks = app.settings.is_live if dns is None else dns
    reports = _records(app, answer) if asks else []
    app.terminal.show(answer_blocks(answer, reports))
    if answer.outcome is MailOutcome.UNKNOWN and os.geteuid() != 0:
        app.terminal.note(f"root may read more: sudo dkimctl why {shell_word(sender)}")
    app.terminal.document("answer", {"answer": answer, "records": reports})
    return _exit_code(answer, reports)


def _by_fleet(app: App, mail: "Mail") -> "WhyAnswer | None":
    """Return what the relays of a fleet do, on a control host without a signer; None elsewhere."""
    if not app.is_control:
        return None
    from dkimctl.fleet.role import signs_here
    from dkimctl.fleet.why import answer

    if signs_here(app.settings):
        return None
    keys = app.fleet_keys()
    return answer(app.settings, keys.store, keys.relays, mail)


def _mail(sender: str, client: str, login: str) -> "Mail":
    from ipaddress import ip_address

    from dkimctl.errors import UsageError
    from dkimctl.names import printable
    from dkimctl.why.answer import Mail

    name, bracket, address = client.partition("[")
    address = address.rstrip("]") if bracket else name
    try:
        ip = ip_address(address.removeprefix("IPv6:"))
    except ValueError as error:
        raise UsageError(
            f"not an address: {printable(address)}", hint="use 203.0.113.9, or mail.example.com[203.0.113.9]"
        ) from error
    # Postfix treats ::ffff:192.0.2.1 as 192.0.2.1, and so do its milters
    shown = str(getattr(ip, "ipv4_mapped", None) or ip)
    return Mail(_address(sender), shown, name if bracket else "unknown", login)


def _address(sender: str) -> str:
    """Return the address of a From field, with the domain as A-labels, as in mail."""
    from email.utils import parseaddr

    from dkimctl.names import domain_name

    address = parseaddr(sender)[1] if "<" in sender else sender
    user, at, domain = (address or sender).rpartition("@")
    return f"{user}{at}{domain if domain.isascii() else domain_name(domain)}"


def _records(app: App, answer: "WhyAnswer") -> "list[Report]":
    from dkimctl.verify.check import check
    from dkimctl.verify.report import Target

    targets = [Target(s.selector.lower(), s.domain.lower(), s.key) for s in answer.signatures]
    return list(check(targets, app.settings.lookup))


def _exit_code(answer: "WhyAnswer", reports: "list[Report]") -> int:
    from dkimctl.findings import Severity, exit_code
    from dkimctl.why.answer import severity_of

    severity = severity_of(answer.outcome)
    if severity is not Severity.OK:
        return 3 if severity is Severity.UNKNOWN else 1
    if not all(signing.is_valid for signing in answer.signatures):
        return 1
    return exit_code(f for report in reports for f in report.findings)
