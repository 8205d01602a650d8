"""KeyTable and SigningTable, joined: rows that break mail, rows that do nothing, and rows that were meant otherwise."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import cache
from itertools import filterfalse

from dkimctl.errors import UsageError
from dkimctl.findings import Severity
from dkimctl.host.catalogue import tables as c
from dkimctl.host.datasets import FILES, DataSet, is_marked
from dkimctl.host.doctor.base import Diagnosis, Repair, noticed, repairable, softened
from dkimctl.host.doctor.commands import edit, move_up, rewrite, silence
from dkimctl.host.doctor.joins import check_joined
from dkimctl.host.doctor.repeats import repeated
from dkimctl.host.lookup import lookup_keys
from dkimctl.host.world import World
from dkimctl.names import domain_name
from dkimctl.opendkim.tables import KeyEntry, Patterns, Row, key_entry, pattern_regex

_MOST_ODD = 50
_ALGORITHM = re.compile(r":(?:rsa-sha256|ed25519-sha256)$")
"""The fourth field of a KeyTable row, which only opendkim after 2.11 beta 2 knows."""
_PLAIN_KEY = re.compile(rb"[!-\"$-)+-~]+[ \t]+[!-\"$-9;-~]+:[!-\"$-9;-~]+:[!-\"$-9;-~]+[ \t\r]*\n?")
"""A KeyTable line about which nothing is to be said: ASCII, no `*` in the name, three parts, no blank, no comment."""
_PLAIN_SIGNING = re.compile(rb"[!-\"$-)+-~]+[ \t]+[!-\"$-~]+[ \t\r]*\n?")
"""The same of a `file:` SigningTable: one ASCII name without `*`, and a value."""
_SURELY_REGEX = re.compile(r"[\w.@*-]+")


def check_tables(world: World) -> Iterator[Diagnosis]:
    """Everything about the rows of KeyTable and SigningTable."""
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    for name, data_set in world.data_sets.items():
        if data_set.is_known and data_set.kind in FILES:
            yield from _file(world, name, data_set)
    if keys and keys.is_known:
        yield from _key_rows(world, keys)
    if signing and signing.is_known:
        yield from _signing_rows(world, signing)
        yield from _patterns(world, signing) if signing.patterns else _names(world, signing)
    if keys and signing and keys.is_known and signing.is_known:
        yield from check_joined(world, keys, signing)


def _file(world: World, name: str, data_set: DataSet) -> Iterator[Diagnosis]:
    """What every table in a file can have."""
    place, shown = data_set.place, world.shown(data_set.place)
    if data_set.has_bom:
        yield noticed(c.BOM, place, f"{name} {place}", f"sed -i '1s/^\\xef\\xbb\\xbf//' {shown}")
    for line in data_set.long_lines:
        seen = f"{place} line {line}: a key belongs in a file of its own"
        fix = edit(world, place, line, "put the key into a file, and name that")
        yield noticed(c.LONG_LINE, f"{place} line {line}", seen, fix)
    for line in data_set.indented:
        seen = f"{place} line {line} begins with a blank"
        yield noticed(c.INDENTED, f"{place} line {line}", seen, f"sed -i '{line}s/^[[:blank:]]*//' {shown}")
    yield from _reload(world, name, data_set)


def _reload(world: World, name: str, data_set: DataSet) -> Iterator[Diagnosis]:
    account = world.account
    if account is None or account.uid == 0:
        return
    try:
        status = os.stat(world.shown(data_set.place))
    except OSError:
        return
    bit = 0o400 if status.st_uid == account.uid else 0o040 if status.st_gid in account.groups else 0o004
    if status.st_mode & bit:
        return
    owner, group = world.accounts.user_name(status.st_uid), world.accounts.group_name(account.gid)
    mode = stat.S_IMODE(status.st_mode)
    seen = f"{name} {data_set.place} is {mode:04o} {owner}:{world.accounts.group_name(status.st_gid)}"
    repair = Repair(data_set.place, owner=f"{owner}:{group}", mode=(mode | 0o440) & ~0o022)
    yield repairable(world, c.RELOAD, seen, repair)


def _key_rows(world: World, keys: DataSet) -> Iterator[Diagnosis]:
    for row in filterfalse(is_marked, keys.odd(_PLAIN_KEY)):
        entry = key_entry(row)
        where = keys.at(row)
        if entry is None or entry.selector != entry.selector.strip() or entry.path != entry.path.strip():
            seen = f"{where}: {row.key} {row.value}"[:200]
            yield noticed(c.CORRUPT, where, seen, _key_row(world, keys, row, entry))
            continue
        if not entry.domain.isascii():
            fix = _key_row(world, keys, row, entry._replace(domain=_a_labels(entry.domain)))
            yield noticed(c.CRASH_NON_ASCII, where, f"{where}: d={entry.domain}", fix)
        if _ALGORITHM.search(entry.path):
            seen = f"{where}: {row.key} {row.value}: opendkim 2.11 takes the fourth field for a part of the path"
            fix = _key_row(world, keys, row, entry._replace(path=_ALGORITHM.sub("", entry.path)))
            yield noticed(c.CORRUPT, where, seen, fix)
        if keys.patterns and "*" in row.key:
            seen = f"{where}: {row.key} takes every key that fits"
            yield noticed(c.TOO_WIDE, where, seen, edit(world, keys.place, row.line, "name each key"))
        elif "*" in row.key:
            fix = edit(world, keys.place, row.line, "name each key")
            yield noticed(c.PATTERN_IN_FILE, where, f"{where}: {row.key}", fix)
    yield from repeated(world, keys, c.SAME_NAME, ignore_case=False)


def _key_row(world: World, keys: DataSet, row: Row, entry: KeyEntry | None) -> str:
    """The command that writes a row as it was meant."""
    if entry is None or not entry.domain.isascii():
        return edit(world, keys.place, row.line, f"{row.key} DOMAIN:SELECTOR:/PATH/TO/KEY")
    domain, selector, path = entry.domain.strip(), entry.selector.strip(), entry.path.strip()
    return rewrite(world, keys.place, row.line, f"{row.key} {domain}:{selector}:{path}")


def _signing_rows(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    known = _known(signing)
    for row in filterfalse(is_marked, signing.odd(_PLAIN_SIGNING)):
        where = signing.at(row)
        if not row.value:
            fix = silence(world, signing.place, row.line, "or add the name of a key")
            yield noticed(c.CRASH_NO_KEY, where, f"{where}: {row.key}", fix)
        if not row.key.rpartition("@")[2].isascii():
            meant = _a_labels(row.key)
            fix = edit(world, signing.place, row.line, "write its xn-- form")
            if meant.rpartition("@")[2].isascii():
                fix = _written(world, signing, known, row, meant)
            yield noticed(c.NON_ASCII, where, f"{where}: {row.key}", fix)
    if not world.opendkim.flag("MultipleSignatures"):
        yield from repeated(world, signing, c.SAME_PATTERN, ignore_case=True)


def _a_labels(key: str) -> str:
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
        return silence(world, signing.place, row.line, f"{' and '.join(meant)} is there already")
    return rewrite(world, signing.place, row.line, "\n".join(f"{key} {row.value}" for key in missing))


def _names(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """A `file:` table compares whole names."""
    known = _known(signing)
    for row in filterfalse(is_marked, signing.odd(_PLAIN_SIGNING)):
        user, at, domain = row.key.rpartition("@")
        if "*" not in row.key or row.key == "*" or (at and domain == "*" and "*" not in user):
            continue
        where = signing.at(row)
        exact = row.key.removeprefix("*@").removeprefix("*")
        fix = _written(world, signing, known, row, exact)
        found = noticed(c.PATTERN_IN_FILE, where, f"{where}: {row.key} {row.value}", fix)
        # it does nothing, and need not, where another row signs that mail
        sample = row.key.lower().replace("*", "dkimctl-sample")
        is_idle = any(key in known() for key in lookup_keys(sample))
        yield softened(found, Severity.WARNING) if is_idle else found


def _patterns(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """A `refile:` table compares patterns with whole addresses, in order."""
    known = _known(signing)
    for row in filterfalse(is_marked, signing.rows):
        where = signing.at(row)
        wrong = _regex_fault(row.key)
        if wrong:
            fix = edit(world, signing.place, row.line, "USER@DOMAIN with * for any text")
            yield noticed(c.BAD_REGEX, where, f"{where}: {row.key}: {wrong}", fix)
            continue
        if "@" not in row.key and "*" not in row.key:
            domain = row.key.removeprefix(".")
            star = "*@*." if row.key.startswith(".") else "*@"
            fix = _written(world, signing, known, row, f"{star}{domain}")
            yield noticed(c.NAME_IN_REFILE, where, f"{where}: {row.key} {row.value}", fix)
        elif row.key.startswith("*") and "@" not in row.key and row.key.strip("*.") and row.key[1] not in ".":
            domain = row.key.lstrip("*")
            fix = _written(world, signing, known, row, f"*@{domain}", f"*@*.{domain}")
            yield noticed(c.TOO_WIDE, where, f"{where}: {row.key}", fix)
    if not world.opendkim.flag("MultipleSignatures"):
        yield from _shadowed(world, signing)


def _regex_fault(key: str) -> str:
    """Why a pattern is no regular expression; empty when it is one."""
    if _SURELY_REGEX.fullmatch(key):
        return ""  # to compile one takes some hundred microseconds
    try:
        re.compile(pattern_regex(key))
    except re.error as error:
        return str(error)
    return ""


def _shadowed(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """Patterns behind one that fits all that they fit."""
    earlier: dict[str, Row] = {}
    odd: list[Row] = []
    for row in signing.rows:
        key = row.key.lower()
        if key in earlier:
            continue  # told as a repeated row
        hiding = next((earlier[g] for g in _generalizations(key) if g in earlier), None) or _fits(odd, key)
        if hiding and hiding.value != row.value:
            where = signing.at(row)
            text = f"{where}: {row.key} comes after line {hiding.line}: {hiding.key} {hiding.value}"
            fix = move_up(world, signing.place, row.line, hiding.line, f"{row.key} {row.value}")
            yield noticed(c.SHADOWED, where, text, fix)
        earlier[key] = row
        if _is_odd(key) and len(odd) < _MOST_ODD:
            odd.append(row)


def _generalizations(key: str) -> Iterator[str]:
    """The usual patterns that fit everything that `key` fits, itself excepted."""
    user, _, domain = key.rpartition("@")
    labels = domain.removeprefix("*.").split(".")
    parents = [".".join(labels[n:]) for n in range(0 if domain.startswith("*.") else 1, len(labels))]
    found = ["*", "*@*", f"*@{domain}", f"{user}@*", *(f"*@*.{parent}" for parent in parents)]
    yield from (g for g in found if g != key)


def _is_odd(key: str) -> bool:
    """True for a pattern that is none of the usual ones."""
    user, at, domain = key.rpartition("@")
    return "*" in (user.removeprefix("*") + domain.removeprefix("*.")) and not (at and domain == "*")


def _fits(odd: list[Row], key: str) -> Row | None:
    return Patterns(tuple(odd)).first(key.replace("*", "dkimctl-sample")) if odd else None
