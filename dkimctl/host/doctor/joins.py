"""KeyTable and SigningTable seen from each other: dangling names, unused keys, d= and i= that do not suit senders."""

from collections.abc import Iterator

from dkimctl.host.catalogue import tables as c
from dkimctl.host.datasets import DataSet
from dkimctl.host.doctor.base import Diagnosis, noticed
from dkimctl.host.doctor.commands import dkimctl, edit, rewrite
from dkimctl.host.world import World
from dkimctl.opendkim.tables import KeyEntry, Patterns, Row, key_entry


def check_joined(world: World, keys: DataSet, signing: DataSet) -> Iterator[Diagnosis]:
    """Rows of one table seen from the other."""
    known = {row.key: row for row in reversed(keys.rows)}
    entries = {name: entry for name, row in known.items() if (entry := key_entry(row))}
    patterns = Patterns(keys.rows) if keys.patterns else None
    used: set[str] = set()
    for row in signing.rows:
        for name in key_names(row):
            found = known.get(name) or (patterns.first(name) if patterns else None)
            if name == "%":
                used.update(known)
            elif found is None:
                yield _dangling(world, keys, signing, row, name)
            else:
                used.add(found.key)
                entry = entries.get(found.key)
                if entry is not None:
                    yield from _alignment(world, signing, row, entry)
                    yield from _signer(world, signing, row, entry)
    for row in keys.rows:
        if row.key not in used:
            used.add(row.key)
            yield noticed(c.UNUSED, keys.at(row), f"{keys.at(row)}: {row.key}", "")


def key_names(row: Row) -> Iterator[str]:
    """The keys that a SigningTable row names."""
    name = row.value.partition(":")[0].strip()
    if name:
        yield name


def _dangling(world: World, keys: DataSet, signing: DataSet, row: Row, name: str) -> Diagnosis:
    where = signing.at(row)
    same = next((k.key for k in keys.rows if k.key.lower() == name.lower()), "")
    seen = f"{where}: {row.key} {row.value}; no row {name} in {keys.place}"
    fix = edit(world, signing.place, row.line, f"or add {name} to the KeyTable")
    if same:
        fix = rewrite(world, signing.place, row.line, f"{row.key} {row.value.replace(name, same, 1)}", "case counts")
    return noticed(c.DANGLING, where, seen, fix)


def _alignment(world: World, signing: DataSet, row: Row, entry: KeyEntry) -> Iterator[Diagnosis]:
    domain = row.key.rpartition("@")[2].lower().lstrip("*").lstrip(".")
    if entry.domain == "%" or not domain or aligned(domain, entry.domain.lower()):
        return
    where = signing.at(row)
    seen = f"{where}: mail from {domain} gets d={entry.domain}"
    fix = dkimctl(world, f"setup {domain}", "a key of its own; or leave it, where DMARC does not matter")
    yield noticed(c.MISALIGNED, where, seen, fix)


def _signer(world: World, signing: DataSet, row: Row, entry: KeyEntry) -> Iterator[Diagnosis]:
    signer = row.value.partition(":")[2].strip()
    if not signer:
        return
    place, domain = signer.rpartition("@")[2].lower(), entry.domain.lower()
    if "@" in signer and ("%" in place + domain or place == domain or place.endswith("." + domain)):
        return
    where = signing.at(row)
    fix = rewrite(world, signing.place, row.line, f"{row.key} {row.value.partition(':')[0].strip()}")
    yield noticed(c.BAD_SIGNER, where, f"{where}: {row.key} {row.value}; d={entry.domain}", fix)


def aligned(sender: str, signing: str) -> bool:
    """Relaxed alignment, as far as it can be told without the list of public suffixes: one is below the other.

    Two siblings such as a.example.com and b.example.com are taken for aligned when they share two labels or more.
    """
    if sender == signing or sender.endswith("." + signing) or signing.endswith("." + sender):
        return True
    ours, theirs = sender.split(".")[::-1], signing.split(".")[::-1]
    shared = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), 0)
    return shared >= (3 if len(ours[0]) == 2 and len(ours) > 1 and len(ours[1]) <= 3 else 2)
