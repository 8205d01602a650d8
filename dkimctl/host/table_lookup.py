"""Lookup in KeyTable and SigningTable, as the daemon does it for one message (`dkimf_apply_signtable`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from dkimctl.host.datasets import FILES, DataSet
from dkimctl.opendkim.tables import KeyEntry, Patterns, Row, key_entry, pattern_regex

_BOM = "\ufeff"
_MOST_COMPARED = 5_000  # each takes some ten microseconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """A signature that a SigningTable row requests."""

    row: Row
    name: str
    """The key's name in the KeyTable; empty when the row has none."""
    signer: str = ""
    """The value of i=; empty to omit it."""


def wanted_keys(signing: DataSet, address: str, *, several: bool) -> Iterator[Wanted]:
    """Return the rows that match the address, in the daemon's order: the first, or all with `several`."""
    for row in _fitting(signing, address):
        name, _, signer = row.value.partition(":")
        domain = address.rpartition("@")[2]
        yield Wanted(row, domain if name == "%" else name, signer.replace("%", domain))
        if not several:
            return


def _fitting(signing: DataSet, address: str) -> Iterator[Row]:
    if signing.patterns:
        yield from Patterns(tuple(signing.rows)).all(address)
        return
    keys = list(lookup_keys(address))
    wanted, first = set(keys), dict[str, Row]()
    for row in signing.rows:
        key = row.key.lower()
        if key in wanted:
            first.setdefault(key, row)
    yield from (first[key] for key in keys if key in first)


def lookup_keys(address: str) -> Iterator[str]:
    """Return the keys that the daemon looks up in a `file:` SigningTable, in this order."""
    user, _, domain = address.lower().rpartition("@")
    yield f"{user}@{domain}"
    yield domain
    position = domain.find(".")
    while position >= 0:
        yield f"{user}@{domain[position:]}"
        yield domain[position:]
        position = domain.find(".", position + 1)
    yield f"{user}@*"
    yield "*"


def find_key(keys: DataSet, name: str) -> Row | None:
    """Return the row of this name: case-sensitive, and in a `refile:` table the row's name is a pattern."""
    if not keys.patterns:
        return next((row for row in keys.rows if row.key == name), None)
    for row in keys.rows:
        try:
            if re.fullmatch(pattern_regex(row.key), name):
                return row
        except re.error:
            continue
    return None


def resolved(row: Row, domain: str) -> KeyEntry | None:
    """Return the key for mail from `domain`, with `%` replaced; None when a part is missing."""
    entry = key_entry(row)
    if entry is None:
        return None
    signing = domain if entry.domain == "%" else entry.domain
    path = entry.path.replace("%", signing) if entry.path.startswith("/") else entry.path
    return KeyEntry(entry.name, signing, entry.selector, path)


@dataclass(frozen=True, slots=True)
class Miss:
    """The row closest to an address that no row matches, and why it does not match."""

    row: Row
    why: str


def nearest_miss(signing: DataSet, address: str) -> Miss | None:
    """Return the row that was probably intended for this address; None when none is similar."""
    domain = address.rpartition("@")[2].lower()
    parents = [domain, *_parents(domain)]
    wanted, first = set(parents), dict[str, Row]()
    for row in signing.rows:
        named = _domain(row.key)
        if named in wanted:
            first.setdefault(named, row)
    for meant in parents:
        if meant in first:
            return Miss(first[meant], _why(signing, first[meant], meant == domain))
    for line in signing.indented:
        return Miss(Row("", "", line), "a row that begins with a blank is ignored")
    return _like(signing, domain)


def _like(signing: DataSet, domain: str) -> Miss | None:
    """Return the row of a similarly spelled domain, among the first rows."""
    row_of: dict[str, Row] = {}
    for row in islice(signing.rows, _MOST_COMPARED):
        row_of.setdefault(_domain(row.key), row)
    close = get_close_matches(domain, row_of, n=1, cutoff=0.75)
    return Miss(row_of[close[0]], "another domain") if close else None


def _parents(domain: str) -> Iterator[str]:
    labels = domain.split(".")
    yield from (".".join(labels[n:]) for n in range(1, len(labels) - 1))


def _domain(key: str) -> str:
    return key.removeprefix(_BOM).lower().rpartition("@")[2].removeprefix("*").removeprefix(".")


def _why(signing: DataSet, row: Row, same_domain: bool) -> str:
    key = row.key.removeprefix(_BOM)
    if row.key != key:
        return "a byte order mark before it belongs to its name"
    if signing.patterns and "@" not in key and "*" not in key:
        return f"a refile: table compares whole addresses: write *@{_domain(key)}"
    if not signing.patterns and "*" in key and signing.kind in FILES:
        return f"a file: table has no patterns: write {'.' if '*.' in key else ''}{_domain(key)}"
    user, at, _ = key.rpartition("@")
    if at and user not in ("", "*"):
        return f"it matches only {user}"
    if same_domain:
        return "it matches only what is below the domain"
    return "it matches only the domain itself, not what is below it"
