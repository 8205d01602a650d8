"""The next key of a domain: under a selector that was never used, or in a free slot of a delegated domain."""

from datetime import datetime
from string import ascii_lowercase

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused
from dkimctl.keys.ahead import generator
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm
from dkimctl.keys.store import Key, KeyName, LifecycleStore, current_key
from dkimctl.lifecycle.generation import Failed, KeyRequest, KeyStyle, generate_keys
from dkimctl.names import SLOTS, owner_name, selector_from_template


def make_next(settings: Settings, store: LifecycleStore, domain: str, algorithm: str, now: datetime) -> Key:
    """Make the next key of a domain, with the tags of the newest one. Raises Refused when no selector is free."""
    keys = [key for key in store.keys(domain) if key.metadata.algorithm == algorithm]
    bits = max([settings.keys.bits, *(key.metadata.bits for key in keys)]) if algorithm == "rsa" else 256
    tags = keys[-1].metadata.tags if keys else Tags()
    style = KeyStyle(generator(Algorithm(algorithm), bits), tags)
    in_slot = settings.domain(domain).delegate is not None
    request = KeyRequest(domain, free_selector(settings, store, domain, now), in_slot=in_slot)
    [outcome] = generate_keys([request], style, store, now=now)
    if isinstance(outcome, Failed):
        raise outcome.error
    return current_key(store, KeyName(domain, outcome.selector))


class NoFreeSlot(Refused):
    """Every slot of a delegated domain has a key, or has no CNAME."""


def free_selector(settings: Settings, store: LifecycleStore, domain: str, now: datetime) -> str:
    """Return a selector for a new key. Raises NoFreeSlot when every slot of a delegated domain is taken."""
    living = {key.selector for key in (*store.keys(domain), *store.lost(domain))}
    if settings.domain(domain).delegate:
        return _free_slot(settings, domain, [slot for slot in SLOTS if slot not in living])
    first = selector_from_template(settings.domain(domain).selector or settings.keys.selector, now)
    taken = living | {key.selector for key in store.purged(domain)}
    return next(name for name in _candidates(first) if name not in taken)


def _free_slot(settings: Settings, domain: str, free: list[str]) -> str:
    """Return a slot whose CNAME leads to its record: customers of version 0.1 were asked for two CNAMEs only."""
    for slot in free:
        if _has_cname(settings, domain, slot):
            return slot
    if not free:
        raise NoFreeSlot(f"every slot of {domain} is taken", hint="see until when: dkimctl status")
    wanted = f"{owner_name(free[0], domain)}. CNAME {settings.alias_of(free[0], domain)}."
    raise NoFreeSlot(
        f"{domain} has no CNAME for the slot {free[0]}, so there is no standby",
        hint=f"ask its owner to add: {wanted}",
    )


def _has_cname(settings: Settings, domain: str, slot: str) -> bool:
    from dkimctl.verify.check import check
    from dkimctl.verify.report import Target

    alias = settings.alias_of(slot, domain)
    [report] = check([Target(slot, domain, alias=alias)], settings.lookup)
    return any(answer.alias.rstrip(".").lower() == alias for answer in report.answers)


def _candidates(first: str) -> list[str]:
    """Return a template's selector, then the same with a letter or two: for a second rotation in the same month."""
    letters = ascii_lowercase[1:]
    return [first, *(first + a for a in letters), *(first + a + b for a in letters for b in ascii_lowercase)]
