"""Whether `rotate` still runs: when it last did, whether its timer is enabled, and the finding when nothing runs it."""

from contextlib import suppress
from datetime import datetime

from dkimctl.catalogue.machine import CLOCK_NOT_TRUSTED, ROTATE_IDLE
from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.findings import Finding, finding
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import LifecycleStore
from dkimctl.lifecycle.gather import awaits_confirmation
from dkimctl.lifecycle.machine import clock_problem, last_run
from dkimctl.lifecycle.notes import at_text, instant
from dkimctl.lifecycle.policy import DAY, policy_for
from dkimctl.lifecycle.relays import Relays
from dkimctl.names import counted

_TIMER = "dkimctl-rotate.timer"
_ENABLED = f"/etc/systemd/system/timers.target.wants/{_TIMER}"
"""The link that `systemctl enable` makes."""
LONGEST = 3 * DAY
"""For so long nobody is told: the timer runs every day, and a host may be off over a weekend."""


def rotation_findings(
    settings: Settings, store: LifecycleStore, clock: Clock, relays: Relays | None = None
) -> tuple[Finding, ...]:
    """Return the finding when keys are to be rotated by themselves, and `rotate` has not run for days, or does nothing.

    Below `--root` nothing runs: only a tree in which it once did is judged. What cannot be read is no reason to tell.
    Any host may do the work of a fleet, whose `relays` know since when it waits.
    """
    now = instant(clock.now())
    if problem := clock_problem(settings, now):
        return (finding(CLOCK_NOT_TRUSTED, "rotate", problem),)
    if relays is not None:
        return _of_fleet(relays, now)
    last, enabled = last_run(settings), _enabled_since(settings)
    if (last is None and not settings.is_live) or now - max(last or 0, enabled or 0) <= LONGEST:
        return ()
    with suppress(DkimctlError):
        if not _is_wanted(settings, store, now, has_timer=enabled is not None):
            return ()
    seen = f"it last ran at {at_text(last)}, {counted((now - last) // DAY, 'day')} ago" if last else "it never ran"
    fix = f"systemctl status {_TIMER}  # says why it does not start the service" if enabled else None
    return (finding(ROTATE_IDLE, "rotate", seen, fix=fix),)


def _of_fleet(relays: Relays, now: int) -> tuple[Finding, ...]:
    due = relays.due_since()
    if due is None or now - due <= LONGEST:
        return ()
    seen = f"what is due since {at_text(due)}, {counted((now - due) // DAY, 'day')} ago, was not done on any host"
    return (finding(ROTATE_IDLE, "rotate", seen),)


def _enabled_since(settings: Settings) -> int | None:
    """Return when the timer was enabled; None while it is not."""
    with suppress(OSError):
        return int(settings.at(_ENABLED).lstat().st_mtime)
    return None


def _is_wanted(settings: Settings, store: LifecycleStore, now: int, *, has_timer: bool) -> bool:
    """Return True when a key has signed for days of a domain whose keys are rotated automatically."""
    installed = installed_keys(settings)
    for domain in dict.fromkeys(name for name, _ in sorted(installed)):
        with suppress(DkimctlError):
            keys, _, notes = store.life(domain)
            used = [key.metadata for key in keys if (domain, key.selector) in installed]
            if any(now - _signs_since(known, now) > LONGEST for known in used):
                policy = policy_for(settings, domain, is_adopted=awaits_confirmation(keys, notes))
                if has_timer or (policy.automation != "off" and not notes.get("held")):
                    return True
    return False


def _signs_since(known: Metadata, now: int) -> int:
    """Return since when a key signs, or was made, as far as it was noted."""
    signs = next((change.at for change in known.history if change.phase is Phase.ACTIVE), known.created)
    with suppress(ValueError, OverflowError):
        return instant(datetime.fromisoformat(signs))
    return now
