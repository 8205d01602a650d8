"""Puts the timer, the directories for hooks and a configuration in place, and takes exactly that away again.

A note of what was put there, with a digest of each file, lies in /var/lib/dkimctl/init.json, and is written first. A
file that does not have the noted content is a person's: it is neither replaced nor removed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DiskError, Refused, Unavailable, shell_word
from dkimctl.files import is_there, make_directory, read_file, remove_directory, remove_file, write_file
from dkimctl.fleet.role import is_member
from dkimctl.fleet.state import STATE as RELAY_STATE
from dkimctl.programs import has_systemd, run_program
from dkimctl.timer.files import STATE, UNITS, wanted_directories, wanted_files
from dkimctl.timer.relay_units import BEFORE_START, START_AGAIN, WATCH
from dkimctl.timer.relay_units import TIMER as SYNC_TIMER
from dkimctl.timer.units import TIMER

NOTE = f"{STATE}/init.json"
SCHEMA = 1


class Outcome(StrEnum):
    """What became of a file."""

    MADE = "made"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    """A person wrote it, or changed it."""
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One file, and what became of it."""

    path: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Done:
    """The result of `init` or `init --uninstall`."""

    files: tuple[FileOutcome, ...]
    directories: tuple[str, ...]
    """Those that were made, or removed."""
    timer: str
    """What became of the timer, in words."""
    is_by_hand: bool
    """True when a person has to see to the timer."""
    first: str = ""
    """The command that a person has to run once before the timer can; empty where none."""

    @property
    def is_change(self) -> bool:
        """Return whether a file or a directory was made, updated or removed."""
        unchanged = (Outcome.UNCHANGED, Outcome.KEPT)
        return bool(self.directories) or any(file.outcome not in unchanged for file in self.files)


class _Note(NamedTuple):
    digests: Mapping[str, str]
    directories: tuple[str, ...]


def install(settings: Settings, program: Sequence[str]) -> Done:
    """Put in place what is missing, and start the timer. What a person wrote stays as it is.

    Raises Refused, DiskError, Unavailable when systemctl fails, CheckFailed when the note is damaged.
    """
    note = _read_note(settings)
    wanted = wanted_files(settings, program)
    unwanted = {path: digest for path, digest in note.digests.items() if path.startswith(UNITS) and path not in wanted}
    _stop(settings, unwanted)
    gone = (FileOutcome(path, _removed(settings, path, digest)) for path, digest in unwanted.items())
    removed = [file for file in gone if file.outcome is not Outcome.UNCHANGED]
    outcomes = {path: _outcome(settings, path, content, note) for path, content in wanted.items()}
    ours = {path: _digest(wanted[path]) for path, outcome in outcomes.items() if _is_ours(path, outcome, note)}
    missing = _missing_directories(settings)
    kept = {path: digest for path, digest in note.digests.items() if path not in unwanted}
    _write_note(settings, _Note({**kept, **ours}, tuple(dict.fromkeys((*note.directories, *missing)))))
    for shown, mode in wanted_directories(settings).items():
        make_directory(settings.at(shown), mode=mode)
    for path, outcome in outcomes.items():
        if outcome in (Outcome.MADE, Outcome.UPDATED):
            write_file(settings.at(path), wanted[path])
    timer, by_hand = _start(settings, wanted)
    files = (*(FileOutcome(*item) for item in outcomes.items()), *removed)
    return Done(files, tuple(missing), timer, by_hand, _first(settings))


def _first(settings: Settings) -> str:
    """Return what a relay lacks that no unit may write, such as opendkim.conf: the first pass by hand installs it."""
    lacks = is_member(settings) and not is_there(settings.at(RELAY_STATE))
    return "dkimctl fleet sync" if lacks else ""


def uninstall(settings: Settings) -> Done:
    """Stop the timer, and remove what `install` put there and nobody has changed since. It may be run again.

    Raises Refused, DiskError, Unavailable when systemctl fails, CheckFailed when the note is damaged.
    """
    note = _read_note(settings)
    timer, by_hand = _stop(settings, [f"{UNITS}/{name}" for name in _STARTED])
    files = tuple(FileOutcome(path, _removed(settings, path, digest)) for path, digest in note.digests.items())
    remove_file(settings.at(NOTE))
    _reload(settings)
    directories = [shown for shown in sorted(note.directories, reverse=True) if _remove_empty(settings, shown)]
    return Done(
        tuple(file for file in files if file.outcome is not Outcome.UNCHANGED), tuple(directories), timer, by_hand
    )


def installed_files(settings: Settings) -> tuple[str, ...]:
    """Return what `uninstall` would remove: the files that nobody has changed. Raises CheckFailed, DiskError."""
    digests = _read_note(settings).digests
    contents = {path: read_file(settings.at(path)) for path in digests}
    return tuple(path for path, there in contents.items() if there is not None and _digest(there) == digests[path])


def _outcome(settings: Settings, path: str, wanted: bytes, note: _Note) -> Outcome:
    there = read_file(settings.at(path))
    if there is None:
        return Outcome.MADE
    if there == wanted:
        return Outcome.UNCHANGED
    return Outcome.UPDATED if note.digests.get(path) == _digest(there) else Outcome.KEPT


def _is_ours(path: str, outcome: Outcome, note: _Note) -> bool:
    """Return True for a file that is written now, or that was written by an earlier run."""
    return outcome in (Outcome.MADE, Outcome.UPDATED) or (outcome is Outcome.UNCHANGED and path in note.digests)


def _removed(settings: Settings, path: str, digest: str) -> Outcome:
    there = read_file(settings.at(path))
    if there is None:
        return Outcome.UNCHANGED
    if _digest(there) != digest:
        return Outcome.KEPT
    remove_file(settings.at(path))
    return Outcome.REMOVED


def _missing_directories(settings: Settings) -> list[str]:
    """Return every directory that is not there yet, those above included."""
    wanted = [PurePosixPath(shown) for shown in wanted_directories(settings)]
    all_of_them = dict.fromkeys(place for path in wanted for place in (*reversed(path.parents), path))
    return [str(place) for place in all_of_them if not is_there(settings.at(str(place)))]


def _remove_empty(settings: Settings, shown: str) -> bool:
    with suppress(OSError, Refused, DiskError):
        remove_directory(settings.at(shown))
        return True
    return False


# --- the note


def _read_note(settings: Settings) -> _Note:
    content = read_file(settings.at(NOTE))
    if content is None:
        return _Note({}, ())
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise CheckFailed(f"{NOTE} has schema {document['schema']}; this dkimctl knows {SCHEMA}", hint="upgrade")
        digests = {str(file["path"]): str(file["sha256"]) for file in document["files"]}
        return _Note(digests, tuple(str(directory) for directory in document["directories"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(
            f"{NOTE} is damaged",
            hint=f"it only says what init put in place: rm {shell_word(NOTE)}, then run init again",
        ) from error


def _write_note(settings: Settings, note: _Note) -> None:
    files = [{"path": path, "sha256": digest} for path, digest in note.digests.items()]
    document = {"schema": SCHEMA, "files": files, "directories": note.directories}
    make_directory(settings.at(STATE), mode=0o755)
    write_file(settings.at(NOTE), json.dumps(document, indent=2).encode() + b"\n")


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


# --- the timer


def _start(settings: Settings, wanted: Iterable[str]) -> tuple[str, bool]:
    timers, others = _to_enable(wanted)
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


def _to_enable(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the timers among these files, which are started, and the other units that are enabled."""
    names = [PurePosixPath(path).name for path in paths]
    return [name for name in names if name in _BY_CRON], [name for name in names if name == BEFORE_START]


_BY_CRON = {
    TIMER: "every day (for a fleet every ten minutes): dkimctl rotate",
    SYNC_TIMER: "every minute: dkimctl fleet sync",
}
"""The timers, and what does the same without systemd."""
_STARTED = (*_BY_CRON, BEFORE_START, WATCH, START_AGAIN)
"""The units that `init` or a person enables, or that run by themselves."""


def _stop(settings: Settings, paths: Iterable[str]) -> tuple[str, bool]:
    """Stop and disable the units among these files."""
    if not settings.is_live:
        return "", False
    there = (PurePosixPath(path).name for path in paths if is_there(settings.at(path)))
    named = [name for name in there if name in _STARTED]
    if not has_systemd() or not named:
        return "no timer ran", False
    _systemctl("disable", "--now", *named)
    for timer in set(named) & _BY_CRON.keys():
        run_program("systemctl", "clean", "--what=state", timer)  # when it last ran
    return f"{' '.join(named)} {'was' if len(named) == 1 else 'were'} stopped and disabled", False


def _reload(settings: Settings) -> None:
    if settings.is_live and has_systemd():
        _systemctl("daemon-reload")


def _systemctl(*arguments: str) -> None:
    ended = run_program("systemctl", *arguments)
    if ended.code:
        raise Unavailable(
            f"systemctl {' '.join(arguments)} failed: {ended.last_word}", hint="try it by hand, then run this again"
        )
