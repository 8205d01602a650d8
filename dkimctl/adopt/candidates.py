"""The part of an installation that can be taken over: the domains whose own key signs for them today."""

from collections.abc import Iterator
from dataclasses import dataclass

from dkimctl.adopt.installed import Installed
from dkimctl.adopt.tables import Signer, Tables, sample, samples
from dkimctl.errors import UsageError
from dkimctl.host.table_lookup import resolved
from dkimctl.names import domain_name, owner_name, selector_name
from dkimctl.opendkim.tables import KeyEntry, Row


@dataclass(frozen=True, slots=True)
class Candidate:
    """A domain, the key that signs for it today, and the rows that say so."""

    domain: str
    entry: KeyEntry
    subdomains: bool
    """True when the same key signs for everything below the domain."""
    rows: tuple[Row, ...]
    """Of the SigningTable."""


@dataclass(frozen=True, slots=True)
class Left:
    """A row or key that stays as it is."""

    where: str
    what: str
    why: str
    hint: str = ""


def survey(installed: Installed) -> tuple[list[Candidate], list[Left]]:
    """The domains that can be taken over, and the rows of people that stay, each with the reason."""
    ours = {line.number for line in installed.signing.foreign.lines}
    rows = [row for row in installed.signing.rows if row.line in ours]
    candidates: list[Candidate] = []
    why: dict[Row, str] = {}
    for row in rows:
        found = _candidate(installed, row, ours)
        if isinstance(found, Candidate):
            candidates.append(found)
        else:
            why[row] = found
    taken = {row for candidate in candidates for row in candidate.rows}
    return candidates, list(_left(installed, rows, taken, why))


def _left(installed: Installed, rows: list[Row], taken: set[Row], why: dict[Row, str]) -> Iterator[Left]:
    for row in rows:
        if row not in taken:
            yield Left(installed.signing.at(row), row.key, why[row])


def _candidate(installed: Installed, row: Row, ours: set[int]) -> Candidate | str:
    """The domain that a row stands for, or why the row stays."""
    tables, patterns = installed.tables, installed.signing.patterns
    fitting = list(tables.fitting(sample(row, patterns=patterns)))
    if row not in fitting:
        return f"an earlier row matches its mail first: line {fitting[0].line}" if fitting else "it matches no mail"
    domain = _apex(row, patterns=patterns)
    if not domain:
        return _scope(row, patterns=patterns)
    apex, below, deep = samples(domain)
    signers = tables.signers(apex)
    if len(signers) != 1:
        return "MultipleSignatures: several rows sign the same mail"
    fault = _fault(signers[0], domain)
    if fault:
        return fault
    entry = signers[0].entry
    assert entry is not None
    own_name = owner_name(entry.selector, domain)
    if not _is_free(tables, own_name, domain, entry):
        return f"the tables mean something else by the name that dkimctl would give its key: {own_name}"
    if tables.signers(below) == tables.signers(deep) and _same(tables.signers(below), signers):
        rows = next(tables.fitting(below))
        if _below(rows, patterns=patterns) == domain and rows.line in ours:
            return Candidate(domain, entry, True, (row, rows))
    return Candidate(domain, entry, False, (row,))


def _is_free(tables: Tables, name: str, domain: str, entry: KeyEntry) -> bool:
    """Return whether the KeyTable has this very key under the name, or nobody asks for the name."""
    row = tables.named(name)
    if row is None:
        return name not in tables.wanted_names
    return resolved(row, domain) == entry._replace(name=row.key)


def _same(one: tuple[Signer, ...], other: tuple[Signer, ...]) -> bool:
    return [signer.effect for signer in one] == [signer.effect for signer in other]


def _fault(signer: Signer, domain: str) -> str:
    """Return why dkimctl cannot express a row; empty when it can."""
    entry = signer.entry
    if entry is None:
        return f"there is no key {signer.name or '(none named)'} in the KeyTable, so this mail is deferred"
    if signer.identity:
        return f"it sets i={signer.identity}"
    if entry.domain != domain:
        return f"its key signs with d={entry.domain}"
    if not entry.path.startswith("/"):
        return "its key is written in the table itself, not in a file"
    try:
        if domain_name(domain) == domain and selector_name(entry.selector) == entry.selector:
            return ""
    except UsageError as error:
        return error.message
    return "its names are not in lower-case A-labels"


def _scope(row: Row, *, patterns: bool) -> str:
    if _below(row, patterns=patterns):
        return "what is below a domain is taken over only with the domain, when both have the same key"
    if row.key.rpartition("@")[0] not in ("", "*"):
        return "it is for single addresses; dkimctl signs for whole domains"
    return "a pattern for more than one domain"


def _apex(row: Row, *, patterns: bool) -> str:
    """The domain itself, when the row fits its mail and nothing else; else empty."""
    key = row.key.lower()
    if patterns:
        return key[2:] if key.startswith("*@") and "*" not in key[2:] and not key.startswith("*@.") else ""
    return "" if "@" in key or "*" in key or key.startswith(".") else key


def _below(row: Row, *, patterns: bool) -> str:
    """The domain for whose sub-domains the row is, and for nothing else; else empty."""
    key = row.key.lower()
    start = "*@*." if patterns else "."
    rest = key.removeprefix(start)
    return rest if key.startswith(start) and "*" not in rest and "@" not in rest else ""
