"""Private keys that were deleted by hand or damaged: said at every run, and another key signs instead.

Those that sign no more are retired as ever.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from dkimctl.errors import DkimctlError, shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.steps import RotationStep, StepOutcome, failed_step
from dkimctl.signers.base import Names


def lost_keys(
    store: LifecycleStore, domain: str, installed: Names, now: datetime, *, is_automatic: bool
) -> Iterator[RotationStep]:
    """Yield a failed step for each lost key of a domain. One that signed and signs no more is retired, as if it left.

    `is_automatic`: this run has another key sign. Raises as `LifecycleStore.lost` and `advance`.
    """
    for key in store.lost(domain):
        is_used = (domain, key.selector) in installed
        if key.phase is Phase.ACTIVE and not is_used:
            store.advance(key, Phase.RETIRING, now, note="its private key is gone")
            continue
        yield _unusable(store, key, why_lost(key, is_used=is_used), is_used=is_used, is_automatic=is_automatic)


def damaged_keys(store: LifecycleStore, keys: Iterable[Key], *, is_automatic: bool) -> Iterator[RotationStep]:
    """Yield a failed step for each of these keys, which sign and whose file holds no key any more."""
    for key in keys:
        yield _unusable(store, key, why_damaged(key), is_used=True, is_automatic=is_automatic)


def _unusable(store: LifecycleStore, key: Key, why: str, *, is_used: bool, is_automatic: bool) -> RotationStep:
    command = "" if is_automatic else "rotate --now"
    hint = way_out(key, store.keys(key.domain), is_used=is_used, command=command)
    return RotationStep(key.domain, key.selector, None, StepOutcome.FAILED, why, hint, exit_code=1)


def unusable_keys(store: LifecycleStore, keys: Iterable[Key]) -> Iterator[RotationStep]:
    """Yield what keeps the file of each of these keys from being used, of a domain that signs with none."""
    for key in keys:
        try:
            store.public(key)
        except DkimctlError as error:
            yield failed_step(key.domain, "", None, error)


def why_lost(key: Key, *, is_used: bool) -> str:
    """Return what is said of a lost key."""
    consequence = ", and the signer's tables name it, so mail is not signed" if is_used else ""
    return f"the private key is gone{consequence}: {key.path}"


def why_damaged(key: Key) -> str:
    """Return what is said of a key that signs and whose file holds no key any more."""
    return f"the file of the private key is damaged, so mail is not signed: {key.path}"


def way_out(key: Key, others: Iterable[Key], *, is_used: bool, command: str) -> str:
    """Return what to do. `others`: the other keys of its domain. `command`: has another key sign; empty in that run."""
    if not is_used:
        delete = f"dkimctl delete {shell_word(key.domain)} {shell_word(key.selector)}"
        return f"put it back from a backup, or take its record away: {delete}"
    ready = next((one.selector for one in others if _is_ready(one, key)), "")
    if not command:
        return f"{ready} signs instead" if ready else "a new key is made, and signs once DNS serves it"
    other = f"switch to {ready}" if ready else "have a new key made, which signs once DNS serves it"
    return f"put it back from a backup, or {other}: dkimctl {command} {shell_word(key.domain)}"


def _is_ready(other: Key, key: Key) -> bool:
    return other.phase is Phase.VERIFIED and other.metadata.algorithm == key.metadata.algorithm
