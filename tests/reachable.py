"""This Python and these sources for every user: they may lie below a home directory that is closed to others."""

import shlex
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def closed_part(path: Path) -> Path | None:
    """The first directory on the way to `path` that others cannot pass; None when they get there."""
    return next((step for step in reversed(path.parents) if not step.stat().st_mode & 0o001), None)


def reachable_for_all() -> str:
    """Shell commands for a mount namespace of one's own: what Python needs is open there, and nothing beside it."""
    wanted = dict.fromkeys(path.resolve() for path in (Path(sys.prefix), Path(sys.base_prefix), REPOSITORY))
    closed = {path: part for path in wanted if (part := closed_part(path))}
    if not closed:
        return ":"
    aside = {path: f"/mnt/{number}" for number, path in enumerate(closed)}
    lines = ["set -e", "mount -t tmpfs none /mnt", f"mkdir {' '.join(aside.values())}"]
    lines += [f"mount --bind {shlex.quote(str(path))} {place}" for path, place in aside.items()]
    lines += [f"mount -t tmpfs -o mode=755 none {shlex.quote(str(part))}" for part in dict.fromkeys(closed.values())]
    for path, place in aside.items():
        there = shlex.quote(str(path))
        lines += [f"mkdir -p {there}", f"mount --bind {place} {there}"]
    return "\n".join([*lines, "umount /mnt/*", "umount /mnt"])
