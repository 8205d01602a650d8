"""The keys of a domain that are to be revoked because of a leak; the same command again is for the same keys."""

from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError, shell_word
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.facts import Leak
from dkimctl.lifecycle.notes import leaked_since, read_leak


class Leaked(NamedTuple):
    """The keys of a leak."""

    keys: tuple[Key, ...]
    later: tuple[Key, ...] = ()
    """Keys that took the place of leaked ones since: they leaked only where a person names them."""


def leaked_keys(
    settings: Settings,
    store: LifecycleStore,
    domain: str,
    selector: str | None,
    leak: Leak,
    *,
    is_fleet: bool = False,
) -> Leaked:
    """Return the keys of a domain that are to be revoked: the named one, those that sign, or all of a leaked host.

    Without a selector, and after such a leak was declared, those that were meant then: what signs now is what replaced
    them. `is_fleet`: relays sign, with the active ones. Raises UsageError when there is none, CheckFailed when what was
    noted is damaged.
    """
    keys = store.keys(domain)
    if selector is not None:
        found = [key for key in keys if key.selector == selector]
    elif leak is Leak.HOST:
        found = list(keys)
    else:
        installed = installed_keys(settings)
        found = [key for key in keys if (domain, key.selector) in installed or (is_fleet and key.phase is Phase.ACTIVE)]
    if not found:
        what = f"no key {selector}" if selector else "no key that signs"
        raise UsageError(f"{domain} has {what}", hint=f"see its keys: dkimctl status {shell_word(domain)}")
    known = [key for key in keys if read_leak(key.metadata) is leak]
    if selector is not None or not known:
        return Leaked(tuple(found))
    since = min(leaked_since(key.metadata) for key in known)
    later = tuple(key for key in found if key not in known and not _was_meant(key, leak, since))
    return Leaked((*known, *(key for key in found if key not in known and key not in later)), later)


def _was_meant(key: Key, leak: Leak, since: str) -> bool:
    """Return True for a key that a run which was killed did not come to: of a host what was there, else what signed."""
    signs = (change.at for change in key.metadata.history if change.phase is Phase.ACTIVE)
    return (key.metadata.created if leak is Leak.HOST else next(signs, key.metadata.created)) < since
