"""The milter connections that are open now, by the socket at which the daemon accepted them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dkimctl.opendkim.sockets import MilterSocket

_CONNECTED = "03"  # SS_CONNECTED in /proc/net/unix
_ESTABLISHED = "01"  # TCP_ESTABLISHED in /proc/net/tcp
_PROC = Path("/proc")


def open_connections(socket: MilterSocket) -> frozenset[str]:
    """Return a name for each connection that a daemon on this machine has accepted at this socket.

    The kernel does not use the name again before the machine is restarted: boot, and the inode of the connection.
    """
    boot = _read(_PROC / "sys/kernel/random/boot_id").strip()[:8]
    inodes = _unix(socket.path) if socket.path else _tcp(socket.port)
    return frozenset(f"{boot}:{inode}" for inode in inodes)


def _unix(path: str) -> Iterator[str]:
    # Num RefCount Protocol Flags Type St Inode Path: an accepted connection has the path of its listener
    for line in _read(_PROC / "net/unix").splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[5] == _CONNECTED and fields[7] == path:
            yield fields[6]


def _tcp(port: int) -> Iterator[str]:
    for name in ("net/tcp", "net/tcp6"):
        for line in _read(_PROC / name).splitlines()[1:]:
            fields = line.split()
            own = re.fullmatch(r"[0-9A-F]+:([0-9A-F]{4})", fields[1])
            if own and int(own[1], 16) == port and fields[3] == _ESTABLISHED:
                yield fields[9]


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="surrogateescape")
    return ""
