"""The switch: one change of the tables for any number of domains, a reload, and a proof for each of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.keysource import record_in_dns, record_on_disk
from dkimctl.errors import CheckFailed, DkimctlError, Refused
from dkimctl.install.attempt import attempt, take_back
from dkimctl.install.compare import compare
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.install.lock import with_current_files
from dkimctl.install.proof import prove, prove_ended
from dkimctl.install.switch import reload_again
from dkimctl.keys.filtered import FilteredKeys
from dkimctl.keys.store import Key, LifecycleStore
from dkimctl.lifecycle.chosen import chosen_keys
from dkimctl.signers.base import Name, Names
from dkimctl.signers.desired import desired
from dkimctl.signers.dryrun import sample
from dkimctl.signers.rendered import SigningKey


class Switched(NamedTuple):
    """The result of a switch."""

    proven: frozenset[Name]
    """The keys with which the signer now signs, each proven by a message verified with the record in DNS."""
    failed: Mapping[Name, DkimctlError]
    """Why each of the others does not: for its domain everything is as it was before."""


def switch(settings: Settings, store: LifecycleStore, keys: Collection[Key], *, clock: Clock) -> Switched:
    """Have the signer sign with these keys instead of the ones of the same algorithm that it uses now.

    A key whose proof fails goes back by itself, the others go on. Raises Refused when the installed configuration is
    not the one that would be written for the keys it has now, and what an installation raises.
    """
    return with_current_files(settings, lambda: _switch(settings, store, keys, clock))


def _switch(settings: Settings, store: LifecycleStore, keys: Collection[Key], clock: Clock) -> Switched:
    before = installed_keys(settings)
    _refuse_other_changes(settings, chosen_keys(settings, store, before, {}))
    failed: dict[Name, DkimctlError] = {}
    left = {(key.domain, key.selector): key for key in keys}
    while left:
        rendering = desired(settings, chosen_keys(settings, store, before, _selectors(store, before, left.values())))
        wanted = [key for key in rendering.keys if (key.domain, key.selector) in left]
        made = attempt(rendering, settings, wanted, record_in_dns(settings.lookup), clock=clock)
        if made.reload_failed:
            take_back(made, settings)
            raise made.reload_failed
        if not made.failures:
            proven = frozenset((key.domain, key.selector) for key in made.proven)
            for name in left.keys() - proven:
                failed[name] = _unproven(made.switched[-1].daemon)
            return Switched(proven, failed)
        take_back(made, settings)
        for failure in made.failures:
            name = (failure.key.domain, failure.key.selector)
            failed[name] = failure.error
            left.pop(name, None)
    return Switched(frozenset(), failed)


def stop(settings: Settings, store: LifecycleStore, names: frozenset[Name], *, clock: Clock) -> None:
    """Have the signer sign with none of these keys, and see that it does not; everything goes back where that fails.

    Raises as `switch`, and CheckFailed when other mail would not be signed as before.
    """

    def work() -> None:
        before = installed_keys(settings)
        _refuse_other_changes(settings, chosen_keys(settings, store, before, {}))
        rendering = desired(settings, chosen_keys(settings, store, before - names, {}), or_none=True)
        others = sample(rendering.keys, before - names)
        made = attempt(rendering, settings, others, record_on_disk(store), clock=clock)
        error = made.reload_failed or next((failure.error for failure in made.failures), None)
        if error is None and settings.is_live and (still := prove_ended(names & before, settings, clock)):
            error = CheckFailed(f"the signer still signs with {still[1]} of {still[0]}", hint="restart it by hand")
        if error is not None:
            take_back(made, settings)
            raise error

    with_current_files(settings, work)


def _unproven(daemon: object) -> DkimctlError:
    from dkimctl.errors import Unavailable

    hint = getattr(daemon, "hint", "") or "start the signer, then: dkimctl rotate"
    return Unavailable("the tables are in place, but no daemon answered: nothing is proven", hint=hint)


def _refuse_other_changes(settings: Settings, now: FilteredKeys) -> None:
    """Raise Refused when a switch would change more than keys."""
    difference = compare(desired(settings, now), settings)
    if not replace(difference, removed=()).is_empty:  # copies of revoked keys that nobody reads go with the switch
        raise Refused(
            "the installed configuration is not the one that dkimctl would write for the keys that sign now",
            hint="look at the difference: dkimctl render-config; install it (--install), then: dkimctl rotate",
        )


def _selectors(store: LifecycleStore, before: Names, keys: Iterable[Key]) -> dict[str, frozenset[str]]:
    """Return, for each domain that changes, the selectors that are to sign: of other algorithms those that do now."""
    chosen: dict[str, frozenset[str]] = {}
    for key in keys:
        every = (*store.keys(key.domain), *store.lost(key.domain))
        others = (k for k in every if k.metadata.algorithm != key.metadata.algorithm)
        kept = {k.selector for k in others if (k.domain, k.selector) in before}
        chosen[key.domain] = chosen.get(key.domain, frozenset()) | {key.selector, *kept}
    return chosen


def prove_keys(
    settings: Settings, store: LifecycleStore, keys: Collection[Key], *, is_begun: bool = False, clock: Clock
) -> Mapping[Name, DkimctlError | None]:
    """Show the signer a message for each of these keys, which its tables name; return why each fails, or None.

    A run that was killed may have left a daemon that has not read its tables: it is reloaded when messages fail.
    `is_begun`: a switch to one of them was never finished, so that one table may be new and the other old. Then both
    are written before the daemon reads either: with half of each it would answer to no message.
    """
    return with_current_files(settings, lambda: _prove_keys(settings, store, keys, is_begun, clock))


def _prove_keys(
    settings: Settings, store: LifecycleStore, keys: Collection[Key], is_begun: bool, clock: Clock
) -> Mapping[Name, DkimctlError | None]:
    names = {(key.domain, key.selector) for key in keys}
    rendering = desired(settings, chosen_keys(settings, store, installed_keys(settings), {}))
    wanted: list[SigningKey] = [key for key in rendering.keys if (key.domain, key.selector) in names]
    record = record_in_dns(settings.lookup)
    failures = prove(wanted, settings, record, clock)
    if failures and is_begun:
        made = attempt(rendering, settings, wanted, record, clock=clock)
        if made.reload_failed:
            raise made.reload_failed
        failures = made.failures
    elif failures:
        reload_again(settings)
        failures = prove(wanted, settings, record, clock)
    wrong = {(failure.key.domain, failure.key.selector): failure.error for failure in failures}
    return {(key.domain, key.selector): wrong.get((key.domain, key.selector)) for key in wanted}
