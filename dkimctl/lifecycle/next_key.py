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
from dkimctl.names import SLOTS, selector_from_template


def make_next(settings: Settings, store: LifecycleStore, domain: str, algorithm: str, now: datetime) -> Key:
    """Make the next key of a domain, with the tags of the newest one. Raises Refused when no selector is free."""
    keys = [key for key in store.keys(domain) if key.metadata.algorithm == algorithm]
    bits = max([settings.keys.bits, *(key.metadata.bits for key in keys)]) if algorithm == "rsa" else 256
    tags = keys[-1].metadata.tags if keys else Tags()
    style = KeyStyle(generator(Algorithm(algorithm), bits), tags)
    request = KeyRequest(domain, free_selector(settings, store, domain, now))
    [outcome] = generate_keys([request], style, store, now=now)
    if isinstance(outcome, Failed):
        raise outcome.error
    return current_key(store, KeyName(domain, outcome.selector))


def free_selector(settings: Settings, store: LifecycleStore, domain: str, now: datetime) -> str:
    """Return a selector for a new key. Raises Refused when every slot of a delegated domain is taken."""
    living = {key.selector for key in store.keys(domain)}
    if settings.domain(domain).delegate:
        free = [slot for slot in SLOTS if slot not in living]
        if not free:
            raise Refused(f"every slot of {domain} is taken", hint="see until when: dkimctl status")
        return free[0]
    first = selector_from_template(settings.domain(domain).selector or settings.keys.selector, now)
    taken = living | store.ended(domain)
    return next(name for name in _candidates(first) if name not in taken)


def _candidates(first: str) -> list[str]:
    """Return a template's selector, then the same with a letter or two: for a second rotation in the same month."""
    letters = ascii_lowercase[1:]
    return [first, *(first + a for a in letters), *(first + a + b for a in letters for b in ascii_lowercase)]
