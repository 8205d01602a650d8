"""The new tables: the rows taken over become lines of dkimctl, and every other line stays, where it has its effect."""

from collections.abc import Iterable
from dataclasses import dataclass

from dkimctl.adopt.candidates import Candidate
from dkimctl.adopt.installed import Installed, Table
from dkimctl.adopt.tables import Tables, sample, samples
from dkimctl.opendkim.managed_block import Foreign, Line
from dkimctl.opendkim.tables import Patterns, Row, key_entry, rows
from dkimctl.signers.opendkim.dataset import row_domain
from dkimctl.signers.opendkim.rendering import key_table, signing_table
from dkimctl.signers.opendkim.row_names import RowNames
from dkimctl.signers.rendered import Content, SigningKey


@dataclass(frozen=True, slots=True)
class Arranged:
    """The new KeyTable and SigningTable."""

    signing: Content
    keys: Content
    changed: tuple[str, ...]
    """Addresses whose mail they would sign differently; must be empty."""


def arrange(installed: Installed, candidates: Iterable[Candidate]) -> Arranged:
    """Return the new tables, compared with the old ones for an address of every row."""
    taken = list(candidates)
    taken_rows = {row for candidate in taken for row in candidate.rows}
    keys = tuple(sorted((*_managed(installed), *map(_signing_key, taken)), key=lambda key: key.domain))
    signing_lines, key_lines = _signing_lines(installed, taken, taken_rows), _key_lines(installed, taken_rows)
    names = RowNames(key_lines, signing_lines)
    signing = signing_table(signing_lines, keys, names, patterns=installed.signing.patterns)
    key_rows = key_table(key_lines, keys, names)
    return Arranged(
        signing,
        key_rows,
        tuple(_changed(installed, signing, key_rows, taken)),
    )


def _signing_key(candidate: Candidate) -> SigningKey:
    entry = candidate.entry
    return SigningKey(candidate.domain, entry.selector, entry.path, candidate.subdomains)


def _managed(installed: Installed) -> Iterable[SigningKey]:
    """Yield the keys of the table lines that dkimctl wrote earlier."""
    signing_numbers, key_numbers = _numbers(installed.signing), _numbers(installed.keys)
    own_rows = [row for row in installed.signing.rows if row.line not in signing_numbers]
    signed = {row.key.lower() for row in own_rows}
    named = {row.value for row in own_rows}
    for row in installed.keys.rows:
        entry = key_entry(row)
        if entry and row.key in named and row.line not in key_numbers:
            below = signed & {f".{entry.domain}", f"*@*.{entry.domain}"}
            yield SigningKey(entry.domain, entry.selector, entry.path, bool(below))


def _numbers(table: Table) -> frozenset[int]:
    return frozenset(line.number for line in table.foreign.lines)


def _kept_rows(table: Table, gone: set[int]) -> list[Row]:
    numbers = _numbers(table) - gone
    return [row for row in table.rows if row.line in numbers]


def _is_effective(tables: Tables, row: Row) -> bool:
    return row in tables.fitting(sample(row, patterns=True))


def _signing_lines(installed: Installed, taken: list[Candidate], gone: set[Row]) -> Foreign:
    """Return the kept lines: a row that an earlier one hides goes below ours, so that it does not hide them now."""
    if not gone:
        return installed.signing.foreign
    table, tables = installed.signing, installed.tables
    kept = _kept_rows(table, {row.line for row in gone})
    if table.patterns:
        reaching = _reaching(kept, taken)
        lower = {row.line for row in kept if row in reaching or not _is_effective(tables, row)}
    else:
        lower = {row.line for row in kept if not tables.is_first(row)}
    return _split(table.foreign, {row.line for row in gone}, lower)


def _reaching(kept: list[Row], taken: list[Candidate]) -> set[Row]:
    """The patterns that fit mail of the domains taken over."""
    patterns = Patterns(tuple(kept))
    addresses = (a for c in taken for a in samples(c.domain)[: 2 if c.subdomains else 1])
    return {row for address in addresses for row in patterns.all(address)}


def _key_lines(installed: Installed, gone: set[Row]) -> Foreign:
    """Return the kept lines of the KeyTable, without the rows that only the taken rows named."""
    if not gone:
        return installed.keys.foreign
    tables, numbers = installed.tables, _numbers(installed.keys)
    used_by_others = {_named(tables, row) for row in tables.signing if row not in gone}
    unused = {_named(tables, row) for row in gone} - used_by_others - {None}
    away = {row.line for row in unused if row is not None and row.line in numbers}
    lower = set()
    if not tables.keys_patterns:
        lower = {row.line for row in tables.keys if row.line in numbers and not tables.is_first_key(row)}
    return _split(installed.keys.foreign, away, lower)


def _named(tables: Tables, row: Row) -> Row | None:
    return tables.key_row(row, row_domain(row))


def _split(foreign: Foreign, gone: set[int], lower: set[int]) -> Foreign:
    below = lower - gone
    above = tuple(line for line in foreign.above if line.number not in gone and line.number not in below)
    moved = tuple(line for line in foreign.above if line.number in below)
    return Foreign(above, tuple(map(_whole, moved)) + tuple(line for line in foreign.below if line.number not in gone))


def _whole(line: Line) -> Line:
    return line if line.text.endswith(b"\n") else Line(line.number, line.text + b"\n")


def _changed(installed: Installed, signing: Content, keys: Content, taken: list[Candidate]) -> Iterable[str]:
    old = installed.tables
    new = Tables(
        _rows(signing, patterns=old.signing_patterns),
        old.signing_patterns,
        _rows(keys, patterns=old.keys_patterns),
        old.keys_patterns,
        old.several,
    )
    tried = [sample(row, patterns=old.signing_patterns) for row in old.signing]
    tried += [address for candidate in taken for address in samples(candidate.domain)]
    for address in dict.fromkeys(tried):
        # in which order several signatures are made is all the same to verifiers
        if sorted(s.effect for s in old.signers(address)) != sorted(s.effect for s in new.signers(address)):
            yield address


def _rows(content: Content, *, patterns: bool) -> tuple[Row, ...]:
    lines = b"".join(content).splitlines(keepends=True)
    return tuple(rows(lines, patterns=patterns))
