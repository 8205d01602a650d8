"""Why a resolver answers SERVFAIL: the servers that the zone above names, asked one by one."""

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import Message, Rcode, Type
from dkimctl.dns.questions import Question, ask
from dkimctl.dns.resolve import Resolution, Zone
from dkimctl.verify.lookup.answers import server_answer
from dkimctl.verify.report import ServerAnswer

_PARENTS_ASKED = 3
_MOST_SERVERS = 8


async def ask_delegated(name: str, resolution: Resolution) -> tuple[str, tuple[ServerAnswer, ...]]:
    """Return the zone that holds `name` and what each server says that the zone above delegates it to.

    Both are empty when the zone above cannot be asked, or delegates nothing there.
    """
    above = await _zone_above(name, resolution)
    if above is None:
        return "", ()
    endpoints = [endpoint for server in above.servers for endpoint in server.endpoints][:_PARENTS_ASKED]
    for reply in await ask(*(Question(endpoint, name, Type.NS) for endpoint in endpoints)):
        if not isinstance(reply, Message):
            continue
        records = [r for r in (*reply.authority, *reply.answers) if r.type == Type.NS and _is_below(r.name, above.name)]
        if records:
            return records[0].name, await _ask_each(records[0].name, await _servers(reply, resolution))
    return "", ()


async def _zone_above(name: str, resolution: Resolution) -> Zone | None:
    """Return the nearest zone above that the resolvers know; all names are asked at once, lest each takes its time."""
    labels = name.split(".")
    names = [".".join(labels[at:]) for at in range(1, len(labels))]
    replies = await ask(*(Question(resolution.preferred, one, Type.SOA, recursive=True) for one in names))
    for above, reply in zip(names, replies, strict=True):
        if isinstance(reply, Message) and reply.rcode == Rcode.NOERROR:
            zone = await resolution.zone_of(above)
            return zone if isinstance(zone, Zone) else None
    return None


def _is_below(name: str, zone: str) -> bool:
    return name.endswith(f".{zone}") if zone else bool(name)


async def _servers(referral: Message, resolution: Resolution) -> list[tuple[str, Endpoint]]:
    """The servers in a referral with their addresses: from the referral itself, or else from the resolvers."""
    names = sorted({str(r.data) for r in (*referral.authority, *referral.answers) if r.type == Type.NS})
    found = []
    for name in names[:_MOST_SERVERS]:
        glue = resolution.endpoints(str(r.data) for r in referral.glue if r.name == name)
        found += [(name, endpoint) for endpoint in glue or await resolution.addresses_of(name)]
    return found


async def _ask_each(zone: str, servers: list[tuple[str, Endpoint]]) -> tuple[ServerAnswer, ...]:
    replies = await ask(*(Question(endpoint, zone, Type.SOA) for _, endpoint in servers))
    return tuple(
        server_answer(zone, server, str(endpoint), reply, authoritative=True)
        for (server, endpoint), reply in zip(servers, replies, strict=True)
    )
