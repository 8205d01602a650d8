"""The result of a check: a finding, with a repair where one is safe to apply automatically."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from dkimctl.doctor import commands
from dkimctl.errors import shell_word
from dkimctl.files.folder_reader import is_ours
from dkimctl.findings import Entry, Finding, Severity, finding
from dkimctl.host.world import World

MAX_PER_CODE = 1_000
"""Findings of one code that are reported one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A safe change: an owner, a mode, or lines without effect."""

    path: str
    """As the daemons see it (without `--root`)."""
    owner: str = ""
    """USER:GROUP; empty to leave it."""
    mode: int | None = None
    drop_lines: tuple[int, ...] = ()
    """Lines that the daemon never uses, from 1: they are commented out, so that the others keep their numbers."""

    def commands(self, world: World) -> tuple[str, ...]:
        """Return the shell commands for this repair."""
        quoted = shell_word(world.shown(self.path))
        owner = (f"chown -h {shell_word(commands.owner(world, self.owner))} {quoted}",) if self.owner else ()
        mode = (f"chmod {self.mode:04o} {quoted}",) if self.mode is not None else ()
        lines = (commands.comment_out(world, self.path, *self.drop_lines),) if self.drop_lines else ()
        return (*owner, *mode, *lines)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A finding, with a repair where `--fix` can apply one."""

    finding: Finding
    repair: Repair | None = None


Check = Callable[[World], Iterator[Diagnosis]]


def diagnosis(entry: Entry, subject: str, seen: str, fix: str | None = None) -> Diagnosis:
    """Return a finding that `--fix` cannot repair."""
    return Diagnosis(finding(entry, subject, seen, fix=fix))


def with_repair(world: World, entry: Entry, seen: str, repair: Repair) -> Diagnosis:
    """Return a finding that `--fix` repairs; its advice is the same repair as commands.

    Of a name that leads to a file elsewhere, and that others than root can have made, neither: as root they would give
    that file away, which may be a key of another daemon.
    """
    shown = world.shown(repair.path)
    if _may_be_planted(shown):
        fix = (
            f"ls -l {shell_word(shown)}  # a link, or one of several names: check whose file it is before you change it"
        )
        return diagnosis(entry, repair.path, seen, fix)
    fix = " && ".join(repair.commands(world))
    return Diagnosis(finding(entry, repair.path, seen, fix=fix), repair)


def _may_be_planted(path: str) -> bool:
    with suppress(OSError):
        status = os.lstat(path)
        is_elsewhere = stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1)
        return is_elsewhere and not is_ours(os.stat(os.path.dirname(path)))
    return False


def with_severity(diagnosis: Diagnosis, severity: Severity) -> Diagnosis:
    """Return the diagnosis with another severity."""
    return replace(diagnosis, finding=replace(diagnosis.finding, severity=severity))
