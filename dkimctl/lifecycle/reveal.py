"""Retired private keys published, where the admin wants that: any reader could have made its old signatures.

reveal(settings, store, key) → where. Only a key that no name server gives and no cache may hold any more.
"""

from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused
from dkimctl.files import caller, make_directory, write_file
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.facts import Leak
from dkimctl.lifecycle.notes import at_text, read_leak, read_record
from dkimctl.lifecycle.records import is_absent, look
from dkimctl.verify.targets import managed_target

_CACHED = 86400  # seconds; assumed for a record whose TTL was never seen


class TooEarly(Refused):
    """A resolver may still have the record of the key."""


def reveal(settings: Settings, store: LifecycleStore, key: Key, now: int) -> str:
    """Write a private key, about to be purged, where the domain's `publish_retired` says; return the path, or "".

    A leaked key is not waited for and not published. The record is looked up once more. Raises TooEarly while it may be
    anywhere, DiskError.
    """
    place = settings.lifecycle_for(key.domain).publish_retired
    if not place or read_leak(key.metadata) is not Leak.NONE or not store.holds(key):
        return ""
    record = read_record(key.metadata, now)
    end = None if record.absent is None else record.absent + (record.ttl or _CACHED)
    if end is None or end > now:
        until = f" until {at_text(end)}" if end else ""
        raise TooEarly(f"resolvers may have the record of {key.selector}{until}", hint="it goes on by itself")
    if not all(is_absent(report) for report in look(settings, [managed_target(key, settings, store)])):
        raise TooEarly(
            f"the record of {key.selector} is not gone at every name server: its private key is not published",
            hint="see who gives it: dkimctl verify-dns",
        )
    path = settings.at(place) / f"{key.domain}.{Path(key.path).stem}.pem"
    make_directory(path.parent, mode=0o755)
    write_file(path, store.load(key).private_pem, mode=0o644, owner=caller())
    return str(path)
