"""`render-config --install`: the configuration in place and proven by messages, or everything as it was before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.keysource import record_on_disk
from dkimctl.errors import CheckFailed, DkimctlError, Unavailable
from dkimctl.install.attempt import Attempt, attempt, is_postfix_left, take_back
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.install.journal import INSTALLATION, mark_complete, with_note
from dkimctl.install.lock import with_current_files
from dkimctl.install.switch import Switched
from dkimctl.install.write import Installed
from dkimctl.keys.store import KeyStore
from dkimctl.signers.desired import desired
from dkimctl.signers.dryrun import sample
from dkimctl.signers.rendered import Rendering


@dataclass(frozen=True, slots=True)
class Proven:
    """The result of a proven installation."""

    switched: Switched
    proof: str
    """The result of the test messages in one line; empty when no daemon was running."""


def install_current(
    settings: Settings,
    store: KeyStore,
    *,
    clock: Clock,
    allow_unproven: bool = False,
    before: Callable[[Rendering], None] = lambda _: None,
) -> tuple[Rendering, Proven]:
    """Install the configuration for the current keys and files, read and replaced under one lock.

    `allow_unproven`: also keys that DNS was not seen to serve. `before` is called with each rendering before it is
    installed. Raises what `desired` and `install` raise.
    """

    def work() -> tuple[Rendering, Proven]:
        rendering = desired(settings, store, allow_unproven=allow_unproven)
        before(rendering)
        proven = install(_noted(rendering, settings, clock.now()), settings, store, clock=clock)
        mark_complete(INSTALLATION, settings)
        return rendering, _without_note(proven, settings)

    return with_current_files(settings, work)


def _noted(rendering: Rendering, settings: Settings, now: datetime) -> Rendering:
    """Return the rendering with the note of what this run changes: not of Postfix where that waits for the signer."""
    left = is_postfix_left(rendering, settings)
    first = replace(rendering, postfix=MappingProxyType({})) if left else rendering
    return replace(with_note(INSTALLATION, first, settings, now), postfix=rendering.postfix)


def _without_note(proven: Proven, settings: Settings) -> Proven:
    """Return the result without the note, which is for us only."""
    switched = proven.switched
    changed, note = switched.installed.changed, INSTALLATION.path(settings)
    changed = replace(changed, files=tuple(file for file in changed.files if file.path != note))
    return replace(proven, switched=replace(switched, installed=replace(switched.installed, changed=changed)))


def install(rendering: Rendering, settings: Settings, store: KeyStore, *, clock: Clock) -> Proven:
    """Install the rendering, reload the daemons, and show the signer messages of a few domains.

    Domains that did not sign before come first. A signature counts when it verifies with the key on this disk: DNS is
    not asked. When a daemon cannot be reloaded, or a message is not signed, everything is put back. Raises what
    `switch.switch_to` raises, CheckFailed when a message is not signed, Unavailable when a daemon fails.
    """
    keys = sample(rendering.keys, installed_keys(settings))
    made = attempt(rendering, settings, keys, record_on_disk(store), clock=clock)
    if made.reload_failed:
        raise _taken_back(made, settings, made.reload_failed, made.reload_failed.message)
    if made.failures:
        first = made.failures[0]
        raise _taken_back(made, settings, first.error, f"mail from {first.sender}: {first.error.message}")
    return Proven(_as_one(made.switched), _proof(rendering, made))


def _taken_back(made: Attempt, settings: Settings, error: DkimctlError, message: str) -> DkimctlError:
    """Return the error to raise, after the old configuration was put back where something had changed."""
    after = "nothing had to be changed, so nothing was put back"
    if made.has_changed:
        results = take_back(made, settings)
        after = "; ".join(["everything was put back as it was before", *(result.message for result in results)])
    kind = Unavailable if isinstance(error, Unavailable) else CheckFailed
    return kind(f"{message}; {after}", hint=error.hint)


def _as_one(switched: tuple[Switched, ...]) -> Switched:
    """Return both switches as one: files by the first, Postfix by the second."""
    first, last = switched[0], switched[-1]
    if first is last:
        return first
    changed = replace(first.installed.changed, postfix=last.installed.changed.postfix)
    main_cf = last.installed.backup
    notes = (f"main.cf as it was before is in {main_cf}",) if main_cf and first.installed.backup else ()
    installed = Installed(changed, first.installed.backup or main_cf, (*first.installed.notes, *notes))
    return replace(first, installed=installed, postfix=last.postfix)


def _proof(rendering: Rendering, made: Attempt) -> str:
    if not made.proven:
        return ""
    domains = ", ".join(dict.fromkeys(key.domain for key in made.proven))
    return f"proof: {rendering.signer} signs mail from {domains}, and the signatures verify with the keys on this disk"
