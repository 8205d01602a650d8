"""main.cf and master.cf, read and changed by Postfix's own postconf(1)."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dkimctl.errors import DiskError, Unavailable

_PLACES = "/usr/local/sbin:/usr/sbin:/sbin"  # an ordinary user's PATH lacks them


@dataclass(frozen=True, slots=True)
class ServiceOverride:
    """A `-o` of master.cf that replaces a setting of main.cf for one service."""

    service: str
    """`smtp/inet`."""
    name: str
    value: str


def find_postconf() -> str | None:
    """The program, or None where Postfix is not installed."""
    return shutil.which("postconf", path=os.environ.get("PATH", os.defpath) + os.pathsep + _PLACES)


def is_configured(directory: Path) -> bool:
    """True when there are both a main.cf to work on and a postconf to do it."""
    return (directory / "main.cf").is_file() and find_postconf() is not None


def read_settings(directory: Path, names: Sequence[str], *, expanded: bool = False) -> dict[str, str]:
    """The values in effect, defaults included; macros as they are written unless `expanded`.

    Raises Unavailable when postconf fails.
    """
    output = _postconf(directory, *(["-x"] if expanded else []), *names)
    values = {}
    for line in output.splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip()
    return values


def expand(directory: Path, text: str) -> str:
    """What a macro such as `$opendkim_milter` stands for; everything else stays as it is."""
    name = text.strip("${}()")
    if not text.startswith("$") or not name.isidentifier():
        return text
    return read_settings(directory, [name], expanded=True).get(name, text)


def write_settings(directory: Path, values: Mapping[str, str]) -> None:
    """Set these in main.cf, in one step. Raises DiskError when postconf could not."""
    try:
        _postconf(directory, "-e", *(f"{name} = {value}" for name, value in values.items()))
    except Unavailable as error:
        raise DiskError(error.message, hint=error.hint) from error


def service_overrides(directory: Path, names: Sequence[str]) -> tuple[ServiceOverride, ...]:
    """Where master.cf overrides one of these settings; none when there is no master.cf."""
    if not (directory / "master.cf").is_file():
        return ()
    found = []
    for line in _postconf(directory, "-P").splitlines():
        place, _, value = line.partition("=")
        service, _, name = place.strip().rpartition("/")
        if name in names:
            found.append(ServiceOverride(service, name, value.strip()))
    return tuple(found)


def _postconf(directory: Path, *arguments: str) -> str:
    program = find_postconf()
    if program is None:
        raise Unavailable("postconf is not installed", hint="install Postfix: apt-get install postfix")
    ended = subprocess.run([program, "-c", str(directory), *arguments], capture_output=True, text=True, timeout=60)
    # postconf warns about unknown parameters with exit 0; an error ends with a line `postconf: fatal: …`
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("postconf: fatal: ")
        raise Unavailable(
            f"postconf failed in {directory}: {last}",
            hint=f"see what is wrong there: postconf -c {directory} -n; changing it needs root (sudo dkimctl …)",
        )
    return ended.stdout
