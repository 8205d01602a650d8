"""Features of the installed opendkim that 2.11 beta 2, the version of Debian 12, lacks."""

from functools import cache

from dkimctl.errors import Unavailable
from dkimctl.host.world import World
from dkimctl.programs import run_program

_ALGORITHMS = (":rsa-sha256", ":ed25519-sha256")
"""The fourth field of a KeyTable row, which a newer opendkim reads as the key's own algorithm."""


@cache
def is_known_here(name: str) -> bool:
    """Return whether the installed opendkim knows the parameter: it exits 65 for an unknown one."""
    try:
        return run_program("opendkim", "-x", "/dev/null", "-e", name).code in (0, 78)
    except Unavailable:
        return False


def has_algorithm(path: str) -> bool:
    """Return True when a KeyTable row has a fourth field, after the path."""
    return path.endswith(_ALGORITHMS)


def split_algorithm(path: str) -> tuple[str, str]:
    """Return the path and the algorithm of the fourth field; empty when there is none."""
    found = next((algorithm for algorithm in _ALGORITHMS if path.endswith(algorithm)), "")
    return path.removesuffix(found), found.removeprefix(":")


def as_read_here(world: World, path: str) -> tuple[str, str]:
    """Return path and algorithm as this host's opendkim reads them: 2.11 reads the fourth field as part of the path."""
    if has_algorithm(path) and world.is_live and is_known_here("CheckSigningTable"):
        return split_algorithm(path)
    return path, ""
