"""Which key signs for each managed domain, and what is left out because opendkim cannot use it safely."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError, shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyName, KeyReader, awaits_proof, signing_key
from dkimctl.names import first_few
from dkimctl.opendkim.tables import LONGEST_LINE
from dkimctl.signers.base import Name
from dkimctl.signers.rendered import Notice, Selection, SigningKey

RSA, ED25519 = "rsa", "ed25519"
_LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)"
# domain, selector and path; ASCII without blanks, and without #, which would end the line
_USABLE = re.compile(rf"{_LABELS}+ {_LABELS}* /[!-\"$-~]+")
_MOST_UNREAD = 10  # domains that are listed
_UNPROVEN = (Phase.GENERATED, Phase.PUBLISHED)


@dataclass(slots=True)
class _Found:
    """The keys that one walk over the store found. Only a few hundred bytes stay of each domain."""

    rsa: list[SigningKey] = field(default_factory=list)
    ed25519: list[SigningKey] = field(default_factory=list)
    wants_rsa: bool = False
    both: set[str] = field(default_factory=set)
    """Domains with a key of each kind."""
    keyless: set[str] = field(default_factory=set)
    """Domains of the configuration without a key."""
    unproven: set[Name] = field(default_factory=set)
    """Domain and selector of the keys that DNS was not seen to serve."""
    waiting: set[Name] = field(default_factory=set)
    """Those of them that dkimctl made."""
    unusable: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    unread: dict[str, DkimctlError] = field(default_factory=dict)
    """By domain, why not all of its keys can be read."""


def select_keys(
    settings: Settings,
    store: KeyReader,
    *,
    both: bool = False,
    installed: Callable[[], Collection[Name]] = frozenset,
    allow_unproven: bool = True,
    or_none: bool = False,
) -> Selection:
    """The key that signs for each managed domain: all of one algorithm, because opendkim has one for all of them.

    With `both` a domain's RSA key and its Ed25519 key, for signers that make two signatures. Without `allow_unproven`
    the notice about keys that DNS was not seen to serve blocks, unless they sign already. With `or_none` no key at all
    is a selection too.

    Raises UsageError when no domain has a key, DiskError when the keys cannot be listed.
    """
    found = _Found(keyless=set(settings.domains))
    for domain in store.domains():
        try:
            keys_of_domain = store.keys(domain)
        except DkimctlError as error:
            keys_of_domain = _as_installed(store, domain, installed(), error)
            found.unread[domain] = error
            found.keyless.discard(domain)
            if not keys_of_domain:
                continue
        _sort_in(found, settings, domain, keys_of_domain, installed)
    algorithm, keys = (RSA, found.rsa) if found.wants_rsa or not found.ed25519 else (ED25519, found.ed25519)
    if both:
        keys = sorted(found.rsa + found.ed25519, key=lambda key: key.domain)  # stable: RSA stays first
    if not (keys or or_none):
        raise UsageError(
            f"no managed domain: {settings.key_directory} holds no key that can sign",
            hint="make a key first: dkimctl genkey example.com",
        )
    notices = (*_notices(found), *(() if both else _algorithm_notices(found, algorithm)))
    refused = () if allow_unproven or not found.waiting else _refused(found.waiting, settings, keys, installed())
    notices = (*notices, *(refused or _unproven(found, settings, keys)))
    return Selection(tuple(keys), algorithm, notices, tuple(found.unread))


def _as_installed(store: KeyReader, domain: str, installed: Collection[Name], error: DkimctlError) -> tuple[Key, ...]:
    """Return the keys of a domain that sign already, where not all of its keys can be read; none where none signs.

    Raises the error when one that signs cannot be read either: it would sign no more.
    """
    try:
        keys = [store.find(KeyName(domain, selector)) for name, selector in installed if name == domain]
    except DkimctlError:
        raise error from None
    if None in keys:
        raise error
    return tuple(key for key in keys if key is not None)


def _sort_in(
    found: _Found, settings: Settings, domain: str, keys: tuple[Key, ...], installed: Callable[[], Collection[Name]]
) -> None:
    found.keyless.discard(domain)
    if not all(map(_is_usable, keys)):
        found.unusable += [key.path for key in keys if not _is_usable(key)]
        keys = tuple(filter(_is_usable, keys))
    rsa, ed25519 = (_signing_key(keys, algorithm, installed) for algorithm in (RSA, ED25519))
    if not (rsa or ed25519):
        found.leaving.append(domain)
    if rsa and ed25519:
        found.both.add(domain)
    # a working Ed25519 key is not given up for an RSA key that has yet to prove itself
    found.wants_rsa |= rsa is not None and (rsa.phase is Phase.ACTIVE or not _is_active(ed25519))
    for key, into in ((rsa, found.rsa), (ed25519, found.ed25519)):
        if key is not None:
            into.append(
                SigningKey(domain, key.selector, key.path, _with_subdomains(settings, key), key.metadata.algorithm)
            )
            if key.phase in _UNPROVEN:
                found.unproven.add((domain, key.selector))
                found.waiting.update([(domain, key.selector)] if awaits_proof(key) else [])


def _is_usable(key: Key) -> bool:
    """Return whether the daemon reads the key's table lines as they are meant."""
    length = 2 * len(key.domain) + 2 * len(key.selector) + len(key.path) + len("._domainkey. ::\n")
    return length <= LONGEST_LINE and _USABLE.fullmatch(f"{key.domain} {key.selector} {key.path}") is not None


def _signing_key(keys: tuple[Key, ...], algorithm: str, installed: Callable[[], Collection[Name]]) -> Key | None:
    found = [key for key in keys if key.metadata.algorithm == algorithm]
    return signing_key(tuple(found), installed) if found else None


def _is_active(key: Key | None) -> bool:
    return key is not None and key.phase is Phase.ACTIVE


def _with_subdomains(settings: Settings, key: Key) -> bool:
    # t=s in the key record forbids its use below the domain (RFC 6376 §3.6.1)
    if "s" in key.metadata.tags.flags.split(":"):
        return False
    own = settings.domains.get(key.domain)
    return settings.signing.subdomains if own is None or own.subdomains is None else own.subdomains


def _notices(found: _Found) -> Iterable[Notice]:
    for domain, error in islice(found.unread.items(), _MOST_UNREAD):
        yield Notice(f"{domain} stays as it is: {error.message}", error.hint)
    if found.unusable:
        yield Notice(
            f"left out, because opendkim cannot take their names: {first_few(found.unusable)}",
            "name key directories as domains in lower case, IDNs as xn-- labels",
        )
    if found.leaving:
        yield Notice(
            f"no key signs for {first_few(found.leaving)}: all their keys are on their way out",
            f"make a new one: dkimctl genkey {shell_word(found.leaving[0])}",
        )
    if keyless := sorted(found.keyless):
        yield Notice(f"no key yet for {first_few(keyless)}", f"make one: dkimctl genkey {shell_word(keyless[0])}")


def _unproven(found: _Found, settings: Settings, chosen: Iterable[SigningKey]) -> Iterable[Notice]:
    unproven = list(dict.fromkeys(key.domain for key in chosen if (key.domain, key.selector) in found.unproven))
    if unproven:
        message = f"DNS has not been seen to serve the key of {first_few(unproven)} yet; its signatures may not verify"
        yield Notice(message, _publish(settings, unproven[0]))


def _refused(
    waiting: set[Name], settings: Settings, chosen: Iterable[SigningKey], installed: Collection[Name]
) -> tuple[Notice, ...]:
    names = dict.fromkeys((key.domain, key.selector) for key in chosen)
    new = [name[0] for name in names if name in waiting and name not in installed]
    if not new:
        return ()
    message = f"DNS has not been seen to serve the key of {first_few(new)}: its signatures would not verify"
    return (Notice(message, f"{_publish(settings, new[0])}; to sign all the same: --allow-unproven", blocking=True),)


def _algorithm_notices(found: _Found, algorithm: str) -> Iterable[Notice]:
    if algorithm == ED25519 and found.ed25519:
        yield Notice(
            "all mail is signed with Ed25519 only, which many receivers cannot verify yet (RFC 8463)",
            f"make an RSA key: dkimctl genkey {shell_word(found.ed25519[0].domain)} --algorithm rsa",
        )
        return
    only = [key.domain for key in found.ed25519 if key.domain not in found.both]
    if only:
        why = "an Ed25519 key only, and one opendkim signs with one algorithm"
        yield Notice(
            f"mail stays unsigned for {first_few(only)}: {why}",
            f"make an RSA key: dkimctl genkey {shell_word(only[0])} --algorithm rsa",
        )
    if found.both:
        yield Notice(
            f"the Ed25519 key is not used for {first_few(sorted(found.both))}: one opendkim signs with one algorithm",
            "leave it, or sign with a second opendkim of your own",
        )


def _publish(settings: Settings, domain: str) -> str:
    provider = settings.domain(domain).provider or settings.provider
    return f"publish it: dkimctl publish {shell_word(domain)}" + ("" if provider else " --provider ovh")
