"""The rows of the SigningTable: names and patterns that do not fit the mail that they were meant for."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import filterfalse

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, Repair, noticed, repairable, softened
from dkimctl.doctor.commands import edit_row, rewrite_row, silence_row
from dkimctl.doctor.repeats import repeated
from dkimctl.doctor.shadows import shadowed
from dkimctl.errors import UsageError
from dkimctl.findings import Severity
from dkimctl.host.datasets import FILES, DataSet, is_marked
from dkimctl.host.lookup import lookup_keys
from dkimctl.host.world import World
from dkimctl.names import domain_name
from dkimctl.opendkim.tables import SAMPLE, Row, key_entry, pattern_regex

_PLAIN_SIGNING = re.compile(rb"(?!@)[!-\"$-)+\--~]+(?<!\.)[ \t]+[!-\"$-~]+[ \t\r]*\n?")
"""A line about which nothing is to be said in a `file:` table: one ASCII name without `*`, and a value."""
_SURELY_REGEX = re.compile(r"[\w.@*-]+")


def check_signing_rows(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """Everything about each row of the SigningTable, and about one beside another."""
    yield from _signing_rows(world, signing)
    yield from _patterns(world, signing) if signing.patterns else _names(world, signing)


def _signing_rows(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    known = _known(signing)
    for row in filterfalse(is_marked, signing.odd(_PLAIN_SIGNING)):
        where = signing.at(row)
        if not row.value:
            fix = silence_row(world, signing, row, "or add the name of a key")
            yield noticed(c.CRASH_NO_KEY, where, f"{where}: {row.key}", fix)
        if _fits_nothing(signing, row.key):
            fix = _written(world, signing, known, row, *_meant(signing, row.key))
            yield noticed(c.FITS_NOTHING, where, f"{where}: {row.key} {row.value}", fix)
        if not row.key.rpartition("@")[2].isascii():
            meant = a_labels(row.key)
            fix = edit_row(world, signing, row, "write its xn-- form")
            if meant.rpartition("@")[2].isascii():
                fix = _written(world, signing, known, row, meant)
            yield noticed(c.NON_ASCII, where, f"{where}: {row.key}", fix)
    if not world.opendkim.flag("MultipleSignatures"):
        yield from repeated(world, signing, c.SAME_PATTERN, ignore_case=True)


def _fits_nothing(signing: DataSet, key: str) -> bool:
    """True for a row that no address can fit, in a way that people write it."""
    if key.startswith("@") or key.endswith(".") or "," in key:
        return True
    return signing.patterns and key.startswith(".*")


def _meant(signing: DataSet, key: str) -> list[str]:
    """The rows that were meant by one that fits nothing, in the table's own form."""
    rows = []
    for part in filter(None, key.split(",")):
        address = part.removesuffix(".").removeprefix(".") if part.startswith(".*") else part.removesuffix(".")
        address = f"*{address}" if address.startswith("@") else address
        rows.append(address if signing.patterns else address.removeprefix("*@"))
    return rows


def a_labels(key: str) -> str:
    """The key of a row with its domain in A-labels, as it is where that cannot be."""
    user, at, domain = key.rpartition("@")
    prefix = "*." if domain.startswith("*.") else "." if domain.startswith(".") else ""
    try:
        return f"{user}{at}{prefix}{domain_name(domain[len(prefix) :])}"
    except UsageError:
        return key


Known = Callable[[], frozenset[str]]
"""The keys of a table in lower case, looked for when they are asked for, and once."""


def _known(signing: DataSet) -> Known:
    return cache(lambda: frozenset(row.key.lower() for row in signing.rows))


def _written(world: World, signing: DataSet, known: Known, row: Row, *meant: str) -> str:
    """The command that writes `meant` in the place of a row's key; a comment of it where that is there already."""
    missing = [key for key in meant if key.lower() not in known()]
    if not missing:
        return silence_row(world, signing, row, f"{' and '.join(meant)} is there already")
    return rewrite_row(world, signing, row, "\n".join(f"{key} {row.value}" for key in missing))


def _names(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """A `file:` table compares whole names."""
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
        found = noticed(c.PATTERN_IN_FILE, where, f"{where}: {row.key} {row.value}", fix)
        # it does nothing, and need not, where another row signs that mail
        sample = row.key.lower().replace("*", SAMPLE)
        is_idle = any(key in known() for key in lookup_keys(sample))
        yield softened(found, Severity.WARNING) if is_idle else found
    if idle:
        more = f"; {len(idle)} such rows" if len(idle) > 1 else ""
        seen = f"{signing.at(idle[0])}: {idle[0].key}, and what was meant has a row of its own{more}"
        repair = Repair(signing.place, drop_lines=tuple(row.line for row in idle))
        yield softened(repairable(world, c.PATTERN_IN_FILE, seen, repair), Severity.WARNING)


def _patterns(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """A `refile:` table compares patterns with whole addresses, in order."""
    known = _known(signing)
    for row in filterfalse(is_marked, signing.rows):
        where = signing.at(row)
        wrong = _regex_fault(row.key)
        if wrong:
            fix = edit_row(world, signing, row, "USER@DOMAIN with * for any text")
            yield noticed(c.BAD_REGEX, where, f"{where}: {row.key}: {wrong}", fix)
            continue
        if row.key in ("*", "*@*") and not _signs_each_domain(world, row):
            fix = edit_row(world, signing, row, "name your own domains instead")
            yield noticed(c.FITS_ALL, where, f"{where}: {row.key} {row.value}", fix)
        elif row.key.startswith("*.") and "@" not in row.key and f"*@{row.key[2:]}".lower() not in known():
            fix = _written(world, signing, known, row, f"*@{row.key[2:]}", f"*@{row.key}")
            yield noticed(c.NO_APEX, where, f"{where}: {row.key}", fix)
        elif _fits_nothing(signing, row.key):
            continue  # reported with every kind of table
        elif "@" not in row.key and "*" not in row.key:
            domain = row.key.removeprefix(".")
            star = "*@*." if row.key.startswith(".") else "*@"
            fix = _written(world, signing, known, row, f"{star}{domain}")
            yield noticed(c.NAME_IN_REFILE, where, f"{where}: {row.key} {row.value}", fix)
        elif row.key.startswith("*") and "@" not in row.key and row.key.strip("*.") and row.key[1] not in ".":
            domain = row.key.lstrip("*")
            fix = _written(world, signing, known, row, f"*@{domain}", f"*@*.{domain}")
            yield noticed(c.TOO_WIDE, where, f"{where}: {row.key}", fix)
    if not world.opendkim.flag("MultipleSignatures"):
        yield from shadowed(world, signing)


def _signs_each_domain(world: World, row: Row) -> bool:
    """True when the row's key signs with the sender's own domain (`%`)."""
    keys = world.data_sets.get("KeyTable")
    name = row.value.partition(":")[0]
    found = keys.by_name().get(name) if keys and keys.is_known else None
    entry = key_entry(found) if found else None
    return name == "%" or entry is None or entry.domain == "%"


def _regex_fault(key: str) -> str:
    """Why a pattern is no regular expression; empty when it is one."""
    if _SURELY_REGEX.fullmatch(key):
        return ""  # to compile one takes some hundred microseconds
    try:
        re.compile(pattern_regex(key))
    except re.error as error:
        return str(error)
    return ""
