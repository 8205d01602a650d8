"""Keys whose private key was deleted by hand: said at every run, and those that sign no more are retired as ever."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from dkimctl.errors import shell_word
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.steps import RotationStep, StepOutcome
from dkimctl.signers.base import Names


def lost_keys(store: LifecycleStore, domain: str, installed: Names, now: datetime) -> Iterator[RotationStep]:
    """Yield a failed step for each lost key of a domain. One that signed and signs no more is retired, as if it left.

    Raises as `LifecycleStore.lost` and `advance`.
    """
    for key in store.lost(domain):
        is_used = (domain, key.selector) in installed
        if key.phase is Phase.ACTIVE and not is_used:
            store.advance(key, Phase.RETIRING, now, note="its private key is gone")
            continue
        proof, hint = why_lost(key, store.keys(domain), is_used=is_used)
        yield RotationStep(domain, key.selector, None, StepOutcome.FAILED, proof, hint, exit_code=1)


def why_lost(key: Key, others: Iterable[Key], *, is_used: bool) -> tuple[str, str]:
    """Return what is said of a lost key, and what to do. `others`: the other keys of its domain."""
    return _of_used(key, others) if is_used else _of_unused(key)


def _of_used(key: Key, others: Iterable[Key]) -> tuple[str, str]:
    is_ready = any(other.phase is Phase.VERIFIED for other in others)
    other = "dkimctl render-config --install" if is_ready else f"dkimctl setup {shell_word(key.domain)} -s SELECTOR"
    return (
        f"the private key is gone, and the signer's tables name it, so mail is not signed: {key.path}",
        f"put it back from a backup, or have another key sign: {other}",
    )


def _of_unused(key: Key) -> tuple[str, str]:
    delete = f"dkimctl delete {shell_word(key.domain)} {shell_word(key.selector)}"
    return f"the private key is gone: {key.path}", f"put it back from a backup, or take its record away: {delete}"
