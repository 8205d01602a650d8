"""Recording the phase that a key has reached."""

from datetime import datetime

from dkimctl.errors import Refused
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyStore

_ORDER = list(Phase)


def reach(store: KeyStore, key: Key, phase: Phase, now: datetime, *, provider: str) -> Key:
    """Return the key, advanced to this phase unless it has reached it. Raises DiskError when that cannot be stored."""
    if _ORDER.index(key.phase) >= _ORDER.index(phase):
        return key
    noted = key._replace(metadata=key.metadata._replace(provider=provider))
    try:
        return store.advance(noted, phase, now, note=provider)
    except Refused:
        current = store.find(key.name)
        if current is None or _ORDER.index(current.phase) < _ORDER.index(phase):
            raise
        return current  # another dkimctl advanced it at the same time
