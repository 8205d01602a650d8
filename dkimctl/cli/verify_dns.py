"""`dkimctl verify-dns`: check the key record at every authoritative server."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.domains import domains_argument, selector_option
from dkimctl.cli.frame import Number, dns_options, show_schema
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.layout import FILE

if TYPE_CHECKING:
    from dkimctl.cli.report_printer import ReportPrinter
    from dkimctl.cli.verify_names import Source
    from dkimctl.verify.report import Target

_THOROUGH = 3  # up to so many names are checked with every available query


@make_command(
    "verify-dns",
    example="dkimctl verify-dns example.com\n"
    "dkimctl verify-dns example.com -s mail --recursive\n"
    "dkimctl verify-dns example.com --watch --timeout 600\n"
    "dkimctl verify-dns --from-file names.txt --format jsonl\n"
    "dkimctl verify-dns example.com --mail-auth",
    public=True,
)
@domains_argument()
@selector_option("Only this selector; needed for a domain without a key here.")
@click.option("--key", "key_file", type=FILE, help="Compare with this private key file; needs -s and one domain.")
@click.option(
    "--from-file",
    type=FILE,
    help="Check a list: lines `selector._domainkey.domain` or `domain selector`.",
)
@click.option("--from-message", type=FILE, help="Check the keys that the signatures of a message refer to; - is stdin.")
@click.option(
    "--authoritative/--recursive",
    "authoritative",
    default=True,
    help="Query the zone's own servers (default), or also resolvers, to see cached records.",
)
@click.option("--mail-auth", is_flag=True, help="Check SPF and DMARC instead, and whether DMARC counts the signature.")
@click.option("--watch", is_flag=True, help="Recheck until all are right; print each change.")
@click.option("--timeout", type=Number(1), default=3600, metavar="N", help="Seconds that --watch lasts (3600).")
@click.option("--resume", type=FILE, help="Record finished names in FILE and skip them next time.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10000), default=512, metavar="N", help="Names checked in parallel (512)."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "jsonl", "nagios", "prometheus", "schema"]),
    default="text",
    help="text (default); json: one document; jsonl: a line for each name as it is checked; nagios; prometheus; "
    "schema: only print the JSON Schema of json and jsonl.",
)
@dns_options
def command(
    app: App,
    *,
    authoritative: bool,
    mail_auth: bool,
    watch: bool,
    timeout: float,
    resume: str | None,
    concurrency: int,
    form: str,
    **which: object,
) -> int:
    """Check the key record of each DOMAIN at every authoritative server.

    Without DOMAIN, every managed domain. The record is compared with the private key on this disk; for a domain without
    a key here, name the selector with -s. With the extra badkeys, keys known to be bad are found as well (lists of
    fewer than 200 names). Exit code: 0 right, 1 an error was found, 3 something could not be checked. With --format
    nagios the exit codes of a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL (an error was found), 3 UNKNOWN, also when
    verify-dns fails; it prints one line, with -v one more for each problem. -q prints nothing while all is right.
    """
    if form == "schema":
        show_schema(click.get_current_context())
        return 0
    app.refuse_json_with(form, ("nagios", "prometheus"))
    if mail_auth:
        from dkimctl.cli.verify_mail_auth import show_mail_auth

        return show_mail_auth(app, form, watch=watch, resume=resume, **which)  # type: ignore[arg-type]
    from dkimctl.cli.report_printer import ReportPrinter
    from dkimctl.cli.verify_names import source_of

    form = "json" if app.json and form == "text" else form
    app.json = app.json or form == "json"
    outcome = ReportPrinter(app, form, resume=resume)
    source = outcome.still_to_do(source_of(app, outcome.bad_lines, **which))  # type: ignore[arg-type]
    return _check(app, outcome, source, not authoritative, concurrency, timeout if watch else None)


def _check(
    app: App, outcome: "ReportPrinter", source: "Source", recursive: bool, concurrency: int, watching: float | None
) -> int:
    """Check a few names in this process and all at once, many in several; `watching`: for so many seconds."""
    from itertools import chain, islice

    from dkimctl.cli.verify_names import WORTH_SHARING, raise_nothing_named

    names = iter(source.names)
    first = list(islice(names, WORTH_SHARING)) or raise_nothing_named()
    if watching is not None:
        return _watch(app, outcome, list(source.targets([*first, *names])), recursive, watching)
    if len(first) < WORTH_SHARING:
        # read all of them now: an unreadable key is reported before anything is asked
        return _check_few(app, outcome, list(source.targets(first)), recursive, concurrency)
    return _check_many(app, outcome, source.of(chain(first, names)), recursive, concurrency)


def _watch(app: App, outcome: "ReportPrinter", targets: "list[Target]", recursive: bool, timeout: float) -> int:
    from dkimctl.output.progress import Meter
    from dkimctl.verify.polling import watch

    outcome.in_full = len(targets) <= _THOROUGH or app.verbosity > 0
    changes = watch(targets, app.settings.lookup, recursive=recursive, timeout=timeout, clock=app.clock)
    names = targets[0].owner if len(targets) == 1 else f"{len(targets)} key records"
    with Meter(app.terminal, "watching", total=1, clock=app.clock) as meter:
        meter.wait_for(f"waiting up to {timeout:g} s until {names} {'is' if len(targets) == 1 else 'are'} right")
        return outcome.show_changes(changes)


def _check_few(app: App, outcome: "ReportPrinter", targets: "list[Target]", recursive: bool, concurrency: int) -> int:
    from dkimctl.keys.knownbad import not_checked
    from dkimctl.verify.check import check
    from dkimctl.verify.parallel import portions
    from dkimctl.verify.shared_keys import with_shared_keys

    thorough = len(targets) <= _THOROUGH
    outcome.in_full = thorough or app.verbosity > 0
    brief, lookup = outcome.is_brief, app.settings.lookup
    reports = check(targets, lookup, recursive=recursive, thorough=thorough, brief=brief, concurrency=concurrency)
    outcome.not_checked = not_checked()
    return outcome.show(map(outcome.portion, portions(with_shared_keys(reports))), len(targets))


def _check_many(app: App, outcome: "ReportPrinter", source: "Source", recursive: bool, concurrency: int) -> int:
    from dkimctl.cli.verify_names import WORTH_SHARING
    from dkimctl.verify.parallel import Manner, check_in_parallel

    outcome.in_full = app.verbosity > 0
    outcome.not_checked = f"of {WORTH_SHARING} names and more, none is compared with the keys known to be bad"
    manner = Manner(source.targets, outcome.portion, outcome.is_brief, outcome.is_nameless, recursive, concurrency)
    return outcome.show(check_in_parallel(source.names, app.settings.lookup, manner), source.count)
