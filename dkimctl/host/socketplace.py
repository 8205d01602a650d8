"""The milter socket between the daemon and Postfix, as each of them sees it."""

import os
import stat
from dataclasses import dataclass

from dkimctl.errors import UsageError
from dkimctl.host.accounts import Account
from dkimctl.host.installation import Installation
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.postfix.milters import milter_socket

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  addresses in a daemon's configuration, not of a socket of ours
SYSTEMD_UMASK = 0o022


def effective_socket(daemon: Installation) -> MilterSocket | None:
    """Return the socket where the daemon listens, from the command line or the file; None when there is none."""
    setting = daemon.find("Socket")
    try:
        return parse_socket(setting.value) if setting else None
    except UsageError:
        return None


def leads_to(milter: str, socket: MilterSocket, queue: str) -> bool:
    """Return whether this entry of a milter list is the daemon at `socket`."""
    there = milter_socket(milter, queue)
    if there is None:
        return False
    if there.is_unix or socket.is_unix:
        # a chrooted Postfix names paths relative to the queue directory
        return socket.is_unix and there.path in (socket.path, socket.path.removeprefix(queue))
    if socket.host in EVERYWHERE:
        return there.port == socket.port
    return there.endpoint == socket.endpoint


@dataclass(frozen=True, slots=True)
class Denial:
    """A node of a socket's path that a user may not pass."""

    node: str
    mode: int
    owner: str
    """USER:GROUP."""


def may_connect(world: World, socket: MilterSocket, client: Account, daemon: Account) -> Denial | None:
    """Return the node whose mode prevents a connection, or None; for the socket, its mode once the daemon runs.

    Raises OSError when a directory cannot be looked at.
    """
    parts = socket.path.split("/")[1:-1]
    for count in range(len(parts) + 1):
        place = "/" + "/".join(parts[:count])
        status = os.stat(world.shown(place))
        if not client.may(0o1, status.st_mode, status.st_uid, status.st_gid):
            return _denial(world, place, status.st_mode, status.st_uid, status.st_gid)
    mode, gid = predicted(world, socket, daemon)
    if client.may(0o2, mode, daemon.uid, gid):
        return None
    return _denial(world, socket.path, mode, daemon.uid, gid)


def predicted(world: World, socket: MilterSocket, daemon: Account) -> tuple[int, int]:
    """Return mode and group of the socket that the daemon will create. Raises OSError."""
    directory = os.stat(world.shown(os.path.dirname(socket.path)))
    mask = world.opendkim.number("UMask", SYSTEMD_UMASK)
    named = world.accounts.group(world.opendkim.group) if world.opendkim.group else None
    own = named.gid if named else daemon.gid
    return 0o777 & ~mask, directory.st_gid if directory.st_mode & stat.S_ISGID else own


def _denial(world: World, node: str, mode: int, uid: int, gid: int) -> Denial:
    owner = f"{world.accounts.user_name(uid)}:{world.accounts.group_name(gid)}"
    return Denial(node, stat.S_IMODE(mode), owner)
