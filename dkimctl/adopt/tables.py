"""SigningTable and KeyTable together: which key signs mail from an address, looked up fast in tables of any size."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dkimctl.host.table_lookup import lookup_keys, resolved
from dkimctl.opendkim.tables import SAMPLE, KeyEntry, Patterns, Row

ELSEWHERE = f"{SAMPLE}.invalid"


@dataclass(frozen=True, slots=True)
class Signer:
    """The KeyTable entry to which one SigningTable row leads."""

    entry: KeyEntry | None
    """None when the KeyTable lacks the key, or its row lacks a part."""
    name: str
    identity: str = ""
    """What becomes i=; empty to leave it out."""

    @property
    def effect(self) -> tuple[str, ...]:
        """A value that is equal for two signers that make the same signature."""
        if self.entry is None:
            return (self.name,)
        return (self.entry.domain, self.entry.selector, self.entry.path, self.identity)


@dataclass
class Tables:
    """Both tables as the daemon reads them."""

    signing: tuple[Row, ...]
    signing_patterns: bool
    keys: tuple[Row, ...]
    keys_patterns: bool
    several: bool = False
    """True with MultipleSignatures: every row that fits signs."""

    def fitting(self, address: str) -> Iterator[Row]:
        """The SigningTable rows that count for an address, in the daemon's order."""
        if not self.signing_patterns:
            found = (self._exact[key] for key in lookup_keys(address) if key in self._exact)
            yield from found if self.several else (row for row, _ in zip(found, range(1), strict=False))
        elif self.several:
            yield from self._patterns.all(address)
        elif first := self._patterns.first(address):
            yield first

    def signers(self, address: str) -> tuple[Signer, ...]:
        """Return the signers of mail from an address."""
        domain = address.rpartition("@")[2].lower()
        return tuple(self._signer(row, domain) for row in self.fitting(address))

    def key_row(self, row: Row, domain: str) -> Row | None:
        """The KeyTable row that a SigningTable row names for mail from `domain`."""
        name = row.value.partition(":")[0]
        return self.named(domain if name == "%" else name)

    def named(self, name: str) -> Row | None:
        """Return the KeyTable row that counts for a name."""
        return self._key_patterns.first(name) if self.keys_patterns else self._key_names.get(name)

    def is_first(self, row: Row) -> bool:
        """Return whether no earlier row of a `file:` table has the row's key."""
        return self._exact[row.key.lower()] == row

    def is_first_key(self, row: Row) -> bool:
        """Return whether no earlier KeyTable row has the row's name."""
        return self._key_names[row.key] == row

    def _signer(self, row: Row, domain: str) -> Signer:
        name, _, identity = row.value.partition(":")
        found = self.key_row(row, domain)
        entry = resolved(found, domain) if found else None
        return Signer(entry, domain if name == "%" else name, identity.replace("%", domain))

    @cached_property
    def wanted_names(self) -> frozenset[str]:
        """Every name that the SigningTable asks for."""
        return frozenset(row.value.partition(":")[0] for row in self.signing)

    @cached_property
    def _exact(self) -> dict[str, Row]:
        return {row.key.lower(): row for row in reversed(self.signing)}

    @cached_property
    def _patterns(self) -> Patterns:
        return Patterns(self.signing)

    @cached_property
    def _key_names(self) -> dict[str, Row]:
        return {row.key: row for row in reversed(self.keys)}

    @cached_property
    def _key_patterns(self) -> Patterns:
        return Patterns(self.keys)


def sample(row: Row, *, patterns: bool) -> str:
    """An address that the row fits."""
    if patterns:
        address = row.key.replace("*", SAMPLE)
        return address if "@" in address else f"{SAMPLE}@{address}"
    user, at, domain = row.key.lower().rpartition("@")
    domain = ELSEWHERE if domain == "*" else f"{SAMPLE}{domain}" if domain.startswith(".") else domain
    return f"{user if at else SAMPLE}@{domain}"


def samples(domain: str) -> tuple[str, str, str]:
    """Return addresses in a domain, below it, and two labels below it."""
    return f"{SAMPLE}@{domain}", f"{SAMPLE}@{SAMPLE}.{domain}", f"{SAMPLE}@{SAMPLE}.{SAMPLE}.{domain}"
