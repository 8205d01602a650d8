"""Lists of milters in main.cf: parsed, changed, and one milter in Postfix's spelling.

Postfix writes `unix:PATH` with a path relative to its queue directory (so that it holds inside the chroot) and
`inet:HOST:PORT`; a milter with settings of its own is in braces: `{ inet:localhost:8891, default_action=accept }`.
"""

from collections.abc import Callable, Iterable

from dkimctl.names import is_host, port_number
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.lists import list_items

_SEPARATORS = " \t\n,"


def split_milters(value: str) -> tuple[str, ...]:
    """Return the milters of a list, verbatim: separated by commas and blanks, except inside braces."""
    found: list[str] = []
    current, depth = "", 0
    for character in value:
        if character in _SEPARATORS and depth == 0:
            found.append(current)
            current = ""
            continue
        depth += {"{": 1, "}": -1}.get(character, 0)
        current += character
    return tuple(milter for milter in [*found, current] if milter)


def milter_socket(milter: str, queue_directory: str) -> MilterSocket | None:
    """Return the socket of one milter, or None when it is a macro or nothing that Postfix can connect to."""
    address = list_items(milter.strip("{} \t"))[:1] if milter.startswith("{") else [milter]
    kind, _, rest = (address[0] if address else "").partition(":")
    if kind in ("unix", "local") and rest:
        # a chrooted and an unchrooted smtpd both understand a path without the queue directory in front
        return MilterSocket(path=rest if rest.startswith("/") else f"{queue_directory}/{rest}")
    host, _, port = rest.rpartition(":")
    if kind in ("inet", "inet6") and port_number(port) and is_host(host.strip("[]")):
        return MilterSocket(port=port_number(port), host=host.strip("[]"))
    return None


def postfix_spelling(socket: MilterSocket, queue_directory: str) -> str:
    """Return the milter as main.cf names it.

    Loopback is written as an address: inside the chroot `localhost` cannot be resolved without an etc/hosts there.
    """
    if socket.is_unix:
        return "unix:" + socket.path.removeprefix(queue_directory.rstrip("/") + "/")
    host, port = socket.endpoint
    host = "127.0.0.1" if host == "localhost" else socket.host or "127.0.0.1"
    return f"inet:[{host}]:{port}" if ":" in host else f"inet:{host}:{port}"


def with_milter_last(
    existing: str, ours: str, is_ours: Callable[[str], bool], macro: Callable[[str], str] = str
) -> str:
    """Return `existing` with our milter last and nowhere else.

    `is_ours` knows every spelling of ours, old ones too; `macro` expands a `$name`. A milter of ours with settings in
    braces keeps them when it is the right one. The value is returned verbatim when there is nothing to change.
    """
    milters = split_milters(existing)
    mine = [m for m in milters if _all_ours(macro(m), is_ours)]
    same = next((m for m in mine if m.startswith("{") and _address(m) == ours), ours)
    wanted = [*(m for m in milters if m not in mine), same]
    return existing if wanted == list(milters) else ", ".join(wanted)


def _all_ours(expanded: str, is_ours: Callable[[str], bool]) -> bool:
    milters = split_milters(expanded)
    return bool(milters) and all(is_ours(milter) for milter in milters)


def _address(milter: str) -> str:
    return next(iter(split_milters(milter.strip("{}"))), "")


def names_opendkim(milter: str, queue_directory: str, sockets: Iterable[MilterSocket]) -> bool:
    """Return True when a milter is opendkim: at one of these sockets, or at the usual place of howtos."""
    socket = milter_socket(milter, queue_directory)
    if socket is None:
        return False
    usual = socket.endpoint in (("localhost", 8891), ("::1", 8891)) or socket.path.rpartition("/")[2] == "opendkim.sock"
    return usual or any(_same(socket, other, queue_directory) for other in sockets)


def _same(one: MilterSocket, other: MilterSocket, queue_directory: str) -> bool:
    if one.is_unix and other.is_unix:
        return one.path.removeprefix(queue_directory) == other.path.removeprefix(queue_directory)
    return one.endpoint == other.endpoint
