"""Noting how far a key has come."""

from datetime import datetime

from dkimctl.errors import Refused
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyStore

_ORDER = list(Phase)


def reach(store: KeyStore, key: Key, phase: Phase, now: datetime, *, provider: str) -> Key:
    """The key, advanced to this phase unless it is there or further. Raises DiskError when it cannot be noted."""
    if _ORDER.index(key.phase) >= _ORDER.index(phase):
        return key
    noted = key._replace(metadata=key.metadata._replace(provider=provider))
    try:
        return store.advance(noted, phase, now, note=provider)
    except Refused:
        current = next((k for k in store.keys(key.domain) if k.selector == key.selector), None)
        if current is None or _ORDER.index(current.phase) < _ORDER.index(phase):
            raise
        return current  # another dkimctl was faster
