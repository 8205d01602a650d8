"""Where questions go: addresses with ports, from the settings or from the system's resolv.conf."""

import ipaddress
import re
import socket
from pathlib import Path
from typing import NamedTuple

from dkimctl.config.settings import Lookup
from dkimctl.errors import UsageError, disk_errors
from dkimctl.names import printable

RESOLV_CONF = Path("/etc/resolv.conf")
DNS_PORT = 53
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::([0-9]{1,5}))?|([^:]*):([0-9]{1,5})")


class Endpoint(NamedTuple):
    """One address of one server, and the port."""

    address: str
    """IPv4 or IPv6 in its canonical form; `%zone` is kept."""
    port: int = DNS_PORT

    @property
    def family(self) -> socket.AddressFamily:
        """`AF_INET` or `AF_INET6`."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def __str__(self) -> str:
        if self.port == DNS_PORT:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint written as `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1` or `[2001:db8::1]:53`. Raises UsageError."""
    match = _WITH_PORT.fullmatch(text.strip())
    host = (match[1] or match[3]) if match else text.strip()
    port = int((match and (match[2] or match[4])) or DNS_PORT)
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise _not_an_endpoint(text) from error
    if not 0 < port < 65536:
        raise _not_an_endpoint(text)
    return Endpoint(str(address), port)


def _not_an_endpoint(text: str) -> UsageError:
    return UsageError(
        f"not the address of a name server: {printable(text)}",
        hint="write an IP address, with a port where it is not 53: 9.9.9.9, 127.0.0.1:5353, [::1]:5353",
    )


def resolvers(lookup: Lookup) -> tuple[Endpoint, ...]:
    """The resolvers to ask: those of the settings, else the system's, else the one on this machine (resolv.conf(5))."""
    if lookup.nameservers:
        return tuple(dict.fromkeys(parse_endpoint(text) for text in lookup.nameservers))
    return system_resolvers(RESOLV_CONF) or (Endpoint("127.0.0.1"),)


def system_resolvers(path: Path) -> tuple[Endpoint, ...]:
    """The `nameserver` lines of a resolv.conf; lines that hold no address are passed over, as libc does."""
    with disk_errors(f"read {path}"):
        text = path.read_text("utf-8", "replace") if path.exists() else ""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                found.append(Endpoint(str(ipaddress.ip_address(words[1]))))
            except ValueError:
                continue
    return tuple(dict.fromkeys(found))
