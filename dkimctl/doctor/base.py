"""The result of a check: a finding, with a repair where one is safe to apply automatically."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dkimctl.doctor import commands
from dkimctl.errors import shell_word
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
        owner = (f"chown {shell_word(commands.owner(world, self.owner))} {quoted}",) if self.owner else ()
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
    """Return a finding that `--fix` repairs; its advice is the same repair as commands."""
    fix = " && ".join(repair.commands(world))
    return Diagnosis(finding(entry, repair.path, seen, fix=fix), repair)


def with_severity(diagnosis: Diagnosis, severity: Severity) -> Diagnosis:
    """Return the diagnosis with another severity."""
    return replace(diagnosis, finding=replace(diagnosis.finding, severity=severity))
