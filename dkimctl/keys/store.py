"""The database of keys: what a store offers to readers and writers, and the key as a value."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

from dkimctl.errors import DiskError, DkimctlError, Refused, UsageError, shell_word
from dkimctl.keys.metadata import RETIRED, UNPROVEN, WITHOUT_RECORD, Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey


class KeyName(NamedTuple):
    """Identifies a key. Where there may be a million keys, only their names are kept in memory."""

    domain: str
    selector: str


class Key(NamedTuple):
    """One key of one domain, without the key pair, which is loaded only when needed."""

    domain: str
    selector: str
    path: str
    """The private key file as the daemon's configuration names it (without `--root`)."""
    metadata: Metadata

    @property
    def name(self) -> KeyName:
        """Return what `KeyReader.find` takes."""
        return KeyName(self.domain, self.selector)

    @property
    def phase(self) -> Phase:
        """Return the phase of the key's life."""
        return self.metadata.phase


class KeyFiles(NamedTuple):
    """All that a key directory has of one key."""

    stem: str
    """The start of the names of its files."""
    key: Key
    record: bytes | None
    """The key record in zone-file form, where it is there."""
    content: bytes | None = None
    """The private key file; None where it is gone."""

    def __repr__(self) -> str:
        """Return it without the private key."""
        return f"KeyFiles({self.stem!r}, {self.key!r})"


def awaits_proof(key: Key) -> bool:
    """Return True for a key made by dkimctl that DNS was not seen to serve; of other keys nothing is known."""
    return key.phase in UNPROVEN and bool(key.metadata.history)


Select = Callable[[tuple[Key, ...]], tuple[Key, ...]]
"""Returns some of a domain's keys."""


class KeyReader(Protocol):
    """Read access to keys. Every method raises DiskError for what cannot be read, CheckFailed for what is damaged."""

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted, without reading the keys."""

    def domains(self) -> Iterator[str]:
        """Return every domain with a key, sorted, and those of which that cannot be read."""

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain, oldest first; empty when it has none."""

    def keys_with_public(self, domain: str, select: Select) -> list[tuple[Key, PublicKey]]:
        """Return those of a domain's keys that are selected, each with what `public` says."""

    def find(self, name: KeyName) -> Key | None:
        """Return one key as it is now, or None when there is none of this name. No other key is read."""

    def load(self, key: Key) -> KeyPair:
        """Return the key pair."""

    def public(self, key: Key) -> PublicKey:
        """Return the public half of the stored private key."""


class KeyStore(KeyReader, Protocol):
    """Read and write access to keys: a directory, or a database for many relays."""

    def create(
        self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata, *, in_slot: bool = False
    ) -> Key:
        """Store a new key; `record` is its key record in zone-file form. `in_slot`: its selector may be used again.

        Raises Refused when the selector is taken.
        """

    def settle(self, key: Key) -> None:
        """Finish what an interrupted run has left of a key. Raises Refused when the daemon cannot use it as it is."""

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Move a key to another phase. Raises Refused when its phase was changed by another program meanwhile."""


class Life(NamedTuple):
    """All that is noted of a domain, read at once."""

    keys: tuple[Key, ...]
    lost: tuple[Key, ...]
    """Published keys whose private key is gone."""
    notes: Mapping[str, object]


class LifecycleStore(KeyStore, Protocol):
    """A store in which the life of keys is noted as well."""

    def note(self, key: Key, change: Callable[[Metadata], Metadata]) -> Key:
        """Return the key with `change` applied to its metadata as they are now, and stored. Raises DiskError."""

    def purge(self, key: Key) -> None:
        """Remove a private key and its `.txt`; its metadata stay for ever, so that no selector is used twice."""

    def holds(self, key: Key) -> bool:
        """Return True when the private key is there."""

    def lost(self, domain: str) -> tuple[Key, ...]:
        """Return the published keys whose private key is gone; those that sign no more need none."""

    def purged(self, domain: str) -> tuple[Key, ...]:
        """Return the keys that were purged: their metadata are all that is left of them."""

    def domain_notes(self, domain: str) -> Mapping[str, object]:
        """Return what is noted of the domain as a whole; empty when nothing is. Raises CheckFailed when damaged."""

    def life(self, domain: str) -> Life:
        """Return what `keys`, `lost` and `domain_notes` return. Raises as they do."""

    def note_domain(self, domain: str, **notes: object) -> bool:
        """Change some of what is noted of the domain as a whole; return whether anything was different before."""


def current_key(store: KeyReader, name: KeyName) -> Key:
    """Return a key as it is now. Raises DiskError when it is gone, and as `KeyReader.find`."""
    key = store.find(name)
    if key is None:
        raise gone_key(name)
    return key


def gone_key(name: KeyName) -> DiskError:
    """Return the error for a key that was there before."""
    return DiskError(
        f"the key {name.selector} of {name.domain} does not exist any more", hint="list the keys: dkimctl record"
    )


def refuse_keyless(store: KeyReader, domains: Iterable[str]) -> None:
    """Raise UsageError for the first of these domains that has no key; what cannot be read is no reason to."""
    for domain in domains:
        if not _may_have_keys(store, domain):
            raise no_key(domain)


def no_key(domain: str) -> UsageError:
    """Return the error for a domain without a key."""
    return UsageError(f"{domain} has no key", hint=f"make one: dkimctl genkey {shell_word(domain)}")


def _may_have_keys(store: KeyReader, domain: str) -> bool:
    with suppress(DkimctlError):
        return bool(store.keys(domain))
    return True


def taken(path: str) -> Refused:
    """Return the error for a selector that has a key already."""
    return Refused(
        f"{path} exists already; a private key is never overwritten",
        hint="choose another selector (-s), or use --if-missing to keep the existing key",
    )


def changed_meanwhile(key: Key, now: Phase) -> Refused:
    """Return the error for a key whose phase is another by now."""
    return Refused(
        f"{key.selector} of {key.domain} changed from {key.phase} to {now} meanwhile",
        hint="another dkimctl is running: look at dkimctl status, then run the command again",
    )


def advancing(key: Key, phase: Phase, now: datetime, note: str) -> Callable[[Metadata], Metadata]:
    """Return the change that moves a key to another phase. It raises Refused where its phase was changed meanwhile."""

    def change(current: Metadata) -> Metadata:
        if current.phase is not key.phase:
            raise changed_meanwhile(key, current.phase)
        return current._replace(provider=key.metadata.provider or current.provider).advanced(phase, now, note)

    return change


def lost_key(key: Key) -> Refused:
    """Return the error for a published key whose private key is gone."""
    return Refused(
        f"the private key of {key.selector} of {key.domain} is gone, and its record may be in DNS: {key.path}",
        hint="put it back from a backup; if there is none, make a key under another selector: "
        f"dkimctl genkey {shell_word(key.domain)}",
    )


def used_before(domain: str, selector: str) -> Refused:
    """Return the error for a selector that another key had once."""
    return Refused(
        f"the selector {selector} of {domain} belonged to a key that was removed; no name gets a second key",
        hint="choose another selector (-s)",
    )


def signing_key(keys: tuple[Key, ...], installed: Callable[[], Container[tuple[str, str]]] = frozenset) -> Key | None:
    """Return the key that signs: the active one, else a verified one, first of all one that is installed.

    `installed`: returns domain and selector of the keys in the installed tables; asked only where several may sign,
    since a table may have a million rows. A domain that never had a proven key may be
    set up with its newest; one that had never goes back to an unproven one.
    """
    for phase in (Phase.ACTIVE, Phase.VERIFIED):
        found = [key for key in keys if key.phase is phase]
        if len(found) == 1:
            return found[0]
        if found:
            return next((key for key in reversed(found) if (key.domain, key.selector) in installed()), found[-1])
    signed = [key for key in keys if key.phase in RETIRED]
    waiting = [key for key in keys if key.phase in UNPROVEN]
    return waiting[-1] if waiting and not signed else None


def published_keys(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return the keys whose records belong in DNS: all but the revoked and the purged."""
    return tuple([key for key in keys if key.metadata.phase not in WITHOUT_RECORD])
