"""Take a key record away: first an empty `p=` in its place, later nothing. Only the record of this key is touched.

A removal that comes late is harmless: it matches the exact value, and what another program has put there stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from dkimctl.config.settings import Settings
from dkimctl.errors import ApiError, Refused
from dkimctl.keys.store import Key, KeyName, KeyReader
from dkimctl.providers.base import Change, Create, Delete, Provider, ProviderRecord, Replace
from dkimctl.publish.record_match import key_value
from dkimctl.publish.zones import ask_for_zones, sort_by_zone
from dkimctl.record.model import KeyRecord, record_for
from dkimctl.record.parse import parse_record


def revoke_record(settings: Settings, store: KeyReader, provider: Provider, key: Key) -> str:
    """Replace the record of a key by one with an empty `p=` (RFC 6376 §3.6.1), and read it back.

    Returns what was done, in words. Raises Refused when another record is at its name, ApiError.
    """
    empty = record_for(None, key.metadata.algorithm, key.metadata.tags)

    def changes(found: Sequence[ProviderRecord], name: str) -> list[Change]:
        if found and _is_revoked(found[0].text):
            return []
        if not found:
            return [Create(ProviderRecord(name, provider.capabilities.field_type, empty.text))]
        return [Replace(found[0], replace(found[0], text=empty.text)), *map(Delete, found[1:])]

    left = _change(settings, store, provider, key, changes)
    if [_is_revoked(record.text) for record in left] != [True]:
        raise ApiError("the empty record was accepted but does not show", hint="run the same command again")
    return f"{left[0].name} says p= at {provider.name}"


def remove_record(settings: Settings, store: KeyReader, provider: Provider, key: Key) -> str:
    """Delete the record of a key, and read its absence back. Returns what was done. Raises Refused and ApiError."""
    if _change(settings, store, provider, key, lambda found, _: list(map(Delete, found))):
        raise ApiError("the removal was accepted but the record is still there", hint="run the same command again")
    return f"the record of {key.selector} was removed at {provider.name}"


def _change(
    settings: Settings,
    store: KeyReader,
    provider: Provider,
    key: Key,
    changes: Callable[[Sequence[ProviderRecord], str], list[Change]],
) -> Sequence[ProviderRecord]:
    """Apply what `changes` wants, activate the zone, and return what the provider then holds at the name."""
    name = settings.published_at(key.selector, key.domain)
    zone = _zone(settings, provider, name, key.name)
    own = store.public(key).base64
    found = provider.find(zone, [name])[name]
    for record in found:
        if record.field_type == "CNAME" or not (_is_revoked(record.text) or key_value(record.text) == own):
            raise Refused(
                f"{name} holds another record ({record.field_type}), which was not made by this key: it is not touched",
                hint="look at it in the account, and remove it there if nothing needs it",
            )
    wanted = changes(found, name)
    if wanted:
        provider.apply(zone, wanted)
        provider.activate(zone)
        found = provider.find(zone, [name])[name]
    elif provider.is_active(zone) is False:
        provider.activate(zone)
    return found


def _zone(settings: Settings, provider: Provider, name: str, key: KeyName) -> str:
    known = sort_by_zone({name: key}, settings, ask_dns=True)
    if name in known.outside:
        raise known.outside[name]
    if known.groups and (not known.groups[0].is_likely or provider.zone_of(name) == known.groups[0].zone):
        return known.groups[0].zone
    groups, without = ask_for_zones([name], provider, 1, known.in_dns)
    if name in without:
        raise without[name]
    return groups[0].zone


def _is_revoked(text: str) -> bool:
    found = parse_record(text)
    return isinstance(found, KeyRecord) and found.is_revoked
