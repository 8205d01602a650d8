"""`dkimctl verify-dns`: does DNS hold the right key record, at every server."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from dkimctl.cli.frame import App, dns_options, domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.verify.report import Target

_WORTH_SHARING = 200  # names; below, a second process costs more than it gives
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
    type=click.Choice(["text", "json", "jsonl", "nagios", "prometheus", "schema"]),
    default="text",
    help="text (default); json: one document; jsonl: a line as each comes; nagios; prometheus; schema: nothing is "
    "checked, the JSON Schema of json and jsonl is printed.",
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
    With --format nagios as Nagios reads it: 0 OK, 1 WARNING, 2 CRITICAL (an error was found), 3 UNKNOWN.
    """
    if form == "schema":
        return _show_schema(app)
    from itertools import chain, islice

    from dkimctl.cli.verifying import Outcome
    from dkimctl.verify.check import CONCURRENCY, check
    from dkimctl.verify.parallel import Manner, check_in_parallel, portions
    from dkimctl.verify.watch import watch as look_again

    form = "json" if app.json and form == "text" else form
    app.json = app.json or form == "json"
    outcome = Outcome(app, form, resume=resume)
    source = _source(app, outcome.bad_lines, **which)  # type: ignore[arg-type]
    done = outcome.open_notes()
    width, lookup, recursive = concurrency or CONCURRENCY, app.settings.lookup, not authoritative

    def targets(names: "Iterable[Any]") -> "Iterable[Target]":
        return outcome.still_to_do(source.targets(names), done)

    names = iter(source.names)
    first = list(islice(names, _WORTH_SHARING))
    if watch:
        return outcome.show_changes(
            look_again(list(targets([*first, *names])), lookup, timeout=timeout, clock=app.clock)
        )
    if len(first) == _WORTH_SHARING:
        outcome.in_full = app.verbosity > 0
        manner = Manner(targets, outcome.portion, outcome.is_brief, recursive, width)
        return outcome.show(check_in_parallel(chain(first, names), lookup, manner), source.count)
    few = list(targets(first))  # all of them now: a key that cannot be read is said before anything is asked
    thorough = len(few) <= _THOROUGH
    outcome.in_full = thorough or app.verbosity > 0
    brief = outcome.is_brief
    reports = check(few, lookup, recursive=recursive, thorough=thorough, brief=brief, concurrency=width)
    return outcome.show(map(outcome.portion, portions(reports)), len(few))


def _show_schema(app: App) -> int:
    from dkimctl.output.schema import schema_text

    app.json = False  # the schema is the one document
    app.terminal.result(schema_text())
    return 0


class _Source:
    """Names, and what makes targets of them where they are checked."""

    def __init__(
        self,
        names: "Iterable[Any]",
        targets: "Callable[[Iterable[Any]], Iterable[Target]]" = iter,
        count: int | None = None,
    ) -> None:
        self.names, self.targets, self.count = names, targets, count


def _source(
    app: App,
    bad_lines: list[int],
    *,
    domains: tuple[str, ...],
    selector: str | None,
    key_file: str | None,
    from_file: str | None,
    from_message: str | None,
) -> _Source:
    from functools import partial

    from dkimctl.errors import UsageError
    from dkimctl.names import selector_name
    from dkimctl.verify.targets import listed_targets, managed_targets, targets_of

    store = app.store  # one for all: what it has found out about its directory it need not look for again
    if from_file or from_message:
        if domains or selector or key_file or (from_file and from_message):
            raise UsageError(
                "--from-file and --from-message name everything themselves",
                hint="leave the domains, -s and --key out, or the list",
            )
        if from_message:
            return _Source(_from_message(from_message))
        listed = partial(listed_targets, settings=app.settings, store=store)
        return _Source(_from_list(app, str(from_file), bad_lines), listed)
    wanted = selector_name(selector) if selector else None
    if key_file:
        return _Source([_with_key(key_file, managed_domains(app, domains), wanted)])
    if not domains and wanted is None:
        every = sorted({*store.names(), *app.settings.domains})
        if len(every) >= _WORTH_SHARING:  # so many are not looked through twice
            return _Source(every, partial(managed_targets, settings=app.settings, store=store), len(every))
    named = managed_domains(app, domains)
    return _Source(named, partial(targets_of, selector=wanted, settings=app.settings, store=store), len(named))


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


def _from_list(app: App, source: str, bad_lines: list[int]) -> "Iterator[tuple[str, str]]":
    from dkimctl.errors import UsageError
    from dkimctl.verify.targets import listed_names

    def bad_line(number: int, error: UsageError) -> None:
        bad_lines.append(number)
        app.terminal.warning(f"line {number} of {source}: {error.message}", error.hint)

    return listed_names((line.decode("utf-8", "replace") for line in _lines(source)), bad_line)
