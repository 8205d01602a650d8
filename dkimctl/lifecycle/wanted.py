"""From a key to the record that is wanted for it, and to what to look for in DNS."""

from base64 import b64decode
from typing import TYPE_CHECKING

from dkimctl.keys.public import PublicKey, decode_public_key
from dkimctl.keys.store import Key, KeyStore
from dkimctl.names import owner_name
from dkimctl.publish.plan import Wanted
from dkimctl.record.from_key import record_of

if TYPE_CHECKING:
    from dkimctl.verify.report import Target


def wanted_for(store: KeyStore, key: Key, ttl: int | None) -> Wanted:
    """The record of this key. Raises DiskError or CheckFailed when the key is unreadable, UsageError for its name."""
    return Wanted(key.domain, key.selector, owner_name(key.selector, key.domain), record_of(store, key), ttl)


def target_for(wanted: Wanted, key: Key) -> "Target":
    """What every authoritative server must serve."""
    from dkimctl.verify.report import Target

    value = wanted.record.get("p")
    public = decode_public_key(wanted.record.get("k", "rsa"), b64decode(value)) if value else None
    return Target(
        wanted.selector, wanted.domain, public if isinstance(public, PublicKey) else None, tags=key.metadata.tags
    )
