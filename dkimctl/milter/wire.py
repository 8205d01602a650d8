"""The connection to a milter: packets in, packets out."""

import socket as sockets
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dkimctl.errors import Unavailable, reason
from dkimctl.opendkim.sockets import MilterSocket

_MOST_WAITING = 1 << 16  # octets
_LARGEST = 1 << 20  # octets; more in one packet is another protocol


class NothingListens(Unavailable):
    """Nothing answers at the socket: no daemon runs, or it runs with another socket."""


@dataclass(slots=True)
class Wire:
    """An open connection; every wait ends at the deadline."""

    socket: str
    connection: sockets.socket
    deadline: float
    """On the machine's monotonic clock: sockets know no other."""
    _waiting: bytearray = field(default_factory=bytearray)
    """Packets that were not sent yet."""
    _received: bytearray = field(default_factory=bytearray)

    def send(self, command: bytes, data: bytes) -> None:
        """Send one packet, with those after it: nothing needs to leave before an answer is awaited."""
        self._waiting += struct.pack("!I", len(data) + 1) + command + data
        if len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Have everything sent."""
        if self._waiting:
            with self._patience():
                self.connection.sendall(self._waiting)
            self._waiting.clear()

    def receive(self) -> tuple[bytes, bytes]:
        """The next packet: its command byte and its data."""
        self.flush()
        (length,) = struct.unpack("!I", self._octets(4))
        if not 0 < length <= _LARGEST:
            raise Unavailable(f"{self.socket} does not speak the milter protocol", hint="is this opendkim's Socket?")
        packet = self._octets(length)
        return packet[:1], packet[1:]

    def _octets(self, count: int) -> bytes:
        while len(self._received) < count:
            with self._patience():
                part = self.connection.recv(_MOST_WAITING)
            if not part:
                raise Unavailable(
                    f"the daemon at {self.socket} closed the connection in the middle of a message",
                    hint="it may have crashed; see its log, and sudo dkimctl doctor",
                )
            self._received += part
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    @contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            self.connection.settimeout(max(self.deadline - time.monotonic(), 0.001))
            yield
        except OSError as error:
            what = "no answer in time" if isinstance(error, TimeoutError) else reason(error)
            raise Unavailable(f"talking to the daemon at {self.socket} failed: {what}", hint=_LOG) from error


_LOG = "see its log, and sudo dkimctl doctor"


@contextmanager
def connect(socket: MilterSocket, timeout: float) -> Iterator[Wire]:
    """A connection to the daemon. Raises NothingListens. `timeout`: seconds for everything together."""
    deadline = time.monotonic() + timeout
    try:
        connection = _open(socket, timeout)
    except OSError as error:
        refused = isinstance(error, PermissionError)
        hint = "run it as root (sudo dkimctl …)" if refused else "see why, and how to start it: sudo dkimctl doctor"
        raise NothingListens(f"no daemon answers at {socket}: {reason(error)}", hint=hint) from error
    with connection:
        yield Wire(str(socket), connection, deadline)


def _open(socket: MilterSocket, timeout: float) -> sockets.socket:
    if not socket.is_unix:
        return sockets.create_connection((socket.host or "localhost", socket.port), timeout)
    connection = sockets.socket(sockets.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(socket.path)
    except OSError:
        connection.close()
        raise
    return connection
