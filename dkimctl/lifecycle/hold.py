"""Domains whose keys are not rotated by themselves."""

from collections.abc import Sequence

from dkimctl.errors import UsageError, shell_word
from dkimctl.keys.store import LifecycleStore


def hold(store: LifecycleStore, domains: Sequence[str], *, is_held: bool) -> bool:
    """Note of each domain whether its rotation is held; return whether that changed any.

    Raises UsageError for a domain without a key, before anything is noted; DiskError.
    """
    for domain in domains:
        if not store.keys(domain):
            raise UsageError(f"{domain} has no key", hint=f"make one: dkimctl genkey {shell_word(domain)}")
    changed = [store.note_domain(domain, held=is_held) for domain in domains]
    return any(changed)
