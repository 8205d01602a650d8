"""What is to be said about people's lines in the tables: they never fit, hide a line of ours, or break the daemon."""

from collections.abc import Callable, Iterable, Iterator

from dkimctl.names import counted, first_few
from dkimctl.opendkim.managed_block import Foreign
from dkimctl.opendkim.tables import SAMPLE, Patterns, Row, key_entry
from dkimctl.signers.opendkim.dataset import Replaced, is_pattern
from dkimctl.signers.opendkim.foreign_rows import foreign_rows
from dkimctl.signers.opendkim.row_names import RowNames, key_names
from dkimctl.signers.rendered import Notice, Selection

_SHOWN = 5


def key_table_notices(path: str, foreign: Foreign, selection: Selection, names: RowNames) -> tuple[Notice, ...]:
    """Rows that are no keys, and rows above ours with the same name."""
    found = foreign_rows(foreign, patterns=False)
    if not found:
        return ()
    ours = {names.of(key): f"{key.domain}:{key.selector}:{key.path}" for key in selection.keys}
    return few(_key_row_notice(path, row, ours, foreign) for row in found)


def _key_row_notice(path: str, row: Row, ours: dict[str, str], foreign: Foreign) -> Notice | None:
    where = f"{path} line {row.line}"
    entry = key_entry(row)
    if entry is None:
        return Notice(
            f"{where}: {row.key} has no DOMAIN:SELECTOR:FILE, so mail that needs it is deferred", f"fix {where}"
        )
    if not entry.domain.isascii():
        hint = f"write {entry.domain} as its xn-- form"
        return Notice(f"{where}: a domain beyond ASCII makes opendkim abort on its mail", hint, blocking=True)
    if "*" in row.key:
        return Notice(
            f"{where}: {row.key} never fits, because a file: table has no patterns", "name each key, or delete it"
        )
    hides = row.line <= len(foreign.above) and ours.get(row.key, row.value) != row.value
    return _hiding(where, row, "of that name") if hides else None


def signing_table_notices(
    path: str, foreign: Foreign, key_foreign: Foreign, selection: Selection, kind: str, names: RowNames
) -> tuple[Notice, ...]:
    """Rows without a key, with an unknown key, that never fit, and rows above ours that take their mail."""
    patterns = kind == "refile"
    found = foreign_rows(foreign, patterns=patterns)
    if not found:
        return ()
    known = {row.key for row in foreign_rows(key_foreign, patterns=False)}
    wanted = {name for row in found for name in key_names(row)} - known
    unknown = wanted - {name for key in selection.keys if (name := names.of(key)) in wanted}
    above = tuple(row for row in found if row.line <= len(foreign.above))
    idle = () if patterns else _without_effect(found, selection, names)
    passed_over = frozenset(idle)
    rows = (_signing_row_notice(path, row, unknown, patterns=patterns) for row in found if row not in passed_over)
    return few(rows) + few(_shadows(path, above, selection, names, patterns=patterns)) + _idle_notice(path, idle)


def _without_effect(found: tuple[Row, ...], selection: Selection, names: RowNames) -> tuple[Row, ...]:
    """The patterns in a `file:` table whose mail our own lines sign."""
    starred = [row for row in found if is_pattern(row.key) and row.value]
    if not starred:
        return ()
    replaced = Replaced(found, selection, names)
    return tuple(row for row in starred if row in replaced)


def _idle_notice(path: str, idle: tuple[Row, ...]) -> tuple[Notice, ...]:
    if not idle:
        return ()
    lines = first_few([str(row.line) for row in idle], _SHOWN)
    where = f"{path} line{'s' if len(idle) > 1 else ''} {lines}"
    message = f"{where}: patterns do nothing in a file: table; dkimctl's own lines sign that mail"
    return (Notice(message, "delete them when you like"),)


def _signing_row_notice(path: str, row: Row, unknown: set[str], *, patterns: bool) -> Notice | None:
    where = f"{path} line {row.line}"
    if not row.value:
        return Notice(f"{where}: {row.key} names no key, which makes opendkim crash", f"fix {where}", blocking=True)
    missing = next((name for name in key_names(row) if name in unknown), None)
    if missing:
        return Notice(f"{where}: there is no key {missing} in the KeyTable, so this mail is deferred", f"fix {where}")
    if patterns and not {"*", "@"} & set(row.key):
        return Notice(
            f"{where}: {row.key} never fits, because a refile: table compares whole addresses",
            f"write *@{row.key.removeprefix('.')}",
        )
    if not patterns and is_pattern(row.key):
        exact = row.key.removeprefix("*@").removeprefix("*")
        return Notice(
            f"{where}: {row.key} never fits, because a file: table has no patterns",
            f"write {exact}, or use --tables refile",
        )
    return None


def _shadows(
    path: str, above: tuple[Row, ...], selection: Selection, names: RowNames, *, patterns: bool
) -> Iterator[Notice | None]:
    if not above:
        return
    if patterns:
        fit: Callable[[str], Row | None] = Patterns(above).first
    else:
        exact = {row.key.lower(): row for row in reversed(above)}
        fit = exact.get
    for key in selection.keys:
        apex = f"x@{key.domain}" if patterns else key.domain
        below = f"x@{SAMPLE}.{key.domain}" if patterns else f".{key.domain}"
        for address in (apex, below) if key.subdomains else (apex,):
            row = fit(address)
            if row is not None and row.value != names.of(key):
                yield _hiding(f"{path} line {row.line}", row, f"for {key.domain}")
                break


def _hiding(where: str, row: Row, what: str) -> Notice:
    return Notice(
        f"{where}: {row.key} comes before dkimctl's own line {what} and takes its place",
        f"delete {where}, move it below the lines of dkimctl, or take it over: dkimctl adopt",
    )


def few(notices: Iterable[Notice | None]) -> tuple[Notice, ...]:
    """The blocking ones first, then a few others: a table with 100,000 faults is not listed line by line."""
    found = sorted((notice for notice in notices if notice), key=lambda notice: not notice.blocking)
    more = len(found) - _SHOWN
    return (*found[:_SHOWN], Notice(f"and {counted(more, 'more line')} like these")) if more > 0 else tuple(found)
