"""Domains whose keys are not rotated by themselves."""

from collections.abc import Sequence

from dkimctl.keys.store import LifecycleStore, refuse_keyless


def hold(store: LifecycleStore, domains: Sequence[str], *, is_held: bool) -> bool:
    """Note of each domain whether its rotation is held; return whether that changed any.

    Raises UsageError for a domain without a key, before anything is noted; DiskError.
    """
    refuse_keyless(store, domains)
    changed = [store.note_domain(domain, held=is_held) for domain in domains]
    return any(changed)
