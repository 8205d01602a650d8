"""Checks of KeyTable and SigningTable: rows that break mail, have no effect, or another one than intended."""

import os
import re
import stat
from collections.abc import Iterator
from itertools import filterfalse

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, Repair, diagnosis, with_repair
from dkimctl.doctor.commands import edit, edit_row, remove_bom, rewrite_row, unindent
from dkimctl.doctor.duplicates import duplicate_rows
from dkimctl.doctor.joins import check_joined
from dkimctl.doctor.signing_rows import a_labels, check_signing_rows
from dkimctl.host.datasets import FILES, DataSet, is_marked
from dkimctl.host.version import as_read_here, has_algorithm, split_algorithm
from dkimctl.host.world import World
from dkimctl.opendkim.tables import KeyEntry, Row, key_entry

_PLAIN_KEY = re.compile(rb"[!-\"$-)+-~]+[ \t]+[!-\"$-9;-~]+\.[!-\"$-9;-~]+:[!-\"$-9;-^`-~]+:[!-\"$-9;-~]+[ \t\r]*\n")
"""A KeyTable line that needs no check: ASCII, no `*` in the name, three parts, no blank, no comment."""


def check_tables(world: World) -> Iterator[Diagnosis]:
    """Check the rows of KeyTable and SigningTable."""
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    for name, data_set in world.data_sets.items():
        if data_set.is_known and data_set.kind in FILES:
            yield from _file(world, name, data_set)
    if keys and keys.is_known:
        yield from _key_rows(world, keys)
    if signing and signing.is_known:
        yield from check_signing_rows(world, signing)
    if keys and signing and keys.is_known and signing.is_known:
        yield from check_joined(world, keys, signing)


def _file(world: World, name: str, data_set: DataSet) -> Iterator[Diagnosis]:
    """Check for the faults of any table in a file."""
    place = data_set.place
    if data_set.has_bom:
        yield diagnosis(c.BOM, place, f"{name} {place}", remove_bom(world, place))
    for line in data_set.long_lines:
        seen = f"{place} line {line}: a key belongs in a file of its own"
        fix = edit(world, place, line, "put the key into a file, and write its path here")
        yield diagnosis(c.LONG_LINE, f"{place} line {line}", seen, fix)
    for line in data_set.indented:
        seen = f"{place} line {line} begins with a blank"
        yield diagnosis(c.INDENTED, f"{place} line {line}", seen, unindent(world, place, line))
    yield from _reload(world, name, data_set)


def _reload(world: World, name: str, data_set: DataSet) -> Iterator[Diagnosis]:
    account = world.account
    if account is None:
        return
    try:
        status = os.stat(world.shown(data_set.place))
    except OSError:
        return
    if account.may(0o4, status.st_mode, status.st_uid, status.st_gid):
        return
    owner, group = world.accounts.user_name(status.st_uid), world.accounts.group_name(account.gid)
    mode = stat.S_IMODE(status.st_mode)
    seen = f"{name} {data_set.place} is {mode:04o} {owner}:{world.accounts.group_name(status.st_gid)}"
    repair = Repair(data_set.place, owner=f"{owner}:{group}", mode=(mode | 0o440) & ~0o022)
    yield with_repair(world, c.RELOAD, seen, repair)


def _key_rows(world: World, keys: DataSet) -> Iterator[Diagnosis]:
    for row in filterfalse(is_marked, keys.odd(_PLAIN_KEY)):
        entry = key_entry(row)
        where = keys.at(row)
        if entry is None or entry.selector != entry.selector.strip() or entry.path != entry.path.strip():
            seen = f"{where}: {row.key} {row.value}"[:200]
            yield diagnosis(c.CORRUPT, where, seen, _key_row(world, keys, row, entry))
            continue
        if _is_swapped(entry):
            seen = f"{where}: {row.key} {row.value}: the selector {entry.selector} looks like a domain"
            swapped = entry._replace(domain=entry.selector, selector=entry.domain)
            yield diagnosis(c.CORRUPT, where, seen, _key_row(world, keys, row, swapped))
        elif "_domainkey" in entry.selector.lower():
            seen = f"{where}: {row.key} {row.value}: DNS is asked for {entry.selector}._domainkey.{entry.domain}"
            selector = entry.selector.lower().partition("._domainkey")[0]
            yield diagnosis(c.CORRUPT, where, seen, _key_row(world, keys, row, entry._replace(selector=selector)))
        if not entry.domain.isascii():
            fix = _key_row(world, keys, row, entry._replace(domain=a_labels(entry.domain)))
            yield diagnosis(c.CRASH_NON_ASCII, where, f"{where}: d={entry.domain}", fix)
        if has_algorithm(entry.path) and as_read_here(world, entry.path)[0] == entry.path:
            seen = f"{where}: {row.key} {row.value}: opendkim 2.11 reads the fourth field as a part of the path"
            fix = _key_row(world, keys, row, entry._replace(path=split_algorithm(entry.path)[0]))
            yield diagnosis(c.CORRUPT, where, seen, fix)
        if keys.patterns and "*" in row.key:
            seen = f"{where}: {row.key} matches every key of that form"
            yield diagnosis(c.TOO_WIDE, where, seen, edit_row(world, keys, row, "name each key"))
        elif "*" in row.key:
            fix = edit_row(world, keys, row, "name each key")
            yield diagnosis(c.PATTERN_IN_FILE, where, f"{where}: {row.key}", fix)
    yield from duplicate_rows(world, keys, c.SAME_NAME, ignore_case=False)


def _is_swapped(entry: KeyEntry) -> bool:
    """Return whether domain and selector are written the other way round: `mail:example.com:/path`."""
    return "." not in entry.domain and entry.domain != "%" and "." in entry.selector.strip(".")


def _key_row(world: World, keys: DataSet, row: Row, entry: KeyEntry | None) -> str:
    """Return the command that writes a row as intended."""
    if entry is None or not entry.domain.isascii():
        return edit_row(world, keys, row, f"{row.key} DOMAIN:SELECTOR:/PATH/TO/KEY")
    domain, selector, path = entry.domain.strip(), entry.selector.strip(), entry.path.strip()
    return rewrite_row(world, keys, row, f"{row.key} {domain}:{selector}:{path}")
