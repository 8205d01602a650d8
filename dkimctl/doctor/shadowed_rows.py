"""Patterns of a `refile:` SigningTable that are never reached, because an earlier one matches all their mail."""

from collections.abc import Iterator

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import move_up
from dkimctl.host.datasets import DataSet
from dkimctl.host.world import World
from dkimctl.opendkim.tables import SAMPLE, Patterns, Row

_MOST_ODD = 50


def shadowed(world: World, signing: DataSet) -> Iterator[Diagnosis]:
    """Report patterns after one that matches everything they match."""
    earlier: dict[str, Row] = {}
    odd = Patterns(())
    for row in signing.rows:
        key = row.key.lower()
        if key in earlier:
            continue  # reported as a duplicate row
        hiding = next((earlier[g] for g in _generalizations(key) if g in earlier), None) or odd.first(
            key.replace("*", SAMPLE)
        )
        if hiding and hiding.value != row.value:
            where = signing.at(row)
            text = f"{where}: {row.key} comes after line {hiding.line}: {hiding.key} {hiding.value}"
            fix = move_up(world, signing.place, row.line, hiding.line, f"{row.key} {row.value}")
            yield diagnosis(c.SHADOWED, where, text, fix)
        earlier[key] = row
        if _is_odd(key) and len(odd.table) < _MOST_ODD:
            odd = Patterns((*odd.table, row))


def _generalizations(key: str) -> Iterator[str]:
    """Yield the usual patterns, other than `key`, that match everything that `key` matches."""
    user, _, domain = key.rpartition("@")
    labels = domain.removeprefix("*.").split(".")
    parents = [".".join(labels[n:]) for n in range(0 if domain.startswith("*.") else 1, len(labels))]
    found = ["*", "*@*", f"*@{domain}", f"{user}@*", *(f"*@*.{parent}" for parent in parents)]
    yield from (g for g in found if g != key)


def _is_odd(key: str) -> bool:
    """Return True for a pattern not in one of the usual forms."""
    user, at, domain = key.rpartition("@")
    return "*" in (user.removeprefix("*") + domain.removeprefix("*.")) and not (at and domain == "*")
