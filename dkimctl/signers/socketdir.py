"""The directory of a Unix milter socket: set-group-id to Postfix, so that the socket gets Postfix's group.

So Postfix can connect, chrooted or not, and nobody has to join anybody's group: were postfix in the group opendkim, the
daemon would call every group-readable key insecure.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from posixpath import basename, dirname

from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.owners import find_daemon
from dkimctl.signers.rendered import RenderedDirectory, RenderedFile, fixed

POSTFIX_GROUP = "postfix"
_MODE = 0o2750


def socket_directory(settings: Settings) -> tuple[RenderedDirectory, ...]:
    """Return the socket's directory; none for a TCP socket. Raises UsageError when it holds other things as well."""
    socket = parse_socket(settings.signing.socket)
    if not socket.is_unix:
        return ()
    path = dirname(socket.path)
    user = settings.keys.owner.partition(":")[0]
    if _is_shared(settings, path, basename(socket.path)):
        raise UsageError(
            f"the socket needs a directory of its own, and {path} holds other things",
            hint="keep the default: local:/var/spool/postfix/opendkim/opendkim.sock",
        )
    return (RenderedDirectory(path, _MODE, f"{user}:{POSTFIX_GROUP}"),)


def _is_shared(settings: Settings, path: str, socket_name: str) -> bool:
    """Return whether the directory is not the daemon's and holds anything besides the socket."""
    place = settings.at(path)
    daemon = find_daemon(settings.keys.owner, settings.root)
    with suppress(OSError):  # not there, or not ours to look into: then it is not ours to change either
        if daemon is None or place.stat().st_uid != daemon.uid:
            return any(name != socket_name for name in os.listdir(place))
    return False


def tmpfiles(settings: Settings) -> Iterator[RenderedFile]:
    """Yield the file with which systemd-tmpfiles makes the directory at each boot (tmpfiles.d(5))."""
    for directory in socket_directory(settings):
        user, _, group = directory.owner.partition(":")
        line = f"# Written by dkimctl.\nd {directory.path} {directory.mode:o} {user} {group} - -\n".encode()
        yield RenderedFile(f"{settings.paths.tmpfiles_directory}/dkimctl.conf", fixed(line))
