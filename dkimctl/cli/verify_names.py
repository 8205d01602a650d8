"""Selects the key records that verify-dns checks: of managed domains, of a key file, from a list or a message."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from dkimctl.cli.app import App
from dkimctl.cli.domains import every_domain, managed_domains

if TYPE_CHECKING:
    from dkimctl.keys.store import KeyReader
    from dkimctl.verify.report import Target

_LONGEST = 1 << 16  # octets of a line that are held at once
WORTH_SHARING = 200  # names; for fewer, a second process costs more than it saves


class Source:
    """Names, a function that turns them into targets where they are checked, and their count where it is known."""

    def __init__(
        self,
        names: "Iterable[Any]",
        targets: "Callable[[Iterable[Any]], Iterable[Target]]" = iter,
        count: int | None = None,
    ) -> None:
        self.names, self.targets, self.count = names, targets, count

    def of(self, names: "Iterable[Any]") -> "Source":
        """Return a copy with these names."""
        return Source(names, self.targets, self.count)

    def without(self, is_done: "Callable[[Target], bool]") -> "Source":
        """Return a copy without these targets."""

        def targets(names: "Iterable[Any]") -> "Iterable[Target]":
            return (target for target in self.targets(names) if not is_done(target))

        return Source(self.names, targets, self.count)


def source_of(
    app: App,
    bad_lines: list[int],
    *,
    domains: tuple[str, ...],
    selector: str | None,
    key_file: str | None,
    from_file: str | None,
    from_message: str | None,
) -> Source:
    """Return the names that the options select. `bad_lines` receives the numbers of invalid lines of a list.

    Raises UsageError for options that exclude each other.
    """
    from dkimctl.errors import UsageError
    from dkimctl.names import foreign_selector

    wanted = foreign_selector(selector) if selector else None
    if from_file or from_message:
        if domains or selector or key_file or (from_file and from_message):
            raise UsageError(
                "--from-file and --from-message name everything themselves",
                hint="omit the domains, -s and --key, or the list",
            )
        return _listed(app, bad_lines, from_file, from_message)
    if key_file:
        return Source([_with_key(key_file, managed_domains(app, domains), wanted)])
    return _managed(app, domains, wanted)


def _managed(app: App, domains: tuple[str, ...], wanted: str | None) -> Source:
    """Return the keys of these domains, or of all; of a domain without a key here, the selector that is `wanted`."""
    from functools import partial

    from dkimctl.verify.targets import managed_targets, targets_of

    store = _store(app) if wanted else app.life_store  # one for all, since it caches what it knows of its directory
    if not domains and wanted is None:
        every = every_domain(app, store.names())
        if len(every) >= WORTH_SHARING:  # too many to read twice
            return _shared(app, every, partial(managed_targets, settings=app.settings, store=store), len(every))
    named = managed_domains(app, domains)
    targets = partial(
        targets_of,
        unread=len(named) > 1,
        selector=wanted,
        settings=app.settings,
        store=store,
        not_compared=lambda error: app.terminal.warning(
            f"{error.message}: the record is not compared with the key on this disk", "sudo dkimctl verify-dns compares"
        ),
    )
    return Source(named, targets, len(named))


def _listed(app: App, bad_lines: list[int], from_file: str | None, from_message: str | None) -> Source:
    from functools import partial

    from dkimctl.verify.targets import listed_targets

    targets = partial(listed_targets, settings=app.settings, store=_store(app))
    if from_message:
        return _shared(app, _from_message(app, from_message, bad_lines), targets)
    return _shared(app, _from_list(app, str(from_file), bad_lines), targets, _length(str(from_file)))


def _shared(
    app: App, names: "Iterable[Any]", targets: "Callable[[Iterable[Any]], Iterable[Target]]", count: int | None = None
) -> Source:
    """Return the source for names that several processes may share; none shares the session at a fleet's database."""
    return Source(targets(names), count=count) if app.is_control else Source(names, targets, count)


def _store(app: App) -> "KeyReader":
    """Return the keys with which named records are compared; none where a fleet's are closed to the user."""
    from dkimctl.errors import DkimctlError, is_denied

    try:
        return app.life_store
    except DkimctlError as error:
        if not is_denied(error):
            raise
        app.terminal.warning(f"{error.message}: no record is compared with its key", "sudo dkimctl verify-dns compares")
        return app.store


def raise_nothing_named() -> NoReturn:
    """Raise UsageError: an empty list must not pass as a successful check."""
    from dkimctl.errors import UsageError

    raise UsageError(
        "no key record is named", hint="a line looks like mail._domainkey.example.com, or example.com mail"
    )


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
    """Return the lines, streamed where `source` is a file or stdin; one of more than _LONGEST octets in parts."""
    import os
    from pathlib import Path

    from dkimctl.errors import disk_errors
    from dkimctl.files import open_file, read_named

    if source == "-" or os.path.isfile(source):
        with (
            disk_errors(f"read {source}"),
            open(0, "rb", closefd=False) if source == "-" else open_file(Path(source)) as stream,
        ):
            while line := stream.readline(_LONGEST):
                yield line
    else:
        yield from read_named(source).splitlines(keepends=True)


def _length(source: str) -> int | None:
    """Return how many names a list holds at most, for the progress bar; None where it cannot be read twice."""
    import os

    if not os.path.isfile(source):
        return None
    return sum(1 for line in _lines(source) if line.strip() and not line.startswith(b"#"))


def _from_message(app: App, source: str, bad_signatures: list[int]) -> "list[tuple[str, str]]":
    from dkimctl.errors import UsageError
    from dkimctl.verify.targets import signed_names

    def bad_signature(number: int, error: UsageError) -> None:
        bad_signatures.append(number)
        app.terminal.warning(f"signature {number} of {source}: {error.message}", error.hint)

    return signed_names(b"".join(_lines(source)), bad_signature)


def _from_list(app: App, source: str, bad_lines: list[int]) -> "Iterator[tuple[str, str]]":
    from dkimctl.errors import UsageError
    from dkimctl.verify.targets import listed_names

    def bad_line(number: int, error: UsageError) -> None:
        bad_lines.append(number)
        app.terminal.warning(f"line {number} of {source}: {error.message}", error.hint)

    return listed_names((line.decode("utf-8", "replace") for line in _lines(source)), bad_line)
