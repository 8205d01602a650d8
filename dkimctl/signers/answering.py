"""Does a milter answer at a socket."""

from dkimctl.errors import Unavailable
from dkimctl.milter.client import greet
from dkimctl.opendkim.sockets import parse_socket


def is_answering(socket: str) -> bool:
    """Return True when a milter at this socket (in opendkim's spelling) answers."""
    try:
        greet(parse_socket(socket))
    except Unavailable:
        return False
    return True
