"""The keys that may sign: those that DNS was seen to serve, and those that sign already."""

from collections.abc import Iterator

from dkimctl.config.settings import Settings
from dkimctl.keys.metadata import Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, KeyReader
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_of

_UNPROVEN = (Phase.GENERATED, Phase.PUBLISHED)


def installed_keys(settings: Settings) -> frozenset[Name]:
    """Return the keys that the signer's installed configuration names; none when there is none. Raises DiskError."""
    return signer_of(settings).installed(settings)


class EligibleKeys:
    """A KeyReader that lists only the keys that may sign, for a rendering that keeps mail safe."""

    def __init__(self, store: KeyReader, installed: frozenset[Name], *, without: frozenset[Name] = frozenset()) -> None:
        """`installed`: keys that sign already; `without`: keys that must not sign in any case."""
        self._store = store
        self._installed = installed
        self._without = without

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted."""
        return self._store.names()

    def domains(self) -> Iterator[str]:
        """Yield every domain with a key that may sign, sorted."""
        return (domain for domain in self._store.domains() if self.keys(domain))

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain that may sign, oldest first."""
        return tuple(key for key in self._store.keys(domain) if self._may(key))

    def _may(self, key: Key) -> bool:
        name = (key.domain, key.selector)
        return name not in self._without and (key.phase not in _UNPROVEN or name in self._installed)

    def find(self, name: KeyName) -> Key | None:
        """Return the key of this name, if there is one and it may sign."""
        key = self._store.find(name)
        return key if key and self._may(key) else None

    def load(self, key: Key) -> KeyPair:
        """Return the pair. Raises DiskError or CheckFailed."""
        return self._store.load(key)

    def public(self, key: Key) -> PublicKey:
        """Return the public half. Raises DiskError or CheckFailed."""
        return self._store.public(key)
