"""DKIM1xx: presence of the record: at every server, at the right name."""

from dkimctl.catalogue.entries import ERROR, INFO, UNKNOWN, WARNING, entry

MISSING = entry(
    101,
    ERROR,
    "no key record",
    "Without a key record at <selector>._domainkey.<domain> no signature made with this selector can be verified "
    "(RFC 6376 §3.6.2.1, §6.1.2).",
    "publish the key: dkimctl publish DOMAIN --provider NAME",
    about_dns=True,
)
SEVERAL = entry(
    102,
    ERROR,
    "several records at one name",
    "A selector must have exactly one TXT record: with more, the result is undefined (RFC 6376 §3.6.2.2).",
    "delete every record at the name but the right one",
    verifiers="opendkim refuses it (temperror); dkimpy accepts whichever record comes first: some mail verifies",
    about_dns=True,
)
ALIAS = entry(
    103,
    INFO,
    "the name is a CNAME",
    "Verifiers follow a CNAME at the name of a key record (RFC 1034 §3.6.2) and read the record that it points "
    "to. No provider can put a TXT record at the same name as a CNAME.",
    about_dns=True,
)
BROKEN_ALIAS = entry(
    104,
    ERROR,
    "a CNAME points to nothing",
    "The name is an alias, and there is no TXT record at its target: verifiers see no key (RFC 6376 §6.1.2).",
    "publish the record at the CNAME's target, or replace the CNAME with the record itself",
    about_dns=True,
)
ENDLESS_ALIAS = entry(
    105,
    ERROR,
    "CNAME loop, or a chain that is too long",
    "The aliases form a loop or are too many: resolvers stop after about ten steps and answer SERVFAIL (RFC 1034 "
    "§5.2.2).",
    "point the first CNAME straight at the name that has the record",
    about_dns=True,
)
DISAGREE = entry(
    106,
    ERROR,
    "the authoritative servers disagree",
    "Each verifier asks one of the servers: some mail verifies and some does not until all serve the same.",
    "right after a change: wait and check again; if it persists, the zone transfer to the lagging server is broken",
    about_dns=True,
)
UNREACHABLE = entry(
    107,
    UNKNOWN,
    "an authoritative server does not answer",
    "What this server would answer is unknown, and verifiers that ask it wait or fail. The record is neither "
    "right nor wrong: it could not be checked.",
    "run it again; if it persists, contact the server's operator, or look for a firewall on this side",
    about_dns=True,
)
LAME = entry(
    108,
    UNKNOWN,
    "a server is not authoritative for the zone",
    "The zone's NS records name this server, but it refuses, fails, or does not know the zone (lame delegation, "
    "RFC 1912 §2.8).",
    "serve the zone there, or remove the server from the zone's NS records and from the delegation",
    about_dns=True,
)
NO_ZONE = entry(
    109,
    UNKNOWN,
    "the zone's servers could not be found",
    "The resolvers could not say which servers are authoritative, so none could be queried.",
    "check the resolver: --nameserver, DKIMCTL_NAMESERVERS or /etc/resolv.conf; then run it again",
    about_dns=True,
)
DOUBLED_ZONE = entry(
    110,
    ERROR,
    "the record is at a name with the zone twice",
    "Most providers' forms append the zone's name to the input: a full name without a final dot gets it twice, as"
    " a relative name does in a zone file (RFC 1035 §5.1).",
    "publish the record at its right name: in such a form enter the name without the zone",
    about_dns=True,
)
NO_UNDERSCORE = entry(
    111,
    ERROR,
    "the record is at a misspelled _domainkey",
    "The label is _domainkey, with the underscore and in the singular (RFC 6376 §3.6.2.1).",
    "publish the record at its right name",
    about_dns=True,
)
SWAPPED = entry(
    112,
    ERROR,
    "the record is at a name with its parts in the wrong order",
    "The order is selector, _domainkey, domain (RFC 6376 §3.6.2.1).",
    "publish the record at its right name",
    about_dns=True,
)
WILDCARD = entry(
    113,
    WARNING,
    "a wildcard answers for this name",
    "Every other selector gets the same answer: this record was not published for this selector (RFC 4592), and "
    "RFC 6376 §6.1.2 has verifiers reject what is not a key record.",
    "publish the record at its own name, which then hides the wildcard",
    about_dns=True,
)
NOT_DELEGATED = entry(
    114,
    ERROR,
    "the domain is not in DNS",
    "No zone of this name or above it is delegated below the top-level domain, so no record can be found "
    "(RFC 1034 §4.2).",
    "check the spelling; else register the domain, or renew it, and have its registry delegate it",
    about_dns=True,
)
NO_ADDRESS = entry(
    115,
    UNKNOWN,
    "a name server's name has no address",
    "The zone's NS records name a host that has neither an A nor an AAAA record: it cannot be queried (RFC 1912 §2.8).",
    "give the host an address, or remove it from the zone's NS records and from the delegation",
    about_dns=True,
)
OTHER_DOMAIN = entry(
    116,
    ERROR,
    "the record is at another domain",
    "A signature with d= a sub-domain needs the record below that sub-domain: verifiers do not look at the parent"
    " domain (RFC 6376 §3.6.2.1).",
    "publish the record at its right name, or sign with d= the parent domain",
    about_dns=True,
)
NOT_ASKED = entry(
    117,
    INFO,
    "not queried over one protocol",
    "This machine has no route to some of the server's addresses, usually because it has no IPv6; the server was "
    "queried at its other addresses.",
    about_dns=True,
)
SERIALS = entry(
    118,
    WARNING,
    "the servers hold different versions of the zone",
    "The serial numbers in their SOA records differ: a change has not reached all of them (RFC 1034 §4.3.5).",
    "right after a change: wait; if it persists, the zone transfer to the lagging server is broken",
    about_dns=True,
)
DELEGATION = entry(
    119,
    WARNING,
    "the delegation differs from the zone's NS records",
    "Resolvers start with the servers that the parent zone names; one that is missing there or here is asked by "
    "some resolvers and not by others (RFC 1034 §4.2.2).",
    "name the same servers at the registry and in the zone",
    about_dns=True,
)
NOT_YET_DELEGATED = entry(
    120,
    ERROR,
    "the customer's CNAME is missing",
    "The domain is delegated (`delegate` in the configuration): its record is in the operator's zone, and the "
    "customer's name must be a CNAME to it. Until it is, verifiers see no key (RFC 6376 §6.1.2).",
    "have the customer add it once, as printed by: dkimctl record DOMAIN",
    about_dns=True,
)
DELEGATED_ELSEWHERE = entry(
    121,
    ERROR,
    "the customer's CNAME points elsewhere",
    "The domain is delegated, but its CNAME does not point to the name at which the operator publishes: verifiers"
    " see the record at that other name (RFC 1034 §3.6.2), and a rotation does not reach them.",
    "have the customer correct it, as printed by: dkimctl record DOMAIN",
    about_dns=True,
)
DELEGATE_EMPTY = entry(
    122,
    ERROR,
    "the operator's record is missing",
    "The name in the operator's zone to which the customer's CNAME points, or will point, does not have this key "
    "(RFC 6376 §6.1.2).",
    "publish it: dkimctl publish DOMAIN --provider NAME",
    about_dns=True,
)
OWN_RECORD = entry(
    123,
    WARNING,
    "a record where the customer's CNAME should be",
    "The domain is delegated, but its zone has a TXT record of its own. Mail verifies as long as that is the "
    "right key (RFC 6376 §3.6.2.1); the next rotation does not reach it.",
    "have the customer replace it with the CNAME, as printed by: dkimctl record DOMAIN",
    about_dns=True,
)
NOT_A_NAME = entry(
    124,
    ERROR,
    "the record's name is not valid in DNS",
    "A name in DNS has at most 253 characters, each label 1 to 63 (RFC 1035 §2.3.4). No record can be published at "
    "this one, so no signature made with this selector and domain can be verified.",
    "make a key with a shorter selector (genkey -s); if the key directory is not named after a domain, move it away",
    about_dns=True,
)
DNAME = entry(
    125,
    WARNING,
    "a DNAME redirects the name",
    "A DNAME redirects everything below its name (RFC 6672); resolvers answer with it and with the CNAME derived "
    "from it. opendkim in Debian 12 does not expect it and fails, whatever the record contains.",
    "replace the DNAME with a CNAME at the record's own name",
    verifiers="opendkim refuses it (“type 39”); dkimpy accepts it",
    about_dns=True,
)
