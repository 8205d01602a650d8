"""Checks of KeyTable against SigningTable: missing keys, unused keys, d= and i= that do not match the senders."""

from collections.abc import Iterator, Mapping
from itertools import filterfalse

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import MAX_PER_CODE, Diagnosis, diagnosis
from dkimctl.doctor.commands import edit_row, rewrite_row
from dkimctl.doctor.key_repairs import own_key
from dkimctl.doctor.signing_rows import fits_nothing
from dkimctl.host.datasets import DataSet, is_marked
from dkimctl.host.world import World
from dkimctl.names import is_aligned, is_within
from dkimctl.opendkim.longtable import Names
from dkimctl.opendkim.tables import KeyEntry, Patterns, Row, key_entry


def check_joined(world: World, keys: DataSet, signing: DataSet) -> Iterator[Diagnosis]:
    """Check the rows of each table against the other table."""
    names = keys.by_name()
    is_any_used = False
    patterns = Patterns(tuple(keys.rows)) if keys.patterns else None
    dangling: list[tuple[Row, str]] = []
    for row in signing.rows:
        name = key_name(row)
        found = names.get(name) or _by_pattern(patterns, names, name)
        if found is not None:
            if not _is_plain(row, found):
                yield from _match(world, keys, signing, row, found)
        elif name in ("", "%"):
            is_any_used = is_any_used or name == "%"
        elif len(dangling) < MAX_PER_CODE:
            dangling.append((row, name))
        else:
            yield _dangling(world, keys, signing, row, name, {})
    spelled = _spellings(keys, {name.lower() for _, name in dangling}) if dangling else {}
    for row, name in dangling:
        yield _dangling(world, keys, signing, row, name, spelled)
    for row in filterfalse(is_marked, () if is_any_used else names.never_asked()):
        yield diagnosis(c.UNUSED, keys.at(row), f"{keys.at(row)}: {row.key}", "")


def _by_pattern(patterns: Patterns | None, names: Names, name: str) -> Row | None:
    """Return the row of a `refile:` KeyTable whose name matches as a pattern."""
    found = patterns.first(name) if patterns and name else None
    if found:
        names.get(found.key)  # so that it is not reported as unused
    return found


def _is_plain(row: Row, found: Row) -> bool:
    """Return whether a domain's row names the domain's own key, the usual case in long tables."""
    return ":" not in row.value and found.value.startswith(f"{row.key.removeprefix('.')}:")


def _match(world: World, keys: DataSet, signing: DataSet, row: Row, found: Row) -> Iterator[Diagnosis]:
    entry = key_entry(found)
    if entry is not None:
        yield from _alignment(world, keys, signing, row, entry)
        yield from _signer(world, signing, row, entry)


def key_name(row: Row) -> str:
    """Return the name of the key in a SigningTable row; empty when it has none."""
    return row.value.partition(":")[0].strip()


def _spellings(keys: DataSet, names: set[str]) -> dict[str, str]:
    """Map those of `names` (in lower case) that are in the KeyTable to their spelling there."""
    found: dict[str, str] = {}
    for row in keys.rows:
        if row.key.lower() in names:
            found.setdefault(row.key.lower(), row.key)
    return found


def _dangling(
    world: World, keys: DataSet, signing: DataSet, row: Row, name: str, spelled: Mapping[str, str]
) -> Diagnosis:
    where, same = signing.at(row), spelled.get(name.lower(), "")
    seen = f"{where}: {row.key} {row.value}; no row {name} in {keys.place}"
    fix = edit_row(world, signing, row, f"or add {name} to the KeyTable")
    if same:
        fix = rewrite_row(
            world, signing, row, f"{row.key} {row.value.replace(name, same, 1)}", "names are case-sensitive"
        )
    return diagnosis(c.DANGLING, where, seen, fix)


def _alignment(world: World, keys: DataSet, signing: DataSet, row: Row, entry: KeyEntry) -> Iterator[Diagnosis]:
    domain = row.key.rpartition("@")[2].lower().lstrip("*").lstrip(".")
    if entry.domain == "%" or not domain or is_aligned(domain, entry.domain.lower()):
        return
    if not _is_in_effect(signing, row.key):
        return  # another finding has the row rewritten first
    where = signing.at(row)
    seen = f"{where}: mail from {domain} gets d={entry.domain}"
    yield diagnosis(c.MISALIGNED, where, seen, own_key(world, keys, signing, row, domain))


def _is_in_effect(signing: DataSet, key: str) -> bool:
    """Return True when the row matches mail as it is written."""
    if not key.isascii() or fits_nothing(signing, key):
        return False
    return ("@" in key or "*" in key) if signing.patterns else "*" not in key


def _signer(world: World, signing: DataSet, row: Row, entry: KeyEntry) -> Iterator[Diagnosis]:
    signer = row.value.partition(":")[2].strip()
    if not signer:
        return
    place, domain = signer.rpartition("@")[2].lower(), entry.domain.lower()
    if "@" in signer and ("%" in place + domain or is_within(place, domain)):
        return
    where = signing.at(row)
    fix = rewrite_row(world, signing, row, f"{row.key} {key_name(row)}")
    yield diagnosis(c.BAD_SIGNER, where, f"{where}: {row.key} {row.value}; d={entry.domain}", fix)
