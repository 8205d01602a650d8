"""The keys that are eligible to sign: those that DNS was seen to serve, and those that sign already."""

from collections.abc import Iterator
from datetime import datetime

from dkimctl.config.settings import Settings
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, KeyStore
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_of

_UNPROVEN = (Phase.GENERATED, Phase.PUBLISHED)


def installed_keys(settings: Settings) -> frozenset[Name]:
    """Return the keys that the signer's installed configuration names; none when there is none. Raises DiskError."""
    return signer_of(settings).installed(settings)


class EligibleKeys:
    """A KeyStore that lists only the keys that may sign, for a rendering that keeps mail safe."""

    def __init__(self, store: KeyStore, installed: frozenset[Name], *, without: frozenset[Name] = frozenset()) -> None:
        """`installed` sign already; `without` must not sign, whatever else is known of them."""
        self._store = store
        self._installed = installed
        self._without = without

    def domains(self) -> Iterator[str]:
        """Yield every domain with a key that may sign, sorted."""
        return (domain for domain in self._store.domains() if self.keys(domain))

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain that may sign, oldest first."""
        return tuple(key for key in self._store.keys(domain) if self._may(key))

    def _may(self, key: Key) -> bool:
        name = (key.domain, key.selector)
        return name not in self._without and (key.phase not in _UNPROVEN or name in self._installed)

    def key(self, name: KeyName) -> Key:
        """Return one key, whether it may sign or not. Raises DiskError or CheckFailed."""
        return self._store.key(name)

    def load(self, key: Key) -> KeyPair:
        """Return the pair. Raises DiskError or CheckFailed."""
        return self._store.load(key)

    def public(self, key: Key) -> PublicKey:
        """Return the public half. Raises DiskError or CheckFailed."""
        return self._store.public(key)

    def create(self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata) -> Key:
        """Keep a new key. Raises Refused when the selector is taken."""
        return self._store.create(domain, selector, pair, record, metadata)

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Move a key to the next phase. Raises Refused when somebody else has moved it meanwhile."""
        return self._store.advance(key, phase, now, note)
