"""Some of the keys of a store: what a rendering is made from when not every key may sign."""

from collections.abc import Callable, Iterator

from dkimctl.errors import DkimctlError
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, KeyReader, Select


class FilteredKeys:
    """A KeyReader over another. `select`: returns a key as it is to be seen, or None for one that is left out."""

    def __init__(self, store: KeyReader, select: Callable[[Key], Key | None]) -> None:
        self._store = store
        self._select = select
        self._ahead: tuple[str, tuple[Key, ...]] | None = None
        """The keys of the domain that was listed last: a walk asks for them next, and reads no key twice."""

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted."""
        return self._store.names()

    def domains(self) -> Iterator[str]:
        """Yield every domain with a key that is selected, sorted, and those of which that cannot be read."""
        return filter(self._has_keys, self._store.names())

    def _has_keys(self, domain: str) -> bool:
        self._ahead = None
        try:
            self._ahead = (domain, self.keys(domain))
        except DkimctlError:
            return True
        return bool(self._ahead[1])

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain that are selected, oldest first."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == domain:
            return ahead[1]
        return tuple(key for key in map(self._select, self._store.keys(domain)) if key is not None)

    def keys_with_public(self, domain: str, select: Select) -> list[tuple[Key, PublicKey]]:
        """Return those of a domain's keys that are selected here and there, each with its public half."""
        return [(key, self.public(key)) for key in select(self.keys(domain))]

    def find(self, name: KeyName) -> Key | None:
        """Return the key of this name, if there is one and it is selected."""
        key = self._store.find(name)
        return self._select(key) if key else None

    def load(self, key: Key) -> KeyPair:
        """Return the pair. Raises DiskError or CheckFailed."""
        return self._store.load(key)

    def public(self, key: Key) -> PublicKey:
        """Return the public half. Raises DiskError or CheckFailed."""
        return self._store.public(key)


class OfDomains(FilteredKeys):
    """A KeyReader that lists some of the domains of another."""

    def __init__(self, store: KeyReader, domains: frozenset[str]) -> None:
        super().__init__(store, lambda key: key)
        self._domains = sorted(domains)

    def names(self) -> list[str]:
        """Return these domains, sorted."""
        return self._domains

    def domains(self) -> Iterator[str]:
        """Yield those of them with a key, sorted, and those of which that cannot be read."""
        return filter(self._has_keys, self._domains)
