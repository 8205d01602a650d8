"""Which key records to check: of managed keys, of a key file, or named in a list."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyStore, published_keys
from dkimctl.names import DOMAINKEY, domain_name, printable, selector_name, split_owner_name
from dkimctl.verify.report import Target


def target_of(domain: str, selector: str, expected: PublicKey | None = None, tags: Tags | None = None) -> Target:
    """A target for checked names. Raises UsageError when the owner name is too long for DNS."""
    target = Target(selector, domain, expected, tags)
    _ = target.owner
    return target


def targets_of(domains: Sequence[str], selector: str | None, settings: Settings, store: KeyStore) -> Iterator[Target]:
    """For each domain the keys that belong in DNS, or the named selector, compared with its key where there is one.

    Raises UsageError for a domain without keys when no selector is named.
    """
    for domain in domains:
        keys = [key for key in store.keys(domain) if selector in (None, key.selector)]
        if selector is None:
            keys = list(published_keys(tuple(keys)))
        if not keys and selector is None:
            raise UsageError(
                f"there is no key of {domain} on this disk, so the selector is not known",
                hint=f"name it: dkimctl verify-dns {domain} -s SELECTOR",
            )
        if not keys and selector is not None:
            yield target_of(domain, selector)
        for key in keys:
            yield _managed(key, settings, store)


def _managed(key: Key, settings: Settings, store: KeyStore) -> Target:
    own = settings.domain(key.domain).subdomains
    return Target(
        selector=key.selector,
        domain=key.domain,
        expected=store.public(key),
        tags=key.metadata.tags,
        subdomains=settings.signing.subdomains if own is None else own,
        alias=settings.alias_of(key.selector, key.domain),
    )


def listed_targets(
    lines: Iterable[str], settings: Settings, store: KeyStore, bad_line: Callable[[int, UsageError], None]
) -> Iterator[Target]:
    """The targets in the lines of a list: `selector._domainkey.domain` or `domain selector`.

    Blank lines and what follows a `#` are passed over, repeats are asked once. `bad_line` gets the number of each line
    that is neither, and the rest goes on. Keys on this disk are compared.
    """
    managed = set(store.domains())
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").partition("#")[0].strip()
        if not text:
            continue
        try:
            selector, domain = _names(text)
            target = target_of(domain, selector)
        except UsageError as error:
            bad_line(number, error)
            continue
        if (selector, domain) in seen:
            continue
        seen.add((selector, domain))
        own = [key for key in store.keys(domain) if key.selector == selector] if domain in managed else []
        yield _managed(own[0], settings, store) if own else target


def _names(text: str) -> tuple[str, str]:
    words = text.split()
    if len(words) == 1:
        return split_owner_name(words[0])
    if len(words) == 2:
        return selector_name(words[1]), domain_name(words[0])
    raise UsageError(
        f"neither an owner name nor a domain and a selector: {printable(text)}",
        hint=f"write mail.{DOMAINKEY}.example.com or: example.com mail",
    )
