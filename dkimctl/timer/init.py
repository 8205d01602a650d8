"""Puts the timer, the directories for hooks and a configuration in place, and takes exactly that away again.

What was put there is noted first. A file that does not have the noted content is a person's: it is neither replaced
nor removed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Refused
from dkimctl.files import is_there, make_directory, read_file, remove_directory, remove_file, write_file
from dkimctl.fleet.role import is_member
from dkimctl.fleet.state import STATE as RELAY_STATE
from dkimctl.timer import systemd
from dkimctl.timer.files import UNITS, packaged_unit, packaged_units, wanted_directories, wanted_files
from dkimctl.timer.note import NOTE, Note, digest_of, read_note, write_note


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
    units: tuple[str, ...] = ()
    """The units that were started or enabled, or stopped and disabled."""

    @property
    def is_change(self) -> bool:
        """Return whether a file or a directory was made, updated or removed, or a unit started or stopped."""
        unchanged = (Outcome.UNCHANGED, Outcome.KEPT)
        return bool(self.directories or self.units) or any(file.outcome not in unchanged for file in self.files)


def install(settings: Settings, program: Sequence[str]) -> Done:
    """Put in place what is missing, and start the timer. What a person wrote stays as it is.

    A unit that the package has with the same text is used from there, and an earlier one of `init` gives way to it.
    Raises Refused, DiskError, Unavailable when systemctl fails, CheckFailed when the note is damaged.
    """
    note = read_note(settings)
    everything = wanted_files(settings, program)
    packaged = packaged_units(settings, everything)
    wanted = {path: content for path, content in everything.items() if path not in packaged}
    names = [PurePosixPath(path).name for path in everything if path.startswith(UNITS)]
    unwanted = {path: digest for path, digest in note.digests.items() if path.startswith(UNITS) and path not in wanted}
    outcomes = {path: _outcome(settings, path, content, note) for path, content in wanted.items()}
    ended = {name for name in systemd.STARTED if name not in names}
    systemd.stop(settings, (name for name in ended if _is_known(settings, name, unwanted)))
    moved = [path for path, outcome in outcomes.items() if outcome in (Outcome.MADE, Outcome.UPDATED)]
    changing = (PurePosixPath(path).name for path in (*moved, *(unwanted.keys() & packaged.keys())))
    systemd.disable(settings, (name for name in changing if _is_known(settings, name, note.digests)))
    gone = (FileOutcome(path, _removed(settings, path, digest)) for path, digest in unwanted.items())
    removed = [file for file in gone if file.outcome is not Outcome.UNCHANGED]
    ours = {path: digest_of(wanted[path]) for path, outcome in outcomes.items() if _is_ours(path, outcome, note)}
    missing = _missing_directories(settings)
    kept = {path: digest for path, digest in note.digests.items() if path not in unwanted}
    write_note(settings, Note({**kept, **ours}, tuple(dict.fromkeys((*note.directories, *missing)))))
    for shown, mode in wanted_directories(settings).items():
        make_directory(settings.at(shown), mode=mode)
    for path in moved:
        write_file(settings.at(path), wanted[path])
    told = systemd.start(settings, names)
    files = (*(FileOutcome(*item) for item in outcomes.items()), *_from_package(settings, packaged, unwanted), *removed)
    return Done(files, tuple(missing), told.timer, told.is_by_hand, _first(settings), told.units)


def _is_known(settings: Settings, name: str, noted: Iterable[str]) -> bool:
    """Return True for a unit that is there, and came from `init` or with the package."""
    path = f"{UNITS}/{name}"
    return bool(packaged_unit(settings, name)) or (path in noted and is_there(settings.at(path)))


def _from_package(settings: Settings, packaged: Mapping[str, str], unwanted: Collection[str]) -> Iterator[FileOutcome]:
    """Yield the units that are used from the package, and those of a person's that take precedence over them."""
    for path, there in packaged.items():
        if not is_there(settings.at(path)):
            yield FileOutcome(there, Outcome.UNCHANGED)
        elif path not in unwanted:
            yield FileOutcome(path, Outcome.KEPT)


def _first(settings: Settings) -> str:
    """Return what a relay lacks that no unit may write, such as opendkim.conf: the first pass by hand installs it."""
    lacks = is_member(settings) and not is_there(settings.at(RELAY_STATE))
    return "dkimctl fleet sync" if lacks else ""


def uninstall(settings: Settings) -> Done:
    """Stop the timer, and remove what `install` put there and nobody has changed since. It may be run again.

    Raises Refused, DiskError, Unavailable when systemctl fails, CheckFailed when the note is damaged.
    """
    note = read_note(settings)
    told = systemd.stop(settings, systemd.STARTED)
    files = tuple(FileOutcome(path, _removed(settings, path, digest)) for path, digest in note.digests.items())
    remove_file(settings.at(NOTE))
    systemd.reload(settings)
    directories = [shown for shown in sorted(note.directories, reverse=True) if _remove_empty(settings, shown)]
    gone = tuple(file for file in files if file.outcome is not Outcome.UNCHANGED)
    return Done(gone, tuple(directories), told.timer, told.is_by_hand, units=told.units)


def installed_files(settings: Settings) -> tuple[str, ...]:
    """Return what `uninstall` would remove: the files that nobody has changed. Raises CheckFailed, DiskError."""
    digests = read_note(settings).digests
    contents = {path: read_file(settings.at(path)) for path in digests}
    return tuple(path for path, there in contents.items() if there is not None and digest_of(there) == digests[path])


def _outcome(settings: Settings, path: str, wanted: bytes, note: Note) -> Outcome:
    there = read_file(settings.at(path))
    if there is None:
        return Outcome.MADE
    if there == wanted:
        return Outcome.UNCHANGED
    return Outcome.UPDATED if note.digests.get(path) == digest_of(there) else Outcome.KEPT


def _is_ours(path: str, outcome: Outcome, note: Note) -> bool:
    """Return True for a file that is written now, or that was written by an earlier run."""
    return outcome in (Outcome.MADE, Outcome.UPDATED) or (outcome is Outcome.UNCHANGED and path in note.digests)


def _removed(settings: Settings, path: str, digest: str) -> Outcome:
    there = read_file(settings.at(path))
    if there is None:
        return Outcome.UNCHANGED
    if digest_of(there) != digest:
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
