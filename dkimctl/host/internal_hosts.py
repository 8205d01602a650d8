"""Whether a client is internal: opendkim's search of a host list (`dkimf_checkhost`, `dkimf_checkip`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_INET6, inet_ntop

from dkimctl.host.datasets import DataSet
from dkimctl.opendkim.tables import Patterns, Row

Find = Callable[[str], Row | None]


@dataclass(frozen=True, slots=True)
class Fit:
    """The entry that decided."""

    row: Row
    negated: bool
    """True for an entry with `!`, which ends the search: the client is not internal."""


class HostList:
    """A host list as the daemon searches it; build it once for many clients."""

    def __init__(self, data_set: DataSet) -> None:
        self.data_set = data_set
        self._find = finder(data_set)

    def fit(self, address: str, name: str = "") -> Fit | None:
        """Return the entry that makes the client internal, or the `!` entry that excludes it; None without a match."""
        excluded = None
        for questions in (_host_questions(name), _address_questions(address)):
            found = next(filter(None, map(self._ask, questions)), None)
            if found and not found.negated:
                return found
            excluded = excluded or found
        return excluded

    def has(self, address: str, name: str = "") -> bool:
        """Return whether the client is internal."""
        found = self.fit(address, name)
        return found is not None and not found.negated

    def _ask(self, question: str) -> Fit | None:
        row = self._find(f"!{question}")
        if row is not None:
            return Fit(row, negated=True)
        row = self._find(question)
        return Fit(row, negated=False) if row is not None else None


def finder(data_set: DataSet) -> Find:
    """Looks up a name as the daemon does: by patterns in their order, or by exact names, ignoring case."""
    if data_set.patterns:
        return Patterns(tuple(data_set.rows)).first
    exact: dict[str, Row] = {}
    for row in data_set.rows:
        exact.setdefault(row.key.lower(), row)
    return lambda text: exact.get(text.lower())


def _host_questions(name: str) -> Iterator[str]:
    while name:
        yield name
        position = name.find(".", 1)
        name = name[position:] if position > 0 else ""


def _address_questions(address: str) -> Iterator[str]:
    if not address:
        return
    ip = ip_address(address)
    yield _written(ip)
    yield f"[{_written(ip)}]"
    for bits in range(ip.max_prefixlen, -1, -1):
        mask = ((1 << bits) - 1) << (ip.max_prefixlen - bits)
        first = _written(type(ip)(int(ip) & mask))
        yield f"{first}/{bits}"
        yield f"[{first}]/{bits}"


def _written(ip: IPv4Address | IPv6Address) -> str:
    return inet_ntop(AF_INET6, ip.packed) if ip.version == 6 else str(ip)
