"""DKIM5xx: how DNS delivers the record."""

from dkimctl.catalogue.entries import ERROR, INFO, UNKNOWN, WARNING, entry

OVER_TCP = entry(
    501,
    INFO,
    "the answer needs TCP",
    "It does not fit a datagram. Nearly every verifier's resolver uses TCP then (RFC 7766), but some firewalls do not "
    "let it.",
    about_dns=True,
)
TCP_REFUSED = entry(
    502,
    ERROR,
    "the answer needs TCP, which the server refuses",
    "A server must answer over TCP what does not fit a datagram (RFC 7766 §5): verifiers get no key from this one.",
    "open TCP port 53 at the server, or shorten the record: a key of 2048 bits fits a datagram",
    about_dns=True,
)
BOGUS = entry(
    503,
    ERROR,
    "DNSSEC validation fails",
    "Validating resolvers, the large receivers' among them, answer SERVFAIL: they see no key at all (RFC 4035 §5.5).",
    "renew the zone's signatures, or correct its DS record at the registry",
    about_dns=True,
)
INSECURE = entry(
    504,
    INFO,
    "not secured by DNSSEC",
    "The zone is not signed, or the resolver does not validate. DKIM works without; with DNSSEC nobody can forge the "
    "record (RFC 6376 §8.5). opendkim-testkey calls this “key not secure”.",
    about_dns=True,
)
SECURE = entry(
    505,
    INFO,
    "secured by DNSSEC",
    "A validating resolver vouches for the zone (RFC 4035 §4.3). opendkim-testkey calls this “key secure”.",
    about_dns=True,
)
SHORT_TTL = entry(
    506,
    INFO,
    "a very short TTL",
    "Below half a minute every mail costs the receiver a question to the zone's servers.",
    "3600 seconds are usual; shorter only around a change",
    about_dns=True,
)
LONG_TTL = entry(
    507,
    WARNING,
    "a very long TTL",
    "Caches may keep the record for more than a week: a revoked key lives on for as long (RFC 2181 §8 lets them).",
    "3600 seconds are usual",
    about_dns=True,
)
NO_EDNS = entry(
    508,
    INFO,
    "a server without EDNS",
    "It understands questions only in the form of before 1999 (RFC 6891): answers of more than 512 octets need TCP.",
    about_dns=True,
)
STALE = entry(
    509,
    WARNING,
    "a resolver still holds another answer",
    "It answers from its cache until the time to live has run out (RFC 1034 §3.6).",
    "wait until then; nothing needs to be done",
    about_dns=True,
)
RESOLVER_FAILS = entry(
    510,
    UNKNOWN,
    "a resolver gives no answer",
    "What this resolver's users see could not be found out; a verifier behind it answers temperror (RFC 6376 §6.1.2).",
    "check the resolver, or ask another: --nameserver",
    about_dns=True,
)
ONLY_RESOLVERS = entry(
    511,
    UNKNOWN,
    "only resolvers can be asked from here",
    "No authoritative server answers this machine, and a resolver reaches them: most often a firewall lets only the "
    "resolver ask the world. What each server says cannot be seen from here.",
    "let this machine ask port 53 of every address over UDP and TCP; or name two or more resolvers: what "
    "all of them serve is accepted as a weaker proof: --nameserver A --nameserver B",
    about_dns=True,
)
BY_RESOLVERS = entry(
    512,
    WARNING,
    "seen through resolvers only",
    "No authoritative server answers this machine. The resolvers that were named all serve exactly this record; a "
    "server or a cache that still has another one would not be noticed: this proof is weaker.",
    "let this machine ask port 53 of every address over UDP and TCP, and run it again",
    about_dns=True,
)
OWN_COPY = entry(
    513,
    INFO,
    "the resolver has a copy of the zone of its own",
    "It answers for the zone with authority, without asking the zone's servers. Where that is split DNS, the servers "
    "it names may be internal, and the world may see another copy.",
    "ask a resolver outside: --nameserver ADDRESS",
    about_dns=True,
)
