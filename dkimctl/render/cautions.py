"""What is to be said about the lines of people: those that never fit, hide a line of ours, or break the daemon."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from dkimctl.opendkim.conf import Configuration, Setting
from dkimctl.opendkim.hosts import LOOPBACK, canonical_host, host_problem, is_everybody
from dkimctl.opendkim.managed import Foreign
from dkimctl.opendkim.tables import Patterns, Row, key_entry
from dkimctl.render.base import Notice, Selection
from dkimctl.render.dataset import foreign_rows

_SHOWN = 5
_SAMPLE = "dkimctl-sample"


def key_table_notices(path: str, foreign: Foreign, selection: Selection) -> tuple[Notice, ...]:
    """Rows that are no keys, and rows above ours with the same name."""
    found = foreign_rows(foreign, patterns=False)
    if not found:
        return ()
    ours = {key.name: f"{key.domain}:{key.selector}:{key.path}" for key in selection.keys}
    return _few(_key_row_notice(path, row, ours, foreign) for row in found)


def _key_row_notice(path: str, row: Row, ours: dict[str, str], foreign: Foreign) -> Notice | None:
    where = f"{path} line {row.line}"
    entry = key_entry(row)
    if entry is None:
        return Notice(
            f"{where}: {row.key} has no DOMAIN:SELECTOR:FILE, so mail that needs it is deferred", f"mend {where}"
        )
    if not entry.domain.isascii():
        hint = f"write {entry.domain} as its xn-- form"
        return Notice(f"{where}: a domain beyond ASCII makes opendkim abort on its mail", hint, blocking=True)
    if "*" in row.key:
        return Notice(
            f"{where}: {row.key} never fits, because a file: table has no patterns", "name each key, or delete it"
        )
    hides = row.line <= len(foreign.above) and ours.get(row.key, row.value) != row.value
    return _hiding(where, row, "KeyTable") if hides else None


def signing_table_notices(
    path: str, foreign: Foreign, key_foreign: Foreign, selection: Selection, kind: str
) -> tuple[Notice, ...]:
    """Rows without a key, with an unknown key, that never fit, and rows above ours that take their mail."""
    patterns = kind == "refile"
    found = foreign_rows(foreign, patterns=patterns)
    if not found:
        return ()
    known = {row.key for row in foreign_rows(key_foreign, patterns=False)}
    wanted = {name for row in found for name in _key_names(row)} - known
    unknown = wanted - {key.name for key in selection.keys if key.name in wanted}
    rows = (_signing_row_notice(path, row, unknown, patterns=patterns) for row in found)
    above = tuple(row for row in found if row.line <= len(foreign.above))
    return _few(rows) + _few(_shadows(path, above, selection, patterns=patterns))


def _key_names(row: Row) -> Iterator[str]:
    for part in row.value.split("|"):
        name = part.strip().partition(":")[0]
        if name and name != "%":
            yield name


def _signing_row_notice(path: str, row: Row, unknown: set[str], *, patterns: bool) -> Notice | None:
    where = f"{path} line {row.line}"
    if not row.value:
        return Notice(f"{where}: {row.key} names no key, which makes opendkim crash", f"mend {where}", blocking=True)
    missing = next((name for name in _key_names(row) if name in unknown), None)
    if missing:
        return Notice(f"{where}: there is no key {missing} in the KeyTable, so this mail is deferred", f"mend {where}")
    if patterns and not {"*", "@"} & set(row.key):
        return Notice(
            f"{where}: {row.key} never fits, because a refile: table compares whole addresses",
            f"write *@{row.key.removeprefix('.')}",
        )
    if not patterns and "*" in row.key and row.key != "*" and not row.key.endswith("@*"):
        exact = row.key.removeprefix("*@").removeprefix("*")
        return Notice(
            f"{where}: {row.key} never fits, because a file: table has no patterns",
            f"write {exact}, delete the line where dkimctl's own do the same, or use --tables refile",
        )
    return None


def _shadows(path: str, above: tuple[Row, ...], selection: Selection, *, patterns: bool) -> Iterator[Notice | None]:
    if not above:
        return
    if patterns:
        fit: Callable[[str], Row | None] = Patterns(above).first
    else:
        exact = {row.key.lower(): row for row in reversed(above)}
        fit = exact.get
    for key in selection.keys:
        apex = f"x@{key.domain}" if patterns else key.domain
        below = f"x@{_SAMPLE}.{key.domain}" if patterns else f".{key.domain}"
        for address in (apex, below) if key.subdomains else (apex,):
            row = fit(address)
            if row is not None and row.value != key.name:
                yield _hiding(f"{path} line {row.line}", row, f"{key.domain} in the SigningTable")
                break


def _hiding(where: str, row: Row, what: str) -> Notice:
    return Notice(
        f"{where}: {row.key} comes before dkimctl's own line for {what} and takes its place",
        f"delete {where}, or move it below the lines of dkimctl",
    )


def host_notices(path: str, foreign: Foreign, trusted: tuple[str, ...]) -> tuple[Notice, ...]:
    """Hosts in a spelling that never fits, everybody trusted, and loopback left out."""
    found = foreign_rows(foreign, patterns=False)
    entries = {*trusted, *(row.key for row in found)}
    spelling = (
        Notice(f"{path} line {row.line}: {row.key} {problem}", f"mend {path} line {row.line}")
        for row in found
        if (problem := host_problem(row.key))
    )
    return _few(spelling) + _everybody(entries) + _no_loopback(path, entries)


def _everybody(entries: set[str]) -> tuple[Notice, ...]:
    open_nets = sorted(filter(is_everybody, entries))
    if not open_nets:
        return ()
    twin = "" if len(open_nets) == 2 else ({"0.0.0.0/0": "::/0", "::/0": "0.0.0.0/0"}[open_nets[0]])
    message = f"mail from every client in {' and '.join(open_nets)} is signed: whoever may send through this relay"
    hint = "safe only where Postfix itself admits no stranger; better name your own networks"
    return (Notice(message, f"{hint}; {twin} is not among them" if twin else hint),)


def _no_loopback(path: str, entries: set[str]) -> tuple[Notice, ...]:
    missing = [host for host in LOOPBACK if host not in entries and not _covered(host, entries)]
    if not missing:
        return ()
    return (
        Notice(f"mail from {' and '.join(missing)} is not signed: {path} leaves it out", "add it to trusted_hosts"),
    )


def _covered(host: str, entries: set[str]) -> bool:
    bits = 128 if ":" in host else 32
    return any(canonical_host(f"{host}/{length}") in entries for length in range(bits + 1))


def overridden_notices(installed: Configuration, wanted: Iterable[tuple[str, str]], ours: str) -> tuple[Notice, ...]:
    """The settings of a person's opendkim.conf that ours replace by another value."""
    theirs = {s.key: s for s in installed.settings if s.file != ours}
    changed = [
        f"{setting.name} {setting.value} (line {setting.line})"
        for name, value in wanted
        if (setting := theirs.get(name.lower())) is not None and not _equal(setting, value)
    ]
    if not changed:
        return ()
    return (
        Notice(
            f"{ours} comes last and replaces: {'; '.join(changed)}", "see the new values: dkimctl render-config --diff"
        ),
    )


def _equal(setting: Setting, value: str) -> bool:
    theirs, ours = setting.value.lower(), value.lower()
    if setting.key in ("syslog", "syslogsuccess", "logwhy", "autorestart"):
        return theirs[:1] in "ty1"  # how the daemon reads a yes
    if setting.key == "pidfile":
        return theirs.removeprefix("/var") == ours.removeprefix("/var")  # /var/run is /run
    return theirs == ours


def _few(notices: Iterable[Notice | None]) -> tuple[Notice, ...]:
    """The first of them; a table with 100,000 faults is not told line by line."""
    found = (notice for notice in notices if notice is not None)
    shown = tuple(islice(found, _SHOWN))
    more = sum(1 for _ in found)
    return (*shown, Notice(f"and {more} more lines like these")) if more else shown
