"""`dkimctl verify-dns`: does DNS hold the right key record, at every server."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dkimctl.cli.frame import App, dns_options, domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.verify.report import Target


@make_command(
    "verify-dns",
    example="dkimctl verify-dns example.com\n"
    "dkimctl verify-dns example.com -s mail --recursive\n"
    "dkimctl verify-dns --from-file names.txt --format json",
)
@domains_argument()
@click.option("-s", "--selector", metavar="NAME", help="Only this selector; needed for a domain without a key here.")
@click.option("--key", "key_file", metavar="FILE", help="Compare with this private key file; needs -s and one domain.")
@click.option(
    "--from-file",
    metavar="FILE|-",
    help="Check the names in a list: lines of 'selector._domainkey.domain' or 'domain selector'.",
)
@click.option(
    "--authoritative/--recursive",
    "authoritative",
    default=True,
    help="Ask the zone's own servers (default), or the resolvers as well: what caches still hold.",
)
@click.option("--concurrency", type=click.IntRange(1, 10000), metavar="N", help="Names under way at once (256).")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print (default: text)."
)
@dns_options
def command(
    app: App,
    domains: tuple[str, ...],
    selector: str | None,
    key_file: str | None,
    from_file: str | None,
    authoritative: bool,
    concurrency: int | None,
    form: str,
) -> int:
    """Check the key record of each DOMAIN at every authoritative server.

    Without DOMAIN, every managed domain. The record is compared with the private key on this disk; for a domain without
    a key here, name the selector with -s. Exit code: 0 right, 1 an error was found, 3 something could not be asked.
    """
    from dkimctl.findings import exit_code
    from dkimctl.output.progress import watched
    from dkimctl.output.verification import verification_text
    from dkimctl.verify.check import CONCURRENCY, check

    app.json = app.json or form == "json"
    bad_lines: list[int] = []
    targets = _targets(app, domains, selector, key_file, from_file, bad_lines)
    found = check(targets, app.settings.lookup, recursive=not authoritative, concurrency=concurrency or CONCURRENCY)
    reports = list(watched(found, app.terminal, "names"))
    app.terminal.result(verification_text(reports, verbose=app.verbosity > 0))
    app.terminal.document("reports", reports)
    return exit_code(f for report in reports for f in report.findings) or (2 if bad_lines else 0)


def _targets(
    app: App,
    domains: tuple[str, ...],
    selector: str | None,
    key_file: str | None,
    from_file: str | None,
    bad_lines: list[int],
) -> "Iterator[Target]":
    from dkimctl.errors import UsageError
    from dkimctl.names import selector_name
    from dkimctl.verify.targets import targets_of

    wanted = selector_name(selector) if selector else None
    if from_file:
        if domains or selector or key_file:
            raise UsageError("--from-file goes with no domain, -s or --key", hint="the list names everything")
        return _from_list(app, from_file, bad_lines)
    named = managed_domains(app, domains)
    if key_file:
        return iter([_with_key(key_file, named, wanted)])
    # all of them now: a key that cannot be read is said before anything is asked
    return iter(list(targets_of(named, wanted, app.settings, app.store)))


def _with_key(key_file: str, domains: list[str], selector: str | None) -> "Target":
    from pathlib import Path

    from dkimctl.errors import UsageError
    from dkimctl.keys.pair import load
    from dkimctl.verify.targets import target_of

    if len(domains) != 1 or selector is None:
        raise UsageError(
            "--key needs exactly one domain and -s", hint="such as: example.com -s mail --key mail.private"
        )
    return target_of(domains[0], selector, load(Path(key_file)).public)


def _from_list(app: App, source: str, bad_lines: list[int]) -> "Iterator[Target]":
    from dkimctl.errors import UsageError, disk_errors
    from dkimctl.verify.targets import listed_targets

    def bad_line(number: int, error: UsageError) -> None:
        bad_lines.append(number)
        app.terminal.warning(f"line {number} of {source}: {error.message}", error.hint)

    with disk_errors(f"read {source}"), open(0 if source == "-" else source, "rb", closefd=source != "-") as stream:
        lines = (line.decode("utf-8", "replace") for line in stream)
        yield from listed_targets(lines, app.settings, app.store, bad_line)
