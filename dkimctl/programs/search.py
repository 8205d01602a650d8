"""Where programs are looked for.

What root runs must come from where only root can put it: PATH may begin with another user's directory (a user's
~/bin kept by `sudo -E` or `su`, a build's scratch directory), and whatever lies there would run as root. So root gets
the system's directories, and others only from a configuration that nobody but root can change. An ordinary user's own
PATH comes first: they can run whatever they like anyway, and gain nothing by it.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_MOST_LINKS = 40  # as the kernel

_configured: tuple[str, ...] = ()


def configure(directories: Sequence[str]) -> None:
    """Look in these directories first, for all that this process runs from now on (`[paths] programs`)."""
    global _configured
    _configured = tuple(directories)


def search_path() -> tuple[str, ...]:
    """Return the directories in which programs are looked for, in order; a child gets them as its PATH."""
    if os.geteuid() == 0:
        return tuple(place for place in (*_configured, *SYSTEM) if not changeable_at(place))
    own = (place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if place.startswith("/"))
    return tuple(dict.fromkeys((*_configured, *own, *SYSTEM)))


def find_program(name: str) -> str | None:
    """Return the path of the program, or None. A name that begins with a slash is a path already.

    For root a program counts only where nobody else can change it.
    """
    is_root = os.geteuid() == 0
    return next((path for path in _candidates(name, search_path()) if not (is_root and changeable_at(path))), None)


def changeable_program(name: str) -> tuple[str, str] | None:
    """Return a program that root does not run, and the file or directory that others can change; None without one."""
    for path in _candidates(name, (*_configured, *SYSTEM)):
        if os.geteuid() == 0 and (node := changeable_at(path)):
            return path, node
    return None


def changeable_source(path: Path | None) -> str:
    """Return what others can change of a file that names programs; "" when there is nothing, or we are not root."""
    return changeable_at(path) if path is not None and os.geteuid() == 0 else ""


def _candidates(name: str, places: Sequence[str]) -> Iterator[str]:
    if "/" in name and not name.startswith("/"):
        return  # where that is depends on the working directory
    for path in [name] if "/" in name else [f"{place}/{name}" for place in places]:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield path


def changeable_at(path: str | Path) -> str:
    """Return the first node on the way to `path` that another user than root can change, "" when there is none.

    Links are followed, and each must be root's as well. A directory with the sticky bit may be writable by others when
    what is looked for in it is root's: they cannot replace it. A missing node counts as changeable.
    """
    done, links = "/", 0
    waiting = _parts(os.path.join(os.getcwd(), path))
    if _is_changeable(os.lstat(done), is_last=not waiting):
        return done
    while waiting:
        node = os.path.join(done, waiting.pop())
        try:
            status = os.lstat(node)
            target = str(Path(node).readlink()) if stat.S_ISLNK(status.st_mode) else ""
        except OSError:
            return node
        links += bool(target)
        if links > _MOST_LINKS or _is_changeable(status, is_last=not waiting and not target):
            return node
        if target:
            waiting += _parts(target)  # not normalised: `..` counts from where the link leads
            done = "/" if target.startswith("/") else done
        else:
            done = os.path.dirname(done) if os.path.basename(node) == ".." else node
    return ""


def _parts(path: str) -> list[str]:
    """Return the parts of a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _is_changeable(status: os.stat_result, *, is_last: bool) -> bool:
    if status.st_uid != 0:
        return True
    if stat.S_ISLNK(status.st_mode) or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return False
    return is_last or not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX)
