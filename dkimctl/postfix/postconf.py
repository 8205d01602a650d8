"""main.cf and master.cf, read and changed by Postfix's own postconf(1)."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dkimctl.errors import RUN_AGAIN, DiskError, Refused, Unavailable, disk_errors, shell_word
from dkimctl.files import file_locked, is_there, read_file, scratch_directory, status_of, write_file
from dkimctl.programs import find_program, run_program

_LARGEST = 1 << 26  # octets
_LOCK = "main.cf.tmp"
"""Who holds the lock of this file may change main.cf; it is there only meanwhile."""


@dataclass(frozen=True, slots=True)
class ServiceOverride:
    """A `-o` of master.cf that replaces a setting of main.cf for one service."""

    service: str
    """`smtp/inet`."""
    name: str
    value: str


def is_configured(directory: Path) -> bool:
    """Return True when there are both a main.cf and a postconf.

    Raises DiskError when that is not known: a directory that is closed to us, a link that leads to itself.
    """
    main = directory / "main.cf"
    with disk_errors(f"read {main}"):
        try:
            is_there = stat.S_ISREG(main.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return is_there and find_program("postconf") is not None


def read_settings(directory: Path, names: Sequence[str], *, expanded: bool = False) -> dict[str, str]:
    """Return the values in effect, defaults included; macros as they are written unless `expanded`.

    Raises Unavailable when postconf fails.
    """
    output = _postconf(directory, *(["-x"] if expanded else []), *names)
    values = {}
    for line in output.splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip()
    return values


def set_values(directory: Path) -> dict[str, str]:
    """Return everything that main.cf sets, macros as they are written. Raises Unavailable when postconf fails."""
    values = {}
    for line in _postconf(directory, "-n").splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip()
    return values


def expand(directory: Path, text: str) -> str:
    """Return what a macro such as `$opendkim_milter` stands for; everything else stays as it is."""
    name = text.strip("${}()")
    if not text.startswith("$") or not name.isidentifier():
        return text
    return read_settings(directory, [name], expanded=True).get(name, text)


def tidy(directory: Path) -> None:
    """Remove the lock's file that a killed run has left; it stays while another program holds the lock."""
    with suppress(Unavailable, Refused):
        if is_there(directory / _LOCK):
            with file_locked(directory / _LOCK, patience=0):
                pass


@contextmanager
def edited(directory: Path, values: Mapping[str, str | None]) -> Iterator[bytes]:
    """Yield main.cf with these values set, written nowhere yet; meanwhile no other postconf changes main.cf.

    None: the parameter is no longer set. The same values make the same file.

    It is postconf that edits it, in a copy. Raises DiskError when it could not.
    """
    main = directory / "main.cf"
    with file_locked(directory / _LOCK), scratch_directory("postfix") as place:
        content = read_file(main)
        write_file(place / "main.cf", content or b"", mode=0o600)
        try:
            for name, value in values.items():  # one by one: of several it appends the new ones in any order
                _postconf(place, *(("-X", name) if value is None else ("-e", f"{name} = {value}")))
        except Unavailable as error:
            raise DiskError(error.message.replace(str(place), str(directory)), hint=error.hint) from error
        made = read_file(place / "main.cf")
        if made is None:  # an empty main.cf would be put in place
            raise DiskError(f"the copy of {main} in {place} is gone", hint=RUN_AGAIN)
        yield made


def service_overrides(directory: Path, names: Sequence[str] | None = None) -> tuple[ServiceOverride, ...]:
    """Return where master.cf overrides one of these settings, or any; none without master.cf. Macros are expanded."""
    if not is_there(directory / "master.cf"):
        return ()
    found = []
    for line in _postconf(directory, "-Px").splitlines():
        place, _, value = line.partition("=")
        service, _, name = place.strip().rpartition("/")
        if names is None or name in names:
            found.append(ServiceOverride(service, name, value.strip()))
    return tuple(found)


def service_fields(directory: Path) -> tuple[tuple[str, ...], ...]:
    """Return the lines of master.cf as their eight fields: name, type, private, unprivileged, chroot, … (master(5))."""
    if not is_there(directory / "master.cf"):
        return ()
    return tuple(tuple(line.split(None, 7)) for line in _postconf(directory, "-M").splitlines() if line.strip())


def _refuse_endless(directory: Path) -> None:
    """Raise DiskError for a configuration file that postconf would read for ever: a pipe, a device, a huge hole.

    Raises Refused for a link that leads out of the tree below `--root`: postconf, which knows no tree, would follow it.
    """
    for path in (directory / "main.cf", directory / "master.cf"):
        status = status_of(path)
        if _file(status) != _file(_seen_by_others(path)):
            raise Refused(
                f"{path} is a link that leads out of the tree", hint=f"see where it leads: ls -l {shell_word(path)}"
            )
        if status is not None and (not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST):
            raise DiskError(
                f"{path} is not a regular file of a usual size", hint=f"see what it is: ls -l {shell_word(path)}"
            )


def _seen_by_others(path: Path) -> os.stat_result | None:
    """Return what a program finds that follows every link."""
    with suppress(OSError):
        return os.stat(path)
    return None


def _file(status: os.stat_result | None) -> tuple[int, int] | None:
    return status and (status.st_dev, status.st_ino)


def _postconf(directory: Path, *arguments: str) -> str:
    _refuse_endless(directory)
    # the directory is made absolute: programs are run in `/`
    ended = run_program("postconf", "-c", str(directory.absolute()), *arguments)
    # postconf warns about unknown parameters with exit 0; an error ends with a line `postconf: fatal: …`
    if ended.code != 0:
        raise Unavailable(
            f"postconf failed in {directory}: {ended.last_word.rpartition('postconf: fatal: ')[2]}",
            hint=f"see why: postconf -c {shell_word(directory)} -n; changing it needs root (sudo dkimctl …)",
        )
    return ended.out
