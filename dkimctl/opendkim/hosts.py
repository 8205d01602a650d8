"""Host lists such as TrustedHosts (InternalHosts): the entries as the daemon compares them.

opendkim compares text with text (`dkimf_checkhost`, `dkimf_checkip`): an address in the form that inet_ntop(3) gives,
a network as that form of its first address and a number of bits, a host by its name, a domain as `.example.com`. In
any other spelling an entry never fits, without a word in the log.
"""

import re
from contextlib import suppress
from ipaddress import ip_address, ip_network
from socket import AF_INET6, inet_ntop

from dkimctl.errors import UsageError
from dkimctl.names import is_host, printable

LOOPBACK = ("127.0.0.1", "::1")
_NAME = re.compile(r"\.?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?")


def canonical_host(text: str) -> str:
    """Return the entry as the daemon compares it: an address, a network, a host name or `.domain`; `!` negates.

    Raises UsageError when it is none of them.
    """
    negated, rest = ("!", text[1:]) if text.startswith("!") else ("", text)
    return negated + (_address(rest) or _name(rest, text))


def _address(text: str) -> str:
    bare = text.replace("[", "").replace("]", "")
    try:
        if "/" not in bare:
            return _written(ip_address(bare).packed)
        network = ip_network(bare, strict=False)
    except ValueError:
        return ""
    return f"{_written(network.network_address.packed)}/{network.prefixlen}"


def _written(packed: bytes) -> str:
    # inet_ntop is what the daemon uses: Python's own form differs for addresses such as ::ffff:192.0.2.1
    return inet_ntop(AF_INET6, packed) if len(packed) == 16 else ".".join(map(str, packed))


def _name(text: str, shown: str) -> str:
    name = text.lower()
    if not _NAME.fullmatch(name) or not is_host(name.removeprefix(".")) or name.replace(".", "").isdigit():
        raise UsageError(
            f"not an address, network or host: {printable(shown)}",
            hint="use 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, mail.example.com, or .example.com for all hosts below it",
        )
    return name


def host_problem(entry: str) -> str:
    """Return why an entry of a `file:` host list never matches, with the right spelling; empty when it is right."""
    try:
        canonical = canonical_host(entry)
    except UsageError:
        return "is not an address, a network, a host name or a .domain"
    return "" if canonical == _unbracketed(entry) else f"never matches in this spelling; write {canonical}"


def _unbracketed(entry: str) -> str:
    return entry.lower().replace("[", "").replace("]", "")


def usable_hosts(value: str) -> list[str]:
    """Return the items of an inline host list as opendkim compares them, without those that it can never use.

    Items may be separated by commas, as opendkim wants them, or by blanks, as people write them.
    """
    found = []
    for item in value.removeprefix("csl:").replace(",", " ").split():
        mark = "!" if item.startswith("!") else ""
        with suppress(UsageError):
            found.append(mark + canonical_host(item.removeprefix("!")))
    return found


def is_everybody(entry: str) -> bool:
    """Return True for the network of every IPv4 or of every IPv6 address."""
    return entry in ("0.0.0.0/0", "::/0")
