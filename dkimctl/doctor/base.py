"""What a check yields: a finding, and where it is safe to mend by itself, how."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dkimctl.doctor import commands
from dkimctl.errors import shell_word
from dkimctl.findings import Entry, Finding, Severity, finding
from dkimctl.host.world import World

MOST = 1_000
"""So many findings of one code are told one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change that cannot hurt: an owner, a mode, or lines that have no effect."""

    path: str
    """As the daemons see it (without `--root`)."""
    owner: str = ""
    """USER:GROUP; empty to leave it."""
    mode: int | None = None
    drop_lines: tuple[int, ...] = ()
    """Lines that the daemon never uses, from 1: they become comments, so that all others keep their numbers."""

    def commands(self, world: World) -> tuple[str, ...]:
        """What a person would type."""
        quoted = shell_word(world.shown(self.path))
        owner = (f"chown {commands.owner(world, self.owner)} {quoted}",) if self.owner else ()
        mode = (f"chmod {self.mode:04o} {quoted}",) if self.mode is not None else ()
        lines = (commands.silence(world, self.path, *self.drop_lines),) if self.drop_lines else ()
        return (*owner, *mode, *lines)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was noticed."""

    finding: Finding
    repair: Repair | None = None


Check = Callable[[World], Iterator[Diagnosis]]


def noticed(entry: Entry, subject: str, seen: str, fix: str | None = None) -> Diagnosis:
    """A finding that only a person can mend."""
    return Diagnosis(finding(entry, subject, seen, fix=fix))


def repairable(world: World, entry: Entry, seen: str, repair: Repair) -> Diagnosis:
    """A finding that `--fix` mends; the advice is the same in commands."""
    fix = " && ".join(repair.commands(world))
    return Diagnosis(finding(entry, repair.path, seen, fix=fix), repair)


def softened(diagnosis: Diagnosis, severity: Severity) -> Diagnosis:
    """The same, less severe, where a setting makes it so."""
    return replace(diagnosis, finding=replace(diagnosis.finding, severity=severity))
