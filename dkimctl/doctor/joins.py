"""Checks of KeyTable against SigningTable: missing keys, unused keys, d= and i= that do not match the senders."""

from collections.abc import Callable, Iterator, Mapping
from itertools import filterfalse

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import MAX_PER_CODE, Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import edit_row, rewrite_row
from dkimctl.doctor.key_repairs import own_key
from dkimctl.doctor.signing_rows import fits_nothing
from dkimctl.findings import Severity
from dkimctl.host.datasets import DataSet, is_marked
from dkimctl.host.world import World
from dkimctl.names import is_aligned, is_within
from dkimctl.opendkim.longtable import Names, Rows
from dkimctl.opendkim.tables import SAMPLE, KeyEntry, Patterns, Row, key_entry


def check_joined(world: World, keys: DataSet, signing: DataSet) -> Iterator[Diagnosis]:
    """Check the rows of each table against the other table."""
    names = keys.by_name()
    is_any_used = False
    patterns = Patterns(tuple(keys.rows)) if keys.patterns else None
    dangling: list[tuple[Row, str]] = []
    for row in signing.rows:
        if ":" not in row.value and names.has(row.value.strip(), f"{row.key.removeprefix('.')}:"):
            continue  # the domain's own key: the usual case in long tables
        name = key_name(row)
        found = names.get(name) or _by_pattern(patterns, names, name)
        if found is not None:
            yield from _match(world, keys, signing, row, found)
        elif name in ("", "%"):
            is_any_used = is_any_used or name == "%"
        elif len(dangling) < MAX_PER_CODE:
            dangling.append((row, name))
        else:
            yield _dangling(world, keys, signing, row, name, {})
    spelled = _spellings(keys, {name.lower() for _, name in dangling}) if dangling else {}
    is_reached = _reached(world, signing) if dangling else None
    for row, name in dangling:
        lost = _dangling(world, keys, signing, row, name, spelled)
        yield lost if is_reached is None or is_reached(row) else with_severity(lost, Severity.WARNING)
    for row in filterfalse(is_marked, () if is_any_used else names.never_asked()):
        yield diagnosis(c.UNUSED, keys.at(row), f"{keys.at(row)}: {row.key}", "")


def _by_pattern(patterns: Patterns | None, names: Names, name: str) -> Row | None:
    """Return the row of a `refile:` KeyTable whose name matches as a pattern."""
    found = patterns.first(name) if patterns and name else None
    if found:
        names.get(found.key)  # so that it is not reported as unused
    return found


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


def _reached(world: World, signing: DataSet) -> Callable[[Row], bool]:
    """Return a function that says whether a row gets mail: its form matches some, and no earlier row takes it all."""
    rows = signing.rows
    later = {row.line for _, row in rows.repeated(ignore_case=True)} if isinstance(rows, Rows) else set[int]()
    is_ordered = signing.patterns and not world.opendkim.flag("MultipleSignatures")
    patterns = Patterns(tuple(rows)) if is_ordered else None

    def is_reached(row: Row) -> bool:
        if not _is_in_effect(signing, row.key):
            return False
        first = patterns.first(row.key.replace("*", SAMPLE)) if patterns else None
        # a `file:` has one row of each name, whatever MultipleSignatures says; a `refile:` then uses all that fit
        return first.line == row.line if first else signing.patterns or row.line not in later

    return is_reached


def _alignment(world: World, keys: DataSet, signing: DataSet, row: Row, entry: KeyEntry) -> Iterator[Diagnosis]:
    domain = row.key.rpartition("@")[2].lower().lstrip("*").lstrip(".")
    if "." not in entry.domain or not domain or is_aligned(domain, entry.domain.lower()):
        return  # `%` is the sender's own domain; for a name without a dot the KeyTable row has a finding
    if not _is_in_effect(signing, row.key):
        return  # another finding has the row rewritten first
    where = signing.at(row)
    seen = f"{where}: mail from {domain} gets d={entry.domain}"
    yield diagnosis(c.MISALIGNED, where, seen, own_key(world, keys, signing, row, domain))


def _is_in_effect(signing: DataSet, key: str) -> bool:
    """Return True when the row matches mail as it is written."""
    if not key.isascii() or fits_nothing(signing, key):
        return False
    user, _, domain = key.rpartition("@")
    if signing.patterns:
        return "@" in key or "*" in key
    return "*" not in key or (domain == "*" and "*" not in user)


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
