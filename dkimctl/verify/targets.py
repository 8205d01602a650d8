"""The key records to check: of managed keys, of a key file, named in a list, or by a message's signatures."""

from collections.abc import Callable, Iterable, Iterator

from dkimctl.catalogue.machine import UNREAD
from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DiskError, DkimctlError, UsageError, is_denied, shell_word
from dkimctl.findings import finding
from dkimctl.keys.metadata import Phase
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, KeyReader, published_keys
from dkimctl.names import DOMAINKEY, domain_name, foreign_selector, owner_name, printable, split_owner_name
from dkimctl.record.taglist import parse_signature_tags
from dkimctl.verify.report import Target

_MOST_RECENT = 10_000


def target_of(domain: str, selector: str, expected: PublicKey | None = None) -> Target:
    """Return a target for checked names. Raises UsageError when the owner name is too long for DNS."""
    owner_name(selector, domain)
    return Target(selector, domain, expected)


def targets_of(
    domains: Iterable[str],
    selector: str | None,
    settings: Settings,
    store: KeyReader,
    not_compared: Callable[[DiskError], None] = lambda _: None,
    *,
    unread: bool = False,
) -> Iterator[Target]:
    """For each domain the keys that belong in DNS, or the named selector, compared with its key where there is one.

    `not_compared` gets the error where the caller may not read the key of a named selector: its record is public.
    `unread`: a domain whose keys cannot be read is a target of which nothing is known. Raises UsageError for a domain
    without keys when no selector is named.
    """
    for domain in domains:
        if selector is None:
            yield from _all_targets(domain, settings, store, unread)
            continue
        try:
            yield from list(_own_targets(domain, selector, settings, store))
        except DiskError as error:
            if not is_denied(error):
                raise
            not_compared(error)
            yield target_of(domain, selector)


def _all_targets(domain: str, settings: Settings, store: KeyReader, unread: bool) -> Iterator[Target]:
    try:
        yield from list(_own_targets(domain, None, settings, store))
    except UsageError:
        raise
    except DkimctlError as error:
        if not unread:
            raise
        yield unread_target(domain, error)


def unread_target(domain: str, error: DkimctlError) -> Target:
    """Return the target for a domain whose keys cannot be read."""
    return Target("", domain, unread=finding(UNREAD, domain, error.message, fix=error.hint or None))


def _own_targets(domain: str, selector: str | None, settings: Settings, store: KeyReader) -> Iterator[Target]:
    keys = [key for key in store.keys(domain) if selector in (None, key.selector)]
    if selector is None:
        keys = list(_in_dns(tuple(keys)))
    if not keys and selector is None:
        raise UsageError(
            f"there is no key of {domain} on this disk, so the selector is not known",
            hint=f"name it: dkimctl verify-dns {shell_word(domain)} -s SELECTOR",
        )
    if not keys and selector is not None:
        yield target_of(domain, selector)
    for key in keys:
        yield managed_target(key, settings, store)


def managed_target(key: Key, settings: Settings, store: KeyReader) -> Target:
    """Return the target for a key on this disk. Raises as `KeyReader.public`."""
    return _target(key, store.public(key), settings)


def _target(key: Key, public: PublicKey, settings: Settings) -> Target:
    own = settings.domain(key.domain)
    return Target(
        key.selector,
        key.domain,
        public,
        key.metadata.tags,
        subdomains=settings.signing.subdomains if own.subdomains is None else own.subdomains,
        alias=settings.alias_of(key.selector, key.domain) if own.delegate else "",
    )


def managed_targets(names: Iterable[str], settings: Settings, store: KeyReader) -> Iterator[Target]:
    """The keys that belong in DNS of every domain that has some. Raises UsageError for a configured one without."""
    for name in names:
        try:
            keys = store.keys_with_public(name, _in_dns)
        except DkimctlError as error:
            yield unread_target(name, error)
            continue
        if not keys and name in settings.domains:
            yield from targets_of([name], None, settings, store)
        for key, public in keys:
            yield _target(key, public, settings)


def _in_dns(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return the keys that belong in DNS: without the next one, as long as nobody has published it with another."""
    found = published_keys(keys)
    return tuple([key for key in found if key.metadata.phase is not Phase.GENERATED]) or found


def listed_names(lines: Iterable[str], bad_line: Callable[[int, UsageError], None]) -> Iterator[tuple[str, str]]:
    """Selector and domain of the lines of a list: `selector._domainkey.domain` or `domain selector`.

    Blank lines and what follows a `#` are passed over, repeats are given once. `bad_line` gets the number of each line
    that is neither, and the rest goes on.
    """
    seen = SeenNames()
    recent: set[str] = set()  # as they were written: a list that repeats itself need not be read with care each time
    for number, line in enumerate(lines, 1):
        if line in recent:
            continue
        text = line.removeprefix("\ufeff").partition("#")[0].strip()
        if not text:
            continue
        try:
            selector, domain = _names(text)
            owner = owner_name(selector, domain)
        except UsageError as error:
            bad_line(number, error)
            continue
        if len(recent) >= _MOST_RECENT:
            recent.clear()
        recent.add(line)
        if seen.add(owner):
            yield selector, domain


def listed_targets(names: Iterable[tuple[str, str]], settings: Settings, store: KeyReader) -> Iterator[Target]:
    """A target for each selector and domain; keys on this disk are compared."""
    for selector, domain in names:
        own = store.find(KeyName(domain, selector))
        yield managed_target(own, settings, store) if own else target_of(domain, selector)


class SeenNames:
    """The set of names seen so far; 16 octets each, since a million of them as text would fill the memory."""

    def __init__(self) -> None:
        from hashlib import blake2b

        self._digests: set[bytes] = set()
        self._blake2b = blake2b

    def add(self, name: str) -> bool:
        """Remember a name; False when it is known already."""
        before = len(self._digests)
        self._digests.add(self._digest(name))
        return len(self._digests) > before

    def __contains__(self, name: str) -> bool:
        return self._digest(name) in self._digests

    def _digest(self, name: str) -> bytes:
        return self._blake2b(name.encode(), digest_size=16).digest()


def _names(text: str) -> tuple[str, str]:
    words = text.split()
    if len(words) == 1:
        return split_owner_name(words[0], foreign_selector)
    if len(words) == 2:
        return foreign_selector(words[1]), domain_name(words[0])
    raise UsageError(
        f"neither an owner name nor a domain and a selector: {printable(text)}",
        hint=f"write mail.{DOMAINKEY}.example.com or: example.com mail",
    )


def signed_names(message: bytes, bad_signature: Callable[[int, UsageError], None]) -> list[tuple[str, str]]:
    """Selector and domain of each DKIM-Signature field, from the top, without repeats (RFC 6376 §3.5).

    `bad_signature` gets the number of each signature that names none, and the rest goes on. Raises CheckFailed when
    the message has no signature.
    """
    fields = list(_fields(message))
    if not fields:
        raise CheckFailed("the message has no DKIM-Signature", hint="give the whole message as it was received")
    found = []
    for number, value in enumerate(fields, 1):
        tags = parse_signature_tags(value)
        try:
            selector, domain = foreign_selector(tags.get("s")), domain_name(tags.get("d"))
            owner_name(selector, domain)
        except UsageError as error:
            bad_signature(number, error)
        else:
            found.append((selector, domain))
    return list(dict.fromkeys(found))


def _fields(message: bytes) -> Iterator[str]:
    """Every DKIM-Signature with its octets as they came: a domain may be UTF-8 (RFC 8616 §3)."""
    from email.parser import BytesHeaderParser  # only here: it takes as long to load as 50 keys

    for name, value in BytesHeaderParser().parsebytes(message).raw_items():
        if name.lower() == "dkim-signature":
            yield value.encode("ascii", "surrogateescape").decode("utf-8", "replace")
