"""systemd told of the units: timers are started, what comes before a signer is enabled, and both are ended again."""

from collections.abc import Iterable

from dkimctl.config.settings import Settings
from dkimctl.errors import Unavailable, shell_word
from dkimctl.programs import has_systemd, run_program
from dkimctl.timer.relay_units import BEFORE_START, START_AGAIN, WATCH
from dkimctl.timer.relay_units import TIMER as SYNC_TIMER
from dkimctl.timer.units import TIMER

_BY_CRON = {
    TIMER: "every day (for a fleet every ten minutes): dkimctl rotate",
    SYNC_TIMER: "every minute: dkimctl fleet sync",
}
"""The timers, and what does the same without systemd."""
STARTED = (*_BY_CRON, BEFORE_START, WATCH, START_AGAIN)
"""The units that `init` or a person enables, or that run by themselves."""


def start(settings: Settings, names: Iterable[str]) -> tuple[str, bool]:
    """Start the timers among these units, and enable what comes before a signer. Return what became of it, in words,
    and whether a person has to see to it. Raises Unavailable.
    """
    timers, others = _to_enable(names)
    if not settings.is_live:
        return (
            f"not started below --root; in the tree: systemctl enable {' '.join(map(shell_word, (*timers, *others)))}",
            True,
        )
    if not has_systemd():
        return f"systemd does not run this machine: have cron run {'; '.join(_BY_CRON[t] for t in timers)}", True
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", *timers)
    if others:
        _systemctl("enable", *others)
    verb = "are" if others or len(timers) > 1 else "is"
    named = ", ".join((*timers, *others))
    return f"{named} {verb} enabled: systemctl list-timers {' '.join(map(shell_word, timers))}", False


def unlink(settings: Settings, names: Iterable[str]) -> None:
    """Remove the links that enable these units, which are made anew for other files. Nothing is stopped."""
    timers, others = _to_enable(names)
    if (timers or others) and settings.is_live and has_systemd():
        _systemctl("disable", *timers, *others)


def stop(settings: Settings, names: Iterable[str]) -> tuple[str, bool]:
    """Stop and disable those of these units that are ever started. Raises Unavailable."""
    if not settings.is_live:
        return "", False
    named = [name for name in names if name in STARTED]
    if not has_systemd() or not named:
        return "no timer ran", False
    _systemctl("disable", "--now", *named)
    for timer in set(named) & _BY_CRON.keys():
        run_program("systemctl", "clean", "--what=state", timer)  # when it last ran
    return f"{' '.join(named)} {'was' if len(named) == 1 else 'were'} stopped and disabled", False


def reload(settings: Settings) -> None:
    """Have systemd read the units that are there. Raises Unavailable."""
    if settings.is_live and has_systemd():
        _systemctl("daemon-reload")


def _to_enable(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the timers among these units, which are started, and the others that are enabled."""
    names = tuple(names)
    return [name for name in names if name in _BY_CRON], [name for name in names if name == BEFORE_START]


def _systemctl(*arguments: str) -> None:
    ended = run_program("systemctl", *arguments)
    if ended.code:
        raise Unavailable(
            f"systemctl {' '.join(arguments)} failed: {ended.last_word}", hint="try it by hand, then run this again"
        )
