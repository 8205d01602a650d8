"""Processes of this machine, read from /proc: how a daemon was started, and which one listens at a socket.

What this user may not look into is left out, and nothing is raised.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dkimctl.errors import DiskError, Refused
from dkimctl.files import read_file
from dkimctl.opendkim.sockets import MilterSocket

_PROC = Path("/proc")
_COMM = 15
"""The characters that the kernel keeps of a process's name."""
_LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


OPENDKIM = "opendkim"
"""The name of opendkim's processes."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running process: its program, user and arguments."""

    pid: int
    parent: int
    name: str
    """As the kernel keeps it: at most 15 characters."""
    arguments: tuple[str, ...]
    """The command line; the first is the program."""
    is_here: bool
    """False in a container: the files that it reads are not those of this host."""

    @property
    def is_local_opendkim(self) -> bool:
        """Return True for an opendkim that reads the files of this host."""
        return self.name == OPENDKIM and self.is_here


def processes(name: str = "") -> Iterator[Process]:
    """Yield the processes of this name (of any name when empty) that can be looked at, those of containers included."""
    for pid in _pids():
        found = read_process(pid)
        if found is not None and (not name or found.name == name[:_COMM]):
            yield found


def read_process(pid: int) -> Process | None:
    """Return the process, or None when it has ended, has no command line, or cannot be looked at."""
    status = dict(line.partition(":\t")[::2] for line in _text(f"{pid}/status").splitlines())
    arguments = tuple(_text(f"{pid}/cmdline").rstrip("\0").split("\0"))
    if not (status.get("PPid", "").isdigit() and arguments[0]):
        return None
    name = status.get("Name", "").partition(":")[0]
    return Process(pid, int(status["PPid"]), name, arguments, _files(pid) == _files("self"))


def listener(socket: MilterSocket) -> Process | None:
    """Return the process that listens at a socket of this host; None when none does, or it is not visible from here."""
    wanted = {f"socket:[{inode}]" for inode in (_unix(socket.path) if socket.is_unix else _tcp(socket.port))}
    if not wanted:
        return None
    for pid in _pids():
        with suppress(OSError):
            directory = _PROC / str(pid) / "fd"
            if any(str((directory / number).readlink()) in wanted for number in os.listdir(directory)):
                return read_process(pid)
    return None


def _pids() -> list[int]:
    with suppress(OSError):
        return sorted(int(name) for name in os.listdir(_PROC) if name.isdigit())
    return []


def _text(name: str) -> str:
    with suppress(OSError, DiskError, Refused):
        return (read_file(_PROC / name) or b"").decode("utf-8", "surrogateescape")
    return ""


def _files(pid: int | str) -> tuple[tuple[int, int], ...]:
    """Return which `/` and `/etc` a process sees; those of this process for one that this user may not look into.

    Its mount namespace says less: systemd gives one of its own to a service, ours included, that may not write
    everywhere, and its files are those of this host.
    """
    try:
        root = _PROC / str(pid) / "root"
        seen = (os.stat(root), os.lstat(root / "etc"))
    except PermissionError:
        return _files("self") if pid != "self" else ()
    except OSError:  # its container is gone
        return ()
    return tuple((status.st_dev, status.st_ino) for status in seen)


def _unix(path: str) -> Iterator[str]:
    """Return the inodes of the listening sockets of this path."""
    for line in _text("net/unix").splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[7] == path:
            yield fields[6]


def _tcp(port: int) -> Iterator[str]:
    """Return the inodes of the sockets that listen at this port."""
    for table in ("net/tcp", "net/tcp6"):
        for line in _text(table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
