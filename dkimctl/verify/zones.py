"""Which zones the resolvers name for domains: one question for each, and nothing asked about the records themselves."""

from collections.abc import Iterable
from contextlib import closing

from dkimctl.config.settings import Lookup
from dkimctl.dns.asking import asker_for
from dkimctl.dns.endpoints import resolvers
from dkimctl.dns.resolve import Resolution
from dkimctl.names import DOMAINKEY
from dkimctl.verify.check import CONCURRENCY


def zones_in_dns(domains: Iterable[str], lookup: Lookup) -> dict[str, str]:
    """Domain → the zone in which its key records stand, where the resolvers tell; a top-level domain tells nothing.

    Raises UsageError for a malformed name server.
    """
    resolution = Resolution(resolvers(lookup), lookup.port)

    async def zone_of(domain: str) -> tuple[str, str]:
        return domain, await resolution.cut_of(f"{DOMAINKEY}.{domain}") or ""

    asker, source = asker_for(domains, lookup.timeout)
    with closing(asker):
        return {domain: zone for domain, zone in asker.run(map(zone_of, source), CONCURRENCY) if "." in zone}
