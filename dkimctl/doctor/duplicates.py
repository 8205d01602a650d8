"""Rows of a table without effect, because an earlier row has the same name."""

from collections.abc import Iterator
from contextlib import suppress

from dkimctl.doctor.base import Diagnosis, Repair, diagnosis, with_repair
from dkimctl.doctor.commands import comment_out_row
from dkimctl.errors import DkimctlError
from dkimctl.findings import Entry
from dkimctl.host.datasets import DataSet
from dkimctl.host.world import World
from dkimctl.opendkim.longtable import Rows
from dkimctl.opendkim.managed_block import read_foreign


def duplicate_rows(world: World, data_set: DataSet, entry: Entry, *, ignore_case: bool) -> Iterator[Diagnosis]:
    """Report rows without effect, because an earlier row has the same key."""
    dead = list(data_set.rows.repeated(ignore_case=ignore_case)) if isinstance(data_set.rows, Rows) else []
    if not dead:
        return
    theirs = lines_of_people(world, data_set)
    ours_dead = {(a, b) for a, b in dead if a.line in theirs and b.line not in theirs}
    # of two equal rows, remove the one that dkimctl would not write again
    lines = tuple(sorted({a.line if (a, b) in ours_dead and a.value == b.value else b.line for a, b in dead}))
    kept, lost = next(((a, b) for a, b in dead if a.value != b.value), dead[0])
    more = f"; {len(dead)} such rows" if len(dead) > 1 else ""
    seen = (
        f"{data_set.place} line {kept.line}: {kept.key} {kept.value}, which is used; "
        f"line {lost.line}: {lost.value}, which is not{more}"
    )
    if (kept, lost) in ours_dead and kept.value != lost.value:
        fix = comment_out_row(world, data_set, kept, f"then line {lost.line} is used, which dkimctl manages")
        yield diagnosis(entry, data_set.place, seen, fix)
        return
    yield with_repair(world, entry, seen, Repair(data_set.place, drop_lines=lines))


def lines_of_people(world: World, data_set: DataSet) -> set[int]:
    """Return the numbers of the lines outside dkimctl's block; empty when the file cannot be read."""
    with suppress(DkimctlError):
        return {line.number for line in read_foreign(world.at(data_set.place)).lines}
    return set()
