"""Installation of a configuration: files written, daemons reloaded, and signing proven by test messages.

    attempt(rendering, settings, keys, find_record) -> Attempt     installed, reloaded, probed
    take_back(attempt, settings) -> what the daemons did            the old configuration again

The caller decides what a failure means; nothing is taken back without being asked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import Unavailable
from dkimctl.install.backup import Backup
from dkimctl.install.compare import compare
from dkimctl.install.proof import Failure, prove
from dkimctl.install.switch import (
    ReloadFailed,
    Switched,
    needs_person_to_restart,
    needs_person_to_start,
    reload_again,
    switch_back,
    switch_to,
)
from dkimctl.install.way_back import refuse_in_rendering
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_named
from dkimctl.signers.rendered import Rendering, SigningKey
from dkimctl.signers.service import Action, ReloadResult


@dataclass(frozen=True, slots=True)
class Attempt:
    """The steps of an installation and the results of its test messages."""

    switched: tuple[Switched, ...]
    """The switches in order: one, or two where Postfix was reloaded after the signer was proven."""
    reload_failed: ReloadFailed | None = None
    """The error of a failed reload; no test message was sent then."""
    failures: tuple[Failure, ...] = ()
    proven: tuple[SigningKey, ...] = ()

    @property
    def has_changed(self) -> bool:
        """Return whether files were changed."""
        return any(not switched.installed.changed.is_empty for switched in self.switched)

    @property
    def wrong(self) -> frozenset[Name]:
        """Domain and selector of the keys that failed."""
        return frozenset((failure.key.domain, failure.key.selector) for failure in self.failures)


def attempt(
    rendering: Rendering,
    settings: Settings,
    keys: Iterable[SigningKey],
    find_record: FindRecord,
    *,
    clock: Clock,
    postfix_waits: bool = False,
    report: Callable[[Switched], None] = lambda _: None,
) -> Attempt:
    """Install the rendering, reload the daemons, and show the signer a message for each of the keys.

    A signer with `proven_before_postfix` signs these messages before Postfix is reconfigured, so that the previous one
    signs until then. For other signers Postfix's settings change with the files, unless the signer has to be restarted
    by hand to use a new socket: then Postfix keeps the old socket until the next run; with `postfix_waits` also while
    no signer is running. `report` is called for each switch as it ends.

    Raises what `switch.switch_to` raises, except ReloadFailed, and Refused where a content filter's mail from outside
    would be signed.
    """
    refuse_in_rendering(rendering.postfix, settings)
    is_proven_first = signer_named(rendering.signer).proven_before_postfix
    waits = is_postfix_left(rendering, settings, until_started=postfix_waits)
    later = waits or (is_proven_first and settings.is_live)
    first = replace(rendering, postfix=MappingProxyType({})) if later else rendering
    made = _switch((), first, settings, clock, report, _waiting(rendering.signer) if waits else None)
    daemon = made.switched[-1].daemon
    if made.reload_failed or daemon is None or not daemon.done:
        return made
    shown = tuple(keys)
    made = _probed(made, shown, settings, find_record, clock)
    if made.failures and not made.has_changed:
        made = _probed_again(made, shown, settings, find_record, clock)
    if not later or made.failures:
        return made
    second = _switch(made.switched, rendering, settings, clock, report)
    return replace(second, proven=made.proven)


def is_postfix_left(rendering: Rendering, settings: Settings, *, until_started: bool = False) -> bool:
    """Return True when Postfix must not use the new socket yet, and is left as it is by this run."""
    if not rendering.postfix or signer_named(rendering.signer).proven_before_postfix:
        return False
    waits = needs_person_to_restart(settings) or (until_started and needs_person_to_start(settings))
    return waits and bool(compare(rendering, settings).postfix)


def _waiting(signer: str) -> ReloadResult:
    return ReloadResult(
        Action.NONE,
        False,
        f"Postfix is left as it is until {signer} answers at its new socket",
        f"once {signer} runs there, run the same command again: it tells Postfix",
    )


def take_back(made: Attempt, settings: Settings) -> tuple[ReloadResult, ...]:
    """Undo all changes and return the results of the daemons' reloads.

    Raises what `switch.switch_back` raises.
    """
    results: list[ReloadResult] = []
    for switched in reversed(made.switched):
        if not switched.installed.changed.is_empty:
            results += switch_back(switched, settings)
    return tuple(results)


def remove_copies(made: Attempt, settings: Settings, *, of_these: Iterable[str] | None = None) -> None:
    """Remove the copies of an attempt that has ended. `of_these`: only where no other file changed."""
    needless = None if of_these is None else frozenset(of_these)
    for switched in made.switched:
        changed = switched.installed.changed
        if needless is None or not (changed.postfix or {file.path for file in changed.files} - needless):
            Backup(settings, switched.installed.backup).remove()


def _switch(
    before: tuple[Switched, ...],
    rendering: Rendering,
    settings: Settings,
    clock: Clock,
    report: Callable[[Switched], None],
    waiting: ReloadResult | None = None,
) -> Attempt:
    """Make one switch after those before it. `waiting`: the result to report for Postfix, which is not reloaded."""
    try:
        switched = switch_to(rendering, settings, clock=clock)
    except ReloadFailed as error:
        return Attempt((*before, error.switched), error)
    if waiting:
        switched = replace(switched, postfix=waiting)
    if not before or not switched.installed.changed.is_empty:
        report(switched)
    return Attempt((*before, switched))


def _probed(
    made: Attempt, keys: tuple[SigningKey, ...], settings: Settings, find_record: FindRecord, clock: Clock
) -> Attempt:
    failures = prove(keys, settings, find_record, clock)
    wrong = [failure.key for failure in failures]
    return replace(made, failures=failures, proven=tuple(key for key in keys if key not in wrong))


def _probed_again(
    made: Attempt, keys: tuple[SigningKey, ...], settings: Settings, find_record: FindRecord, clock: Clock
) -> Attempt:
    """Return the proof again after a reload: an earlier run may have ended before the daemon read its files."""
    try:
        result = reload_again(settings)
    except Unavailable:
        return made  # the result of the messages matters more to the user
    last = replace(made.switched[-1], daemon=result)
    again = replace(made, switched=(*made.switched[:-1], last))
    return _probed(again, keys, settings, find_record, clock) if result.done else made
