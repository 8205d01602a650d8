"""Domains whose rows a SigningTable has lost, such as to a panel or script that rewrote the whole file."""

from collections.abc import Iterator
from functools import cache

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import dkimctl
from dkimctl.errors import DkimctlError, disk_errors
from dkimctl.files import read_file
from dkimctl.host.datasets import DataSet
from dkimctl.host.world import World
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Phase
from dkimctl.names import first_few
from dkimctl.opendkim.named_keys import named_keys
from dkimctl.opendkim.tables import Patterns, rows
from dkimctl.signers.opendkim.dataset import row_domain

_SHOWN = 10


def check_lost_rows(world: World) -> Iterator[Diagnosis]:
    """Yield one finding with the domains that have an active key and no row, and others' rows that are gone as well."""
    table = world.data_sets.get("SigningTable")
    if table is None or not table.is_known or table.place != f"{world.settings.paths.opendkim_directory}/SigningTable":
        return
    lost = list(_lost(world, table))
    if not lost:
        return
    seen = f"{table.place} has no row for {first_few(lost, _SHOWN)}, whose keys are active"
    others = list(_rows_of_others(world, table, set(lost)))
    if others:
        seen += f"; rows of others that its last copy has are gone as well: {first_few(others, _SHOWN)}"
    yield diagnosis(c.LOST_ROWS, table.place, seen, dkimctl(world, "render-config --install"))


def _without_row(table: DataSet, domains: list[str]) -> list[str]:
    """Return those of the domains for whose mail there is no row. A long table is read as far as that takes."""
    missing = {f"*@{domain}" if table.patterns else domain: domain for domain in domains}
    for row in table.rows if missing else ():
        missing.pop(row.key.lower(), None)
        if not missing:
            return []
    if not (table.patterns and missing):
        return list(missing.values())
    patterns = Patterns(tuple(table.rows))
    return [domain for domain in missing.values() if patterns.first(f"postmaster@{domain}") is None]


def _lost(world: World, table: DataSet) -> Iterator[str]:
    settings = world.settings
    named = cache(lambda: named_keys(settings))
    store = KeyDirectory(settings.key_directory, shown=settings.paths.keys, named=named)
    for domain in _without_row(table, store.names()):
        try:
            keys = store.keys(domain)
        except DkimctlError:
            continue  # check_keys reports what cannot be read
        if any(key.phase is Phase.ACTIVE for key in keys):
            yield domain


def _rows_of_others(world: World, table: DataSet, lost: set[str]) -> Iterator[str]:
    """Return the rows of the newest copy that the table lacks now, without those of domains already named."""
    backups = world.at(world.settings.paths.backups)
    with disk_errors(f"read {backups}"):
        copies = sorted(backups.glob(f"*T*Z*{table.place}"), reverse=True)
    if not copies:
        return
    lines = (read_file(copies[0]) or b"").splitlines(keepends=True)
    now = {row.key.lower() for row in table.rows}
    for row in rows(lines, patterns=table.patterns):
        if row.key.lower() not in now and row_domain(row) not in lost:
            yield row.key
