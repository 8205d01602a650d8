"""Where the milter listens: opendkim's own spelling of it (`Socket`), and one type for every spelling."""

from dataclasses import dataclass

from dkimctl.errors import UsageError
from dkimctl.names import is_host, port_number, printable

LONGEST_PATH = 107
"""Of a Unix socket, in characters: sockaddr_un keeps one of its 108 bytes for the NUL."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "localhost.localdomain"})
"""Names of the one address at which opendkim listens for inet:PORT@localhost: ::1 is another (measured)."""


@dataclass(frozen=True, slots=True)
class MilterSocket:
    """A Unix socket (`path` set) or a TCP port (`port` set)."""

    path: str = ""
    """Absolute, as the daemon sees it; empty for TCP."""
    port: int = 0
    host: str = ""
    """A name or an address without brackets; empty means every address."""

    @property
    def is_unix(self) -> bool:
        """Return True for a Unix socket."""
        return bool(self.path)

    @property
    def endpoint(self) -> tuple[str, int]:
        """The identity of the socket; every name of 127.0.0.1 is the same."""
        if self.path:
            return self.path, 0
        return ("localhost" if self.host.lower() in _LOOPBACK else self.host.lower()), self.port

    def __str__(self) -> str:
        """In opendkim's spelling."""
        if self.path:
            return f"local:{self.path}"
        if ":" in self.host:
            return f"inet6:{self.port}@[{self.host}]"
        return f"inet:{self.port}@{self.host}" if self.host else f"inet:{self.port}"


def parse_socket(text: str) -> MilterSocket:
    """Return the socket in opendkim's spelling: `local:/PATH`, `unix:/PATH`, `/PATH`, `inet:PORT[@HOST]`, `inet6:…`.

    Raises UsageError when it is none of them.
    """
    kind, _, rest = text.partition(":")
    socket = None
    if text.startswith("/"):
        socket = MilterSocket(path=text)
    elif kind.lower() in ("local", "unix") and rest.startswith("/"):
        socket = MilterSocket(path=rest)
    elif kind.lower() in ("inet", "inet6"):
        port, at, host = rest.partition("@")
        host = host.strip("[]")
        # opendkim refuses `inet:8891@` and an IPv6 address without `inet6:`
        fits = is_host(host) and (kind.lower() == "inet6" or ":" not in host) if at else not host
        if port_number(port) and fits:
            socket = MilterSocket(port=port_number(port), host=host)
    if socket is None or any(c.isspace() for c in text) or len(socket.path) > LONGEST_PATH:
        raise UsageError(
            f"not a milter socket: {printable(text)}",
            hint="opendkim writes local:/PATH (at most 107 characters) or inet:PORT@HOST, as in inet:8891@localhost",
        )
    return socket
