"""The keys that sign already, and of some domains another one: what a switch renders."""

from collections.abc import Iterator, Mapping

from dkimctl.keys.metadata import Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, KeyReader
from dkimctl.signers.base import Name


class ChosenKeys:
    """A KeyReader that lists, as active, the keys of the installed tables, and those that are to take their place.

    `installed`: domain and selector of each key that signs. `chosen`: domain → the selectors that are to sign.
    """

    def __init__(self, store: KeyReader, installed: frozenset[Name], chosen: Mapping[str, frozenset[str]]) -> None:
        self._store = store
        self._chosen = chosen
        self._selectors: dict[str, set[str]] = {}
        for domain, selector in installed:
            self._selectors.setdefault(domain, set()).add(selector)

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted."""
        return self._store.names()

    def domains(self) -> Iterator[str]:
        """Yield every domain with a key that signs, sorted."""
        return (domain for domain in self._store.domains() if self.keys(domain))

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain that sign, oldest first."""
        return tuple(map(_active, filter(self._signs, self._store.keys(domain))))

    def _signs(self, key: Key) -> bool:
        chosen = self._chosen.get(key.domain)
        return key.selector in (self._selectors.get(key.domain, ()) if chosen is None else chosen)

    def find(self, name: KeyName) -> Key | None:
        """Return the key of this name, if there is one and it signs."""
        key = self._store.find(name)
        return _active(key) if key and self._signs(key) else None

    def load(self, key: Key) -> KeyPair:
        """Return the pair. Raises DiskError or CheckFailed."""
        return self._store.load(key)

    def public(self, key: Key) -> PublicKey:
        """Return the public half. Raises DiskError or CheckFailed."""
        return self._store.public(key)


def _active(key: Key) -> Key:
    return key._replace(metadata=key.metadata._replace(phase=Phase.ACTIVE))
