"""Which zones key records are in, as DNS says, without a question that a resolver would remember.

A resolver that is asked for a name which does not exist yet goes on saying so for as long as the zone's negative TTL
(RFC 2308 §5), and of every name below it as well (RFC 8020). So the resolvers are asked for the domain, and the
servers of its zone for what is below.
"""

from collections.abc import Iterable
from contextlib import closing

from dkimctl.config.settings import Lookup
from dkimctl.dns.asking import asker_for
from dkimctl.dns.endpoints import resolvers
from dkimctl.dns.message import Message, Type
from dkimctl.dns.questions import Question, ask
from dkimctl.dns.resolve import Resolution, Zone
from dkimctl.names import DOMAINKEY, is_within
from dkimctl.verify.check import CONCURRENCY

_MOST_SERVERS = 3  # of a zone that are asked until one answers


def zones_in_dns(domains: Iterable[str], lookup: Lookup) -> dict[str, str]:
    """Return domain → the zone that its key records are in, where DNS shows it; a top-level domain shows nothing.

    Raises UsageError for a malformed name server.
    """
    resolution = Resolution(resolvers(lookup), lookup.port)

    async def zone_of(domain: str) -> tuple[str, str]:
        zone = await resolution.zone_of(domain)
        if not isinstance(zone, Zone) or "." not in zone.name:
            return domain, ""
        return domain, await _below(zone, f"{DOMAINKEY}.{domain}") or zone.name

    asker, source = asker_for(domains, lookup.timeout)
    with closing(asker):
        return {domain: zone for domain, zone in asker.run(map(zone_of, source), CONCURRENCY) if zone}


async def _below(zone: Zone, name: str) -> str | None:
    """Return the zone of `name` as a server of `zone` knows it; None when none of them says.

    The SOA record that covers the name is in the answer or the authority section (RFC 2308 §2.1, §2.2); a server that
    has only the zone above a cut refers to the one below (RFC 1034 §4.3.2).
    """
    endpoints = [endpoint for server in zone.servers for endpoint in server.endpoints]
    for endpoint in endpoints[:_MOST_SERVERS]:
        [reply] = await ask(Question(endpoint, name, Type.SOA))
        if not isinstance(reply, Message):
            continue
        owners = [r.name for r in (*reply.answers, *reply.authority) if r.type in (Type.SOA, Type.NS)]
        within = [owner for owner in owners if is_within(name, owner) and is_within(owner, zone.name)]
        if within:
            return max(within, key=len)
    return None
