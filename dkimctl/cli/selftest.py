"""`dkimctl selftest`: send messages and verify their signatures."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.domains import domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.frame import dns_options

if TYPE_CHECKING:
    from dkimctl.selftest.attempt import Attempt


@make_command(
    "selftest",
    example="sudo dkimctl selftest\n"
    "sudo dkimctl selftest example.com --via smtp\n"
    "dkimctl selftest example.com --to me@example.org --relay 127.0.0.1\n"
    "dkimctl selftest example.com --to me@example.org --relay mx:587 --starttls",
    public=True,
)
@domains_argument()
@click.option(
    "--via",
    type=click.Choice(["milter", "smtp", "sendmail"]),
    help="milter: through the daemon's socket, no mail is sent (default); smtp, sendmail: a second Postfix "
    "with the settings of the real one, which delivers to dkimctl only.",
)
@click.option("--to", "recipient", metavar="ADDRESS", help="Send one real message to ADDRESS instead.")
@click.option("--relay", metavar="HOST[:PORT]", help="With --to: the SMTP server (127.0.0.1:25).")
@click.option("--starttls", is_flag=True, help="With --to: encrypt, and check the relay's certificate.")
@click.option(
    "--auth",
    "user",
    metavar="USER",
    help="With --to: log in; the password is in DKIMCTL_SMTP_PASSWORD, or in the file DKIMCTL_SMTP_PASSWORD_FILE.",
)
@dns_options
def command(
    app: App,
    domains: tuple[str, ...],
    via: str | None,
    recipient: str | None,
    relay: str | None,
    starttls: bool,
    user: str | None,
) -> int:
    """Send messages from each DOMAIN and verify their signatures with the keys from DNS.

    Without DOMAIN, every managed domain. For the first one, also messages that commonly break signatures: 8-bit text,
    long lines, trailing blanks, no body, many fields. A key that is not in DNS yet is verified with the one on this
    disk. Exit code: 0 signed, 1 not signed or broken in transit, 3 unknown: no daemon, no DNS.
    """
    from dkimctl.errors import UsageError

    if recipient:
        if via:
            raise UsageError("--to sends a real message, --via none", hint="use only one of them")
        return _to_a_person(app, domains, recipient, relay or "127.0.0.1", starttls, user or "")
    if relay or starttls or user:
        raise UsageError("--relay, --starttls and --auth belong to --to", hint="add --to ADDRESS")
    return _test(app, domains, via or "milter")


def _test(app: App, domains: tuple[str, ...], via: str) -> int:
    from dkimctl.output.progress import Meter
    from dkimctl.output.selftest import selftest_blocks
    from dkimctl.selftest.probing import Prober, Via
    from dkimctl.selftest.selftest import selftest

    app.refuse_without_signer()
    with Meter(app.terminal, "messages", clock=app.clock) as meter:

        def report(attempt: "Attempt") -> None:
            app.terminal.detail(f"{attempt.sender}: {attempt.case}: {attempt.state.value}")
            meter.advance(1)

        prober = Prober(app.settings, app.store, app.clock, report)
        result = selftest(prober, managed_domains(app, domains), Via(via))
    if not (app.is_quiet and result.is_all_signed):
        app.terminal.show(selftest_blocks(result))
    app.terminal.document("selftest", result)
    return result.exit_code


def _to_a_person(app: App, domains: tuple[str, ...], recipient: str, relay: str, starttls: bool, user: str) -> int:
    from dkimctl.errors import UsageError, shell_word
    from dkimctl.output.selftest import sent_blocks
    from dkimctl.selftest.person import Relay, password_from, recipient_from, relay_from, send

    named = managed_domains(app, domains)
    if len(named) != 1:
        raise UsageError(
            "--to needs one domain to send from", hint=f"such as: dkimctl selftest {shell_word(named[0])} --to …"
        )
    host, port = relay_from(relay)
    server = Relay(host, port, starttls, user, password_from() if user else "")
    # postmaster is an address that every domain with mail has (RFC 2142 §5): bounces arrive
    sent = send(server, f"postmaster@{named[0]}", recipient_from(recipient), app.clock.now())
    app.terminal.show(sent_blocks(sent))
    app.terminal.document("sent", sent)
    return 0
