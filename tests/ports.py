"""Ports for the tests' servers: each is given once, and to one worker alone, so that nobody else takes it meanwhile."""

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

_FIRST, _END = 10_000, 30_000
_KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""What the kernel gives to connections, and to sockets that name no port: those come and go, so we stay below."""


def free_port_everywhere(*addresses: str) -> int:
    """A port that is free on all these addresses, for UDP and TCP."""
    return next(port for port in _ports if all(_is_free(address, port) for address in addresses))


def _own_ports() -> Iterator[int]:
    """Those of this worker of pytest-xdist, in random order: another run may go on beside this one."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(_FIRST + number % workers, min(_END, int(_KERNELS.read_text().split()[0])), workers))
    secrets.SystemRandom().shuffle(ports)
    return iter(ports)


_ports = _own_ports()


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
