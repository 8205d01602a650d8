"""What all UDP sockets of ours have in common: large buffers, and ids that cannot be guessed."""

import os
import socket
from collections.abc import Iterator

SOCKETS = 4
"""For each family or address: more ports to guess, more buffer for a burst of answers."""
_BUFFER = 1 << 20  # octets


def udp_socket(family: socket.AddressFamily) -> socket.socket:
    """Return a socket that does not block. Raises OSError where this machine lacks the family, or sockets run out."""
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return made


def random_identities() -> Iterator[bytes]:
    """Yield message ids, two octets each, from the kernel as `secrets` does, whose module takes 4 ms to load."""
    while True:
        pool = os.urandom(4096)
        for at in range(0, len(pool), 2):
            yield pool[at : at + 2]
