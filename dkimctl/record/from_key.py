"""The key record of a key in the store."""

from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyReader
from dkimctl.record.model import KeyRecord, record_for


def record_of(store: KeyReader, key: Key) -> KeyRecord:
    """Return the record to publish for this key, made from the private key on disk.

    A revoked key has the record that says so (empty `p=`). Raises DiskError or CheckFailed when the key is unreadable.
    """
    if key.phase in (Phase.REVOKED, Phase.PURGED):
        return record_for(None, key.metadata.algorithm, key.metadata.tags)
    public = store.public(key)
    return record_for(public, public.algorithm, key.metadata.tags)
