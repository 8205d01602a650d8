"""Checks for private keys that are known to be bad, or shared by several domains."""

from collections.abc import Iterator

from dkimctl.catalogue import record_keys as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.key_repairs import another_key
from dkimctl.host.keyfiles import UsedKey, used_keys
from dkimctl.host.world import World
from dkimctl.keys import knownbad
from dkimctl.keys.public import PublicKey
from dkimctl.names import first_few

COMPARED = 1_000
"""Keys compared with known-bad ones and with each other: about a second, however long the KeyTable is."""
_MOST_FILES = 20  # shared key files that are reported
_NAMED = 5  # domains of one key


class Comparison:
    """The first keys of a KeyTable, each compared with the known-bad ones and with those before it."""

    def __init__(self) -> None:
        self._seen: dict[str, UsedKey] = {}

    def look(self, world: World, key: UsedKey, public: PublicKey) -> Iterator[Diagnosis]:
        """Report DKIM309 for this key, or DKIM311 where another file has the same key."""
        if len(self._seen) >= COMPARED:
            return
        first = self._seen.setdefault(public.base64, key)
        if first is not key:
            if _domain(first) != _domain(key):
                yield diagnosis(c.SHARED, key.path, f"{key.path} ({key.where}) is the same key as {first.path}")
            return
        found = knownbad.weakness(public)
        if found:
            fix = another_key(world, key, "sign with it, and revoke this one")
            yield diagnosis(c.KNOWN_BAD, key.path, f"{key.path}: {found}", fix)


class SharedFiles:
    """Key files that the KeyTable names more than once, collected while its keys are checked."""

    def __init__(self) -> None:
        self._domains: dict[str, dict[str, None]] = {}  # of all rows but the first

    def add(self, path: str, domain: str) -> None:
        """Note that a further row names the file, for this domain."""
        domains = self._domains.get(path)
        if domains is None:
            if len(self._domains) == _MOST_FILES:
                return
            domains = self._domains[path] = {}
        domains[domain.lower()] = None

    def found(self, world: World) -> Iterator[Diagnosis]:
        """Report the files that are named for several domains."""
        waiting = set(self._domains)
        for key in used_keys(world) if waiting else ():
            if key.path in waiting:
                waiting.remove(key.path)
                names = [name for name in {_domain(key): None} | self._domains[key.path] if name]
                if len(names) > 1:
                    yield diagnosis(c.SHARED, key.path, f"{key.path} signs for {first_few(names, _NAMED)}")
                if not waiting:
                    return


def skipped_comparisons(world: World) -> str:
    """Return which comparisons were skipped, as text; empty when none."""
    table = world.data_sets.get("KeyTable")
    missing = knownbad.not_checked()
    if not missing and table and len(table.rows) > COMPARED:
        return f"only the first {COMPARED} keys were compared with those known to be bad"
    return missing


def _domain(key: UsedKey) -> str:
    return key.entry.domain.lower() if key.entry else ""
