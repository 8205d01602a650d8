"""Asking the resolvers: where a zone begins, which servers are authoritative for it, and what caches hold."""

from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.extended_errors import in_words
from dkimctl.dns.message import Message, Rcode, Type
from dkimctl.dns.questions import Failure, Question, Reply, Shared, Trouble, ask
from dkimctl.names import is_within

_TELLING = (Rcode.NOERROR, Rcode.NXDOMAIN)


class Security(StrEnum):
    """The resolver's verdict about DNSSEC (RFC 4035 §4.3)."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    UNKNOWN = "unknown"
    """The resolver does not resolve, such as an authoritative server asked in its place."""


class NameServer(NamedTuple):
    """One authoritative server of a zone, with every address it has."""

    name: str
    endpoints: tuple[Endpoint, ...]
    """Empty when its name has no address."""


class Zone(NamedTuple):
    """A zone, as the resolvers describe it."""

    name: str
    """Lower-case, without final dot; empty for the root."""
    servers: tuple[NameServer, ...]
    security: Security
    bogus: str = ""
    """What the resolver says when it is bogus."""
    own_copy: str = ""
    """The resolver that has the zone itself, and does not ask its servers: others may see another copy."""


class _Cut(NamedTuple):
    """The start of a zone, with what came in the same reply."""

    zone: str
    security: Security
    bogus: str


class NoZone(NamedTuple):
    """The reason for which no zone was found."""

    why: str
    is_failing: bool = False
    """True when the resolver answers SERVFAIL or not in time: the zone's servers may be the cause."""


class Resolution:
    """Cached answers of the resolvers; every answer is asked for once in the life of this object."""

    def __init__(self, resolvers: tuple[Endpoint, ...], port: int, *, are_chosen: bool = False) -> None:
        """`port`: the one at which authoritative servers are asked. `are_chosen`: the user named these resolvers."""
        self.resolvers = resolvers
        self.are_chosen = are_chosen
        self._order = list(resolvers)  # those that gave no answer or refused come last
        self._port = port
        self._cuts: Shared[_Cut | NoZone] = Shared()
        self._zones: Shared[Zone | NoZone] = Shared()
        self._hosts: Shared[tuple[Endpoint, ...]] = Shared()

    @property
    def preferred(self) -> Endpoint:
        """The resolver that is asked first: as far as is known, one that answers."""
        return self._order[0]

    async def zone_of(self, name: str) -> Zone | NoZone:
        """The zone that holds `name`, with its servers."""
        cut = await self._cut(name)
        if isinstance(cut, NoZone):
            return cut
        zone = await self._zones.get(cut.zone, lambda: self._find_servers(cut.zone))
        return zone if isinstance(zone, NoZone) else zone._replace(security=cut.security, bogus=cut.bogus)

    async def addresses_of(self, host: str) -> tuple[Endpoint, ...]:
        """Return where a name server is asked: each address of its name; none when it has none."""
        return await self._hosts.get(host, partial(self._find_host, host))

    async def _cut(self, name: str) -> _Cut | NoZone:
        return await self._cuts.get(name, lambda: self._find_cut(name))

    def known_zone(self, name: str) -> Zone | None:
        """Return the zone that begins at `name`, if that is known already; its `security` is not."""
        zone = self._zones.known(name)
        return zone if isinstance(zone, Zone) else None

    async def ask_any(self, name: str, kind: int) -> Reply:
        """The first resolver's answer that says something; failing that, the last one's failure.

        When all fail, they are asked once more without validation: an answer then means that the zone is bogus.
        """
        reply = await self._ask_each(name, kind, checking_disabled=False)
        if isinstance(reply, Message) and reply.rcode == Rcode.SERVFAIL:
            unchecked = await self._ask_each(name, kind, checking_disabled=True)
            if isinstance(unchecked, Message) and unchecked.rcode in _TELLING:
                return unchecked._replace(
                    bogus=f"the resolver answers SERVFAIL{in_words(reply.errors)}, and without validation it answers",
                )
        return reply

    async def _ask_each(self, name: str, kind: int, *, checking_disabled: bool) -> Reply:
        reply: Reply | None = None
        for endpoint in tuple(self._order):
            [reply] = await ask(Question(endpoint, name, kind, True, checking_disabled))
            is_of_no_use = isinstance(reply, Failure) or reply.rcode == Rcode.REFUSED
            if is_of_no_use and self._order[0] == endpoint:
                self._order.append(self._order.pop(0))
            if isinstance(reply, Message) and reply.rcode in _TELLING:
                return reply
        assert reply is not None
        return reply

    async def _find_cut(self, name: str) -> _Cut | NoZone:
        """Find the SOA that covers a name: in the answer or, where the name is not an apex, in the authority section.

        RFC 2308 §2. A CNAME at the name leads elsewhere, and some resolvers leave the section out: then its parent is
        asked, which is in the same zone, since a zone's apex cannot be a CNAME.
        """
        reply = await self.ask_any(name, Type.SOA)
        if not isinstance(reply, Message):
            why = f"the resolver ({self._shown()}) gives nothing for {name}: {reply}"
            return NoZone(why, is_failing=reply.trouble is Trouble.TIMEOUT)
        if reply.rcode not in _TELLING:
            why = f"the resolver ({self._shown()}) answers {reply.rcode_name} for {name}{in_words(reply.errors)}"
            return NoZone(why, is_failing=reply.rcode == Rcode.SERVFAIL)
        is_alias = any(r.type == Type.CNAME for r in reply.answers)
        found = [r.name for r in (*reply.answers, *reply.authority) if r.type == Type.SOA]
        if found and not is_alias and (is_within(name, found[0]) or not found[0]):
            return _Cut(found[0], _security(reply), reply.bogus)
        parent = name.partition(".")[2]
        if not parent:
            return NoZone(f"the resolver ({self._shown()}) names no zone for {name}")
        return await self._cuts.get(parent, lambda: self._find_cut(parent))

    async def _find_servers(self, zone: str) -> Zone | NoZone:
        reply = await self.ask_any(zone, Type.NS)
        if not isinstance(reply, Message):
            return NoZone(f"the resolver ({self._shown()}) does not name the servers of {zone}: {reply}")
        names = sorted({str(r.data) for r in reply.answers if r.type == Type.NS and r.name == zone})
        if not names:
            return NoZone(f"the resolver ({self._shown()}) names no server of {zone} ({reply.rcode_name})")
        servers = [NameServer(name, await self.addresses_of(name)) for name in names]
        own_copy = str(self.preferred) if reply.authoritative and reply.recursion else ""
        return Zone(zone, tuple(servers), Security.UNKNOWN, own_copy=own_copy)

    async def _find_host(self, host: str) -> tuple[Endpoint, ...]:
        addresses: list[str] = []
        for endpoint in tuple(self._order):
            # unchecked: a bogus zone's servers are asked all the same, so that the report can say what they serve
            replies = await ask(*(Question(endpoint, host, kind, True, True) for kind in (Type.A, Type.AAAA)))
            answers = [r for reply in replies if isinstance(reply, Message) for r in reply.answers]
            addresses = [str(r.data) for r in answers if r.type in (Type.A, Type.AAAA)]
            if addresses:
                break
        return self.endpoints(addresses)

    def endpoints(self, addresses: Iterable[str]) -> tuple[Endpoint, ...]:
        """Return where authoritative servers at these addresses are asked."""
        return tuple(Endpoint(address, self._port) for address in dict.fromkeys(addresses))

    def _shown(self) -> str:
        return ", ".join(map(str, self.resolvers))


def _security(reply: Message) -> Security:
    if reply.bogus:
        return Security.BOGUS
    if not reply.recursion:
        return Security.UNKNOWN
    return Security.SECURE if reply.authentic else Security.INSECURE
