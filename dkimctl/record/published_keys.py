"""The key records that belong in DNS, for the keys of this machine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError, shell_word
from dkimctl.keys.metadata import WITHOUT_RECORD
from dkimctl.keys.store import Key, KeyReader, published_keys
from dkimctl.names import SLOTS, owner_name, selector_name
from dkimctl.record.model import KeyRecord, record_for
from dkimctl.record.presentation import character_strings


@dataclass(frozen=True, slots=True)
class Alias:
    """A CNAME: both names absolute, without final dot."""

    owner: str
    target: str


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """A key record with its owner name."""

    domain: str
    selector: str
    owner: str
    """The owner name to publish it at: absolute, without final dot."""
    text: str
    """The record as one string."""
    strings: tuple[str, ...]
    """The same as character-strings of at most 255 octets."""
    record: KeyRecord
    aliases: tuple[Alias, ...] = ()
    """What the customer of a delegated domain adds once, for every slot."""


Unread = Callable[[DkimctlError], None]
"""Gets the error of a domain whose keys cannot be read, and raises it, or returns so that the others go on."""


def raise_it(error: DkimctlError) -> None:
    """Raise what cannot be read."""
    raise error


def chosen_keys(
    store: KeyReader, domains: Iterable[str], selector: str | None = None, unread: Unread = raise_it
) -> Iterator[Key]:
    """Yield the keys of these domains that are not revoked; of each only the one with this selector, if one is named.

    Raises UsageError when a domain has no such key.
    """
    wanted = selector_name(selector) if selector else None
    for domain in domains:
        try:
            found = store.keys(domain)
        except DkimctlError as error:
            unread(error)
            continue
        keys = [key for key in published_keys(found) if wanted in (None, key.selector)]
        if not keys:
            missing = f"{domain} has no key" + (f" with selector {wanted}" if wanted else "")
            hint = f"make one: dkimctl genkey {shell_word(domain)}" + (f" -s {wanted}" if wanted else "")
            raise UsageError(missing, hint=hint)
        yield from keys


def key_records(
    settings: Settings,
    store: KeyReader,
    domains: Iterable[str],
    selector: str | None = None,
    unread: Unread = raise_it,
) -> list[NamedRecord]:
    """Return the record of each key. Raises UsageError as `chosen_keys`; a bad key is for `unread`, too."""
    found = []
    for key in chosen_keys(store, domains, selector, unread):
        try:
            found.append(_named(settings, store, key))
        except DkimctlError as error:
            unread(error)
    return found


def aliases_of(settings: Settings, domain: str, selectors: Iterable[str] = ()) -> tuple[Alias, ...]:
    """Return the CNAMEs that a delegated domain needs: of each slot, and of each other selector in use. Else none."""
    if not settings.domain(domain).delegate:
        return ()
    names = dict.fromkeys([*SLOTS, *selectors])
    return tuple(Alias(owner_name(name, domain), settings.published_at(name, domain)) for name in names)


def _named(settings: Settings, store: KeyReader, key: Key) -> NamedRecord:
    record = record_of(store, key)
    owner = settings.published_at(key.selector, key.domain)
    aliases = aliases_of(settings, key.domain, [key.selector])
    strings = tuple(character_strings(record.text))
    return NamedRecord(key.domain, key.selector, owner, record.text, strings, record, aliases)


def record_of(store: KeyReader, key: Key) -> KeyRecord:
    """Return the record to publish for this key, made from the private key on disk.

    A revoked key has the record that says so (empty `p=`). Raises DiskError or CheckFailed when the key is unreadable.
    """
    if key.phase in WITHOUT_RECORD:
        return record_for(None, key.metadata.algorithm, key.metadata.tags)
    public = store.public(key)
    return record_for(public, public.algorithm, key.metadata.tags)
