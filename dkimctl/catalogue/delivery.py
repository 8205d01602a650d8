"""DKIM50x: delivery of the record by DNS."""

from dkimctl.catalogue.entries import ERROR, INFO, UNKNOWN, WARNING, entry

OVER_TCP = entry(
    501,
    INFO,
    "the response needs TCP",
    "It does not fit into a datagram. Nearly every verifier's resolver then uses TCP (RFC 7766), but some "
    "firewalls block it.",
    about_dns=True,
)
TCP_REFUSED = entry(
    502,
    ERROR,
    "the response needs TCP, which the server refuses",
    "A server must answer over TCP what does not fit into a datagram (RFC 7766 §5): verifiers get no key from "
    "this one.",
    "open TCP port 53 on the server, or shorten the record: a key of 2048 bits fits into a datagram",
    about_dns=True,
)
BOGUS = entry(
    503,
    ERROR,
    "DNSSEC validation fails",
    "Validating resolvers, including those of the large receivers, answer SERVFAIL: they see no key at all (RFC "
    "4035 §5.5).",
    "renew the zone's signatures, or correct its DS record at the registry",
    about_dns=True,
)
INSECURE = entry(
    504,
    INFO,
    "not secured by DNSSEC",
    "The zone is not signed, or the resolver does not validate. DKIM works without DNSSEC; with it nobody can "
    "forge the record (RFC 6376 §8.5). opendkim-testkey calls this “key not secure”.",
    about_dns=True,
)
SECURE = entry(
    505,
    INFO,
    "secured by DNSSEC",
    "A validating resolver confirms the zone's signatures (RFC 4035 §4.3). opendkim-testkey calls this “key secure”.",
    about_dns=True,
)
SHORT_TTL = entry(
    506,
    INFO,
    "very short TTL",
    "Below 30 seconds every mail costs the receiver a query to the zone's servers.",
    "3600 seconds are usual; shorter only around a change",
    about_dns=True,
)
LONG_TTL = entry(
    507,
    WARNING,
    "very long TTL",
    "Caches may keep the record for more than a week, so a revoked key stays valid that long (RFC 2181 §8 allows it).",
    "3600 seconds are usual",
    about_dns=True,
)
NO_EDNS = entry(
    508,
    INFO,
    "server without EDNS",
    "It understands only the query format from before 1999 (RFC 6891): responses of more than 512 octets need TCP.",
    about_dns=True,
)
STALE = entry(
    509,
    WARNING,
    "a resolver still has another response cached",
    "It answers from its cache until the TTL has expired (RFC 1034 §3.6).",
    "wait until it expires; nothing else needs to be done",
    about_dns=True,
)
RESOLVER_FAILS = entry(
    510,
    UNKNOWN,
    "a resolver does not answer",
    "What this resolver's users see is unknown; a verifier that uses it reports temperror (RFC 6376 §6.1.2).",
    "check the resolver, or ask another: --nameserver",
    about_dns=True,
)
ONLY_RESOLVERS = entry(
    511,
    UNKNOWN,
    "only resolvers can be queried from here",
    "No authoritative server answers this machine, but a resolver reaches them: usually a firewall lets only the "
    "resolver query the Internet. What each server serves cannot be seen from here.",
    "open port 53 (UDP and TCP) from this machine to every address; or name two or more resolvers, and a record that "
    "all of them serve is accepted as weaker proof: --nameserver A --nameserver B",
    about_dns=True,
)
BY_RESOLVERS = entry(
    512,
    WARNING,
    "seen through resolvers only",
    "No authoritative server answers this machine. All of the named resolvers serve exactly this record; a server"
    " or a cache that still has another one would go unnoticed, so this proof is weaker.",
    "open port 53 (UDP and TCP) from this machine to every address, then run it again",
    about_dns=True,
)
OWN_COPY = entry(
    513,
    INFO,
    "the resolver has its own copy of the zone",
    "It answers for the zone with authority, without querying the zone's servers. With split DNS the servers that"
    " it names may be internal, and the Internet may see another copy.",
    "query an external resolver: --nameserver ADDRESS",
    about_dns=True,
)
