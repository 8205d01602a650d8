"""Hooks: programs of the admin's, run around the rotations. One that fails is reported, and stops nothing.

    /etc/dkimctl/hooks/pre.d       before the first change of a domain's rotation
    /etc/dkimctl/hooks/deploy.d    after a switch that was proven
    /etc/dkimctl/hooks/post.d      once, at the end of a run that changed something

Every executable file of the directory runs, in the order of the names. What they need of the system is unknown, so
where systemd runs the machine each is a unit of its own, outside of the sandbox of dkimctl-rotate.service.
"""

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, disk_errors
from dkimctl.names import printable
from dkimctl.programs import can_start_units, changeable_at, environment, run_program

PLACE = "/etc/dkimctl/hooks"
PATIENCE = 300
"""Seconds for one hook."""
_SPARE = 30  # seconds in which systemd ends one that does not end by itself
_LEFT_BY_EDITORS = ("~", ".bak", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-tmp", ".rpmsave", ".rpmnew")


class Stage(StrEnum):
    """When a hook runs."""

    PRE = "pre"
    DEPLOY = "deploy"
    POST = "post"


class Occasion(NamedTuple):
    """What hooks are told, in DKIMCTL_DOMAIN and so on; what is not known is empty."""

    domain: str = ""
    """At the end of a run: every domain that it changed, with spaces between."""
    selector: str = ""
    old_selector: str = ""
    """The selector that signed until now."""
    phase: str = ""
    """Of the key with `selector`."""
    action: str = ""
    """What is done, or was done: `make`, `switch`, …."""


class HookResult(NamedTuple):
    """The end of one hook."""

    name: str
    """Directory and file, such as `deploy.d/10-copy`."""
    code: int | None
    """Its exit code; None when it did not run to its end."""
    said: str
    """Its last line, or why it did not run."""

    @property
    def problem(self) -> str:
        """What is to be reported; empty when it did its work."""
        if self.code == 0:
            return ""
        what = "did not run to its end" if self.code is None else f"ended with {self.code}"
        return f"the hook {self.name} {what}: {self.said}"


def run_hooks(settings: Settings, stage: Stage, occasion: Occasion, *, within: int = PATIENCE) -> list[HookResult]:
    """Run the hooks of a stage one after another, each at most `within` seconds; return how each of them ended.

    Programs of a tree below `--root` are not this machine's, so none of them is run.
    """
    if not settings.is_live:
        return []
    return run_directory(Path(PLACE) / f"{stage}.d", stage, occasion, within=within)


def run_directory(directory: Path, stage: Stage, occasion: Occasion, *, within: int = PATIENCE) -> list[HookResult]:
    """Run every executable file of a directory; a file that another user than root can change is refused."""
    try:
        return [_run(path, stage, occasion, within) for path in _executables(directory)]
    except DkimctlError as error:
        return [HookResult(directory.name, None, error.message)]


def _executables(directory: Path) -> Iterator[Path]:
    with disk_errors(f"read {directory}"):
        names = sorted(os.listdir(directory)) if directory.is_dir() else []
    for name in names:
        path = directory / name
        is_left_over = name.startswith(".") or name.endswith(_LEFT_BY_EDITORS)
        if not is_left_over and path.is_file() and os.access(path, os.X_OK):
            yield path


def _run(path: Path, stage: Stage, occasion: Occasion, within: int) -> HookResult:
    name = f"{path.parent.name}/{path.name}"
    if os.geteuid() == 0 and (node := changeable_at(path)):
        return HookResult(name, None, f"it is not run as root: others can change {node}")
    variables = {f"DKIMCTL_{key.upper()}": value for key, value in occasion._asdict().items()}
    command = _command(path, {**variables, "DKIMCTL_HOOK": stage.value}, within)
    begun = SYSTEM_CLOCK.monotonic()
    try:
        ended = run_program(*command, within=within + _SPARE)
    except DkimctlError as error:
        return HookResult(name, None, error.message)
    if ended.code and SYSTEM_CLOCK.monotonic() - begun >= within:
        return HookResult(name, None, f"it took longer than {within} s and was ended")
    lines = (ended.err.strip() or ended.out.strip()).splitlines()
    return HookResult(name, ended.code, printable(lines[-1], 200) if lines else "it said nothing")


def _command(path: Path, variables: Mapping[str, str], within: int) -> list[str]:
    """Return the program and arguments that run a hook with these variables and no others of ours."""
    if not can_start_units():
        return ["timeout", str(within), "env", *(f"{name}={value}" for name, value in variables.items()), str(path)]
    return [
        "systemd-run",
        *("--quiet", "--wait", "--collect", "--pipe", f"--description=dkimctl hook {path.parent.name}/{path.name}"),
        *("--property=WorkingDirectory=/", f"--property=RuntimeMaxSec={within}"),
        *(f"--setenv={name}={value}" for name, value in {**environment(), **variables}.items()),
        *("--", str(path)),
    ]
