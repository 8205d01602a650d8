"""Checks of the SigningTable's rows: names and patterns that do not match the intended mail."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import filterfalse

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, Repair, diagnosis, with_repair, with_severity
from dkimctl.doctor.commands import comment_out_row, edit, edit_row, rewrite_row
from dkimctl.doctor.duplicates import duplicate_rows
from dkimctl.doctor.shadowed_rows import shadowed
from dkimctl.errors import UsageError
from dkimctl.findings import Severity
from dkimctl.host.datasets import FILES, DataSet, is_marked
from dkimctl.host.table_lookup import lookup_keys
from dkimctl.host.world import World
from dkimctl.names import domain_name
from dkimctl.opendkim.tables import SAMPLE, Row, key_entry, pattern_regex

_PLAIN_SIGNING = re.compile(rb"(?![@<])[!-\"$-)+\--~]+(?<![.>])[ \t]+[!-\"$-~]+[ \t\r]*\n")
"""A line of a `file:` table that needs no check: one ASCII name without `*`, and a value."""
_SURELY_REGEX = re.compile(r"[\w.@*-]+")


def check_signing_rows(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """Check each row of the SigningTable, and compare it with the others."""
    yield from _signing_rows(world, signing)
    yield from _patterns(world, signing) if signing.patterns else _names(world, signing)


def _signing_rows(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    known = _known(signing)
    for row in filterfalse(is_marked, signing.odd(_PLAIN_SIGNING)):
        where = signing.at(row)
        if not row.value:
            fix = comment_out_row(world, signing, row, "or add the name of a key")
            yield diagnosis(c.CRASH_NO_KEY, where, f"{where}: {row.key}", fix)
        if fits_nothing(signing, row.key):
            fix = _written(world, signing, known, row, *_meant(signing, row.key))
            yield diagnosis(c.FITS_NOTHING, where, f"{where}: {row.key} {row.value}", fix)
        if not row.key.rpartition("@")[2].isascii():
            meant = a_labels(row.key)
            fix = edit_row(world, signing, row, "write its xn-- form")
            if meant.rpartition("@")[2].isascii():
                fix = _written(world, signing, known, row, meant)
            yield diagnosis(c.NON_ASCII, where, f"{where}: {row.key}", fix)
    if not world.opendkim.flag("MultipleSignatures"):
        yield from duplicate_rows(world, signing, c.SAME_PATTERN, ignore_case=True)
    elif signing.kind == "file":
        for found in duplicate_rows(world, signing, c.SAME_PATTERN, ignore_case=True):
            fix = edit(world, signing.place, 0, "only a refile: table has two keys sign for one address")
            yield diagnosis(c.SAME_PATTERN, signing.place, found.finding.seen, fix)


def fits_nothing(signing: DataSet, key: str) -> bool:
    """Return True for a row that no address can match, in one of the forms found in practice."""
    if key.startswith("@") or key.endswith(".") or "," in key or key[:1] == "<" or key[-1:] == ">":
        return True
    return signing.patterns and key.startswith(".*")


def _meant(signing: DataSet, key: str) -> list[str]:
    """Return the intended rows for one that matches nothing, in the form of the table."""
    rows = []
    for part in filter(None, (word.strip("<>") for word in key.split(","))):
        address = part.removesuffix(".").removeprefix(".") if part.startswith(".*") else part.removesuffix(".")
        address = f"*{address}" if address.startswith("@") else address
        rows.append(address if signing.patterns else address.removeprefix("*@"))
    return rows


def a_labels(key: str) -> str:
    """Return the key of a row with its domain in A-labels; unchanged where that is impossible."""
    user, at, domain = key.rpartition("@")
    prefix = "*." if domain.startswith("*.") else "." if domain.startswith(".") else ""
    try:
        return f"{user}{at}{prefix}{domain_name(domain[len(prefix) :])}"
    except UsageError:
        return key


Known = Callable[[], frozenset[str]]
"""The keys of a table in lower case, read at the first call."""


def _known(signing: DataSet) -> Known:
    return cache(lambda: frozenset(row.key.lower() for row in signing.rows))


def _written(world: World, signing: DataSet, known: Known, row: Row, *meant: str) -> str:
    """Return the command that replaces a row's key with `meant`; commented out where those rows exist already."""
    missing = [key for key in meant if key.lower() not in known()]
    if not missing:
        return comment_out_row(world, signing, row, f"{' and '.join(meant)} is already in the table")
    return rewrite_row(world, signing, row, "\n".join(f"{key} {row.value}" for key in missing))


def _names(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """Check a `file:` table, which compares whole names."""
    known = _known(signing)
    idle: list[Row] = []
    for row in filterfalse(is_marked, signing.odd(_PLAIN_SIGNING)):
        user, at, domain = row.key.rpartition("@")
        if "*" not in row.key or row.key == "*" or (at and domain == "*" and "*" not in user):
            continue
        where = signing.at(row)
        exact = row.key.removeprefix("*@").removeprefix("*")
        if exact.lower() in known() and signing.kind in FILES:
            idle.append(row)
            continue
        fix = _written(world, signing, known, row, exact)
        found = diagnosis(c.PATTERN_IN_FILE, where, f"{where}: {row.key} {row.value}", fix)
        # it has no effect, and needs none, where another row signs that mail
        sample = row.key.lower().replace("*", SAMPLE)
        is_idle = any(key in known() for key in lookup_keys(sample))
        yield with_severity(found, Severity.WARNING) if is_idle else found
    if idle:
        more = f"; {len(idle)} such rows" if len(idle) > 1 else ""
        seen = f"{signing.at(idle[0])}: {idle[0].key}, and the intended name has its own row{more}"
        repair = Repair(signing.place, drop_lines=tuple(row.line for row in idle))
        yield with_severity(with_repair(world, c.PATTERN_IN_FILE, seen, repair), Severity.WARNING)


def _patterns(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """Check a `refile:` table, which compares patterns with whole addresses, in order."""
    known = _known(signing)
    for row in filterfalse(is_marked, signing.rows):
        where = signing.at(row)
        wrong = _regex_fault(row.key)
        if wrong:
            fix = edit_row(world, signing, row, "USER@DOMAIN with * for any text")
            yield diagnosis(c.BAD_REGEX, where, f"{where}: {row.key}: {wrong}", fix)
            continue
        if row.key in ("*", "*@*") and not _signs_each_domain(world, row):
            fix = edit_row(world, signing, row, "name your own domains instead")
            yield diagnosis(c.FITS_ALL, where, f"{where}: {row.key} {row.value}", fix)
        elif row.key.startswith("*.") and "@" not in row.key and f"*@{row.key[2:]}".lower() not in known():
            fix = _written(world, signing, known, row, f"*@{row.key[2:]}", f"*@{row.key}")
            yield diagnosis(c.NO_APEX, where, f"{where}: {row.key}", fix)
        elif fits_nothing(signing, row.key):
            continue  # reported with every kind of table
        elif "@" not in row.key and "*" not in row.key:
            domain = row.key.removeprefix(".")
            star = "*@*." if row.key.startswith(".") else "*@"
            fix = _written(world, signing, known, row, f"{star}{domain}")
            yield diagnosis(c.NAME_IN_REFILE, where, f"{where}: {row.key} {row.value}", fix)
        elif row.key.startswith("*") and "@" not in row.key and row.key.strip("*.") and row.key[1] not in ".":
            domain = row.key.lstrip("*")
            fix = _written(world, signing, known, row, f"*@{domain}", f"*@*.{domain}")
            yield diagnosis(c.TOO_WIDE, where, f"{where}: {row.key}", fix)
    if not world.opendkim.flag("MultipleSignatures"):
        yield from shadowed(world, signing)


def _signs_each_domain(world: World, row: Row) -> bool:
    """Return whether the row's key signs with the sender's own domain (`%`)."""
    keys = world.data_sets.get("KeyTable")
    name = row.value.partition(":")[0]
    found = keys.by_name().get(name) if keys and keys.is_known else None
    entry = key_entry(found) if found else None
    return name == "%" or entry is None or entry.domain == "%"


def _regex_fault(key: str) -> str:
    """Return why a pattern is not a regular expression; empty when it is one."""
    if _SURELY_REGEX.fullmatch(key):
        return ""  # compiling one takes some hundred microseconds
    try:
        re.compile(pattern_regex(key))
    except re.error as error:
        return str(error)
    return ""
