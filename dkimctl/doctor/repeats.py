"""Rows of a table that never count, because an earlier one has their name."""

from collections.abc import Iterator
from contextlib import suppress

from dkimctl.doctor.base import Diagnosis, Repair, noticed, repairable
from dkimctl.doctor.commands import silence_row
from dkimctl.errors import DkimctlError
from dkimctl.findings import Entry
from dkimctl.host.datasets import DataSet
from dkimctl.host.world import World
from dkimctl.opendkim.longtable import Rows
from dkimctl.opendkim.managed import read_foreign


def repeated(world: World, data_set: DataSet, entry: Entry, *, ignore_case: bool) -> Iterator[Diagnosis]:
    """Rows that never count because an earlier one has their key."""
    dead = list(data_set.rows.repeated(ignore_case=ignore_case)) if isinstance(data_set.rows, Rows) else []
    if not dead:
        return
    theirs = _lines_of_people(world, data_set)
    ours_dead = {(a, b) for a, b in dead if a.line in theirs and b.line not in theirs}
    # of two equal rows the one goes that dkimctl would not write again
    lines = tuple(sorted({a.line if (a, b) in ours_dead and a.value == b.value else b.line for a, b in dead}))
    kept, lost = next(((a, b) for a, b in dead if a.value != b.value), dead[0])
    more = f"; {len(dead)} such rows" if len(dead) > 1 else ""
    seen = (
        f"{data_set.place} line {kept.line}: {kept.key} {kept.value}, which counts; "
        f"line {lost.line}: {lost.value}, which does not{more}"
    )
    if (kept, lost) in ours_dead and kept.value != lost.value:
        fix = silence_row(world, data_set, kept, f"then line {lost.line} counts, which is dkimctl's own")
        yield noticed(entry, data_set.place, seen, fix)
        return
    yield repairable(world, entry, seen, Repair(data_set.place, drop_lines=lines))


def _lines_of_people(world: World, data_set: DataSet) -> set[int]:
    """The numbers of the lines outside dkimctl's block; empty when that cannot be told."""
    with suppress(DkimctlError):
        return {line.number for line in read_foreign(world.at(data_set.place)).lines}
    return set()
