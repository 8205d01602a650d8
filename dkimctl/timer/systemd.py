"""systemd and the units: timers are started, what comes before a signer is enabled, and both are ended again."""

from collections.abc import Iterable
from typing import NamedTuple

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
_RUNS = {"active", "activating", "reloading"}
_ENABLED = {"enabled", "enabled-runtime"}


class Told(NamedTuple):
    """What systemd was asked to do."""

    timer: str
    """What became of the timer, in words."""
    units: tuple[str, ...] = ()
    """The units that were started or enabled, or stopped and disabled."""
    is_by_hand: bool = False
    """True when a person has to see to the timer."""


def start(settings: Settings, names: Iterable[str]) -> Told:
    """Start the timers among these units, and enable what comes before a signer. Raises Unavailable."""
    timers, others = _to_enable(names)
    if not settings.is_live:
        enable = f"systemctl enable {' '.join(map(shell_word, (*timers, *others)))}"
        return Told(f"not started below --root; in the tree: {enable}", is_by_hand=True)
    if not has_systemd():
        by_cron = "; ".join(_BY_CRON[timer] for timer in timers)
        return Told(f"systemd does not run this machine: have cron run {by_cron}", is_by_hand=True)
    before = running(settings, (*timers, *others))
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", *timers)
    if others:
        _systemctl("enable", *others)
    verb = "are" if others or len(timers) > 1 else "is"
    named = ", ".join((*timers, *others))
    listed = f"systemctl list-timers {' '.join(map(shell_word, timers))}"
    units = tuple(name for name in (*timers, *others) if name not in before)
    return Told(f"{named} {verb} enabled: {listed}", units)


def disable(settings: Settings, names: Iterable[str]) -> None:
    """Remove the links that enable these units, which are made again for other files. Nothing is stopped."""
    timers, others = _to_enable(names)
    if (timers or others) and settings.is_live and has_systemd():
        _systemctl("disable", *timers, *others)


def stop(settings: Settings, names: Iterable[str]) -> Told:
    """Stop and disable those of these units that run or are enabled. Raises Unavailable."""
    if not settings.is_live:
        return Told("")
    named = running(settings, names)
    if not named:
        return Told("no timer ran")
    _systemctl("disable", "--now", *named)
    for timer in set(named) & _BY_CRON.keys():
        run_program("systemctl", "clean", "--what=state", timer)  # when it last ran
    return Told(f"{' '.join(named)} {'was' if len(named) == 1 else 'were'} stopped and disabled", tuple(named))


def running(settings: Settings, names: Iterable[str]) -> list[str]:
    """Return those of these units that run or are enabled. Raises Unavailable."""
    named = [name for name in names if name in STARTED]
    if not (named and settings.is_live and has_systemd()):
        return []
    shown = _systemctl("show", "--property=Id,ActiveState,UnitFileState", *named)
    units = [dict(line.partition("=")[::2] for line in one.splitlines()) for one in shown.split("\n\n")]
    on = {one.get("Id") for one in units if _RUNS & {one.get("ActiveState")} or _ENABLED & {one.get("UnitFileState")}}
    return [name for name in named if name in on]


def reload(settings: Settings) -> None:
    """Have systemd read the units that are there. Raises Unavailable."""
    if settings.is_live and has_systemd():
        _systemctl("daemon-reload")


def _to_enable(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the timers among these units, which are started, and the others that are enabled."""
    names = tuple(names)
    return [name for name in names if name in _BY_CRON], [name for name in names if name == BEFORE_START]


def _systemctl(*arguments: str) -> str:
    """Return the output of systemctl. Raises Unavailable."""
    ended = run_program("systemctl", *arguments)
    if ended.code:
        raise Unavailable(
            f"systemctl {' '.join(arguments)} failed: {ended.last_word}", hint="try it by hand, then run this again"
        )
    return ended.out
