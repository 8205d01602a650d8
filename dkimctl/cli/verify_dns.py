"""`dkimctl verify-dns`: does DNS hold the right key record, at every server."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import click

from dkimctl.cli.frame import App, dns_options, domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.verify.report import Target

_WORTH_SHARING = 200  # domains; below, a second process costs more than it gives
_THOROUGH = 3  # so many names are looked at with every question there is


@make_command(
    "verify-dns",
    example="dkimctl verify-dns example.com\n"
    "dkimctl verify-dns example.com -s mail --recursive\n"
    "dkimctl verify-dns example.com --watch --timeout 600\n"
    "dkimctl verify-dns --from-file names.txt --format jsonl",
)
@domains_argument()
@click.option("-s", "--selector", metavar="NAME", help="Only this selector; needed for a domain without a key here.")
@click.option("--key", "key_file", metavar="FILE", help="Compare with this private key file; needs -s and one domain.")
@click.option(
    "--from-file", metavar="FILE", help="Check a list: lines `selector._domainkey.domain` or `domain selector`."
)
@click.option("--from-message", metavar="FILE", help="Check what the signatures of a message refer to; - is stdin.")
@click.option(
    "--authoritative/--recursive",
    "authoritative",
    default=True,
    help="Ask the zone's own servers (default), or the resolvers as well: what caches still hold.",
)
@click.option("--watch", is_flag=True, help="Look again until all is right; one line a change.")
@click.option("--timeout", type=click.IntRange(1), default=3600, metavar="N", help="Seconds that --watch lasts (3600).")
@click.option("--resume", metavar="FILE", help="Note in FILE what is done, and pass over what stands there.")
@click.option("--concurrency", type=click.IntRange(1, 10000), metavar="N", help="Names under way at once (256).")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "jsonl", "nagios", "prometheus"]),
    default="text",
    help="text (default); json: one document; jsonl: a line as each comes; nagios; prometheus.",
)
@dns_options
def command(
    app: App,
    *,
    authoritative: bool,
    watch: bool,
    timeout: int,
    resume: str | None,
    concurrency: int | None,
    form: str,
    **which: object,
) -> int:
    """Check the key record of each DOMAIN at every authoritative server.

    Without DOMAIN, every managed domain. The record is compared with the private key on this disk; for a domain without
    a key here, name the selector with -s. Exit code: 0 right, 1 an error was found, 3 something could not be asked.
    """
    from itertools import islice

    from dkimctl.cli.verifying import Outcome
    from dkimctl.verify.check import CONCURRENCY, check
    from dkimctl.verify.parallel import check_in_shares
    from dkimctl.verify.report import in_brief
    from dkimctl.verify.watch import watch as look_again

    app.json = app.json or form == "json"
    outcome = Outcome(app, form, watch=watch, resume=resume)
    width = concurrency or CONCURRENCY
    lookup = app.settings.lookup
    if form == "text" and authoritative and not (watch or resume or app.json or any(which.values())):
        shares = _shares(app)
        if len(shares) > 1:
            return outcome.show(check_in_shares(shares, lookup, in_brief, concurrency=width))
    targets = outcome.still_to_do(_targets(app, outcome.bad_lines, **which))  # type: ignore[arg-type]
    first = list(islice(targets, _THOROUGH + 1))
    if watch:
        return outcome.show(look_again([*first, *targets], lookup, timeout=timeout, clock=app.clock))
    every = (target for some in (first, targets) for target in some)
    thorough = len(first) <= _THOROUGH
    return outcome.show(check(every, lookup, recursive=not authoritative, thorough=thorough, concurrency=width))


def _shares(app: App) -> "list[Callable[[], Iterator[Target]]]":
    """The managed keys in as many shares as there are cores; a few keys are one share."""
    from dkimctl.verify.parallel import cores
    from dkimctl.verify.targets import targets_of

    domains = managed_domains(app, ())
    count = cores() if len(domains) >= _WORTH_SHARING else 1
    return [partial(targets_of, domains[n::count], None, app.settings, app.store) for n in range(count)]


def _targets(
    app: App,
    bad_lines: list[int],
    *,
    domains: tuple[str, ...],
    selector: str | None,
    key_file: str | None,
    from_file: str | None,
    from_message: str | None,
) -> "Iterator[Target]":
    from dkimctl.errors import UsageError
    from dkimctl.names import selector_name
    from dkimctl.verify.targets import targets_of

    if from_file or from_message:
        if domains or selector or key_file or (from_file and from_message):
            raise UsageError(
                "--from-file and --from-message name everything themselves",
                hint="leave the domains, -s and --key out, or the list",
            )
        return _from_list(app, from_file, bad_lines) if from_file else _from_message(str(from_message))
    wanted = selector_name(selector) if selector else None
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


def _lines(source: str) -> "Iterator[bytes]":
    from dkimctl.errors import disk_errors

    with disk_errors(f"read {source}"), open(0 if source == "-" else source, "rb", closefd=source != "-") as stream:
        yield from stream


def _from_message(source: str) -> "Iterator[Target]":
    from dkimctl.verify.signatures import signed_targets

    return iter(signed_targets(b"".join(_lines(source))))


def _from_list(app: App, source: str, bad_lines: list[int]) -> "Iterator[Target]":
    from dkimctl.errors import UsageError
    from dkimctl.verify.targets import listed_targets

    def bad_line(number: int, error: UsageError) -> None:
        bad_lines.append(number)
        app.terminal.warning(f"line {number} of {source}: {error.message}", error.hint)

    lines: Iterable[str] = (line.decode("utf-8", "replace") for line in _lines(source))
    return listed_targets(lines, app.settings, app.store, bad_line)
