"""Every finding about a key record: code, severity, title, why it matters, what to do.

Codes are stable. DKIM1xx: is the record there; DKIM2xx: its text; DKIM3xx: its key; DKIM4xx: its other tags;
DKIM5xx: how DNS delivers it.
"""

from dkimctl.findings import Entry, Severity

OK, INFO, WARNING, UNKNOWN, ERROR = (
    Severity.OK,
    Severity.INFO,
    Severity.WARNING,
    Severity.UNKNOWN,
    Severity.ERROR,
)

CATALOGUE: dict[str, Entry] = {}


def _entry(code: int, severity: Severity, title: str, meaning: str, fix: str = "") -> Entry:
    entry = Entry(f"DKIM{code}", severity, title, meaning, fix)
    assert entry.code not in CATALOGUE
    CATALOGUE[entry.code] = entry
    return entry


# --- is the record there
MISSING = _entry(
    101,
    ERROR,
    "no key record",
    "Without a key record at <selector>._domainkey.<domain> no signature made with this selector can be verified "
    "(RFC 6376 §3.6.2.1, §6.1.2).",
    "publish the key: dkimctl publish DOMAIN --provider NAME",
)
SEVERAL = _entry(
    102,
    ERROR,
    "several records at one name",
    "A selector must have exactly one TXT record: with more, the result is undefined (RFC 6376 §3.6.2.2). opendkim "
    "answers temperror; others take one of them.",
    "delete every record at the name but the right one",
)
ALIAS = _entry(
    103,
    INFO,
    "a CNAME leads to the record",
    "Verifiers follow a CNAME at the name of a key record (RFC 1034 §3.6.2); the record is whatever stands at its end. "
    "No provider can put a TXT beside a CNAME.",
)
BROKEN_ALIAS = _entry(
    104,
    ERROR,
    "a CNAME leads to nothing",
    "The name is an alias, and at its end there is no TXT record: verifiers see no key (RFC 6376 §6.1.2).",
    "publish the record at the CNAME's end, or replace the CNAME by the record itself",
)
ENDLESS_ALIAS = _entry(
    105,
    ERROR,
    "a CNAME chain that does not end",
    "The aliases run in a circle or are too many: resolvers give up after about ten steps and answer SERVFAIL "
    "(RFC 1034 §5.2.2).",
    "point the first CNAME straight at the name that holds the record",
)
DISAGREE = _entry(
    106,
    ERROR,
    "the authoritative servers disagree",
    "Each verifier asks one of the servers: some mail verifies and some does not, until all serve the same.",
    "right after a change: wait and look again; if it stays so, the zone transfer to the lagging server is broken",
)
UNREACHABLE = _entry(
    107,
    UNKNOWN,
    "an authoritative server does not answer",
    "What this server would say is not known, and verifiers that ask it wait or fail. This is neither right nor wrong: "
    "it could not be checked.",
    "run it again; if it stays silent, tell whoever runs the server, or look for a firewall on this side",
)
LAME = _entry(
    108,
    UNKNOWN,
    "a server is not authoritative for the zone",
    "The zone's NS records name this server, but it refuses, fails, or does not know the zone (lame delegation, "
    "RFC 1912 §2.8).",
    "serve the zone there, or remove the server from the zone's NS records and from the delegation",
)
NO_ZONE = _entry(
    109,
    UNKNOWN,
    "the zone's servers could not be found",
    "The resolvers could not say which servers are authoritative, so none could be asked.",
    "check the resolver: --nameserver, DKIMCTL_NAMESERVERS or /etc/resolv.conf; then run it again",
)
DOUBLED_ZONE = _entry(
    110,
    ERROR,
    "the record stands at a name with the zone twice",
    "Most providers' forms add the zone's name to what is typed: a full name without final dot gets it twice, "
    "as a relative name does in a zone file (RFC 1035 §5.1).",
    "publish the record at its right name: in such a form type the name without the zone",
)
NO_UNDERSCORE = _entry(
    111,
    ERROR,
    "the record stands at a misspelled _domainkey",
    "The label is _domainkey, with the underscore and in the singular (RFC 6376 §3.6.2.1).",
    "publish the record at its right name",
)
SWAPPED = _entry(
    112,
    ERROR,
    "the record stands at a name with its parts in another order",
    "The order is selector, _domainkey, domain (RFC 6376 §3.6.2.1).",
    "publish the record at its right name",
)
WILDCARD = _entry(
    113,
    WARNING,
    "a wildcard answers for this name",
    "Any other selector gets the same answer: what stands here was not published for this selector (RFC 4592), and "
    "RFC 6376 §6.1.2 has verifiers reject what is no key record.",
    "publish the record at its own name, which then hides the wildcard",
)
NOT_DELEGATED = _entry(
    114,
    ERROR,
    "the domain is not in DNS",
    "No zone of this name or above it is delegated below the top-level domain, so no record can be found "
    "(RFC 1034 §4.2).",
    "check the spelling; else register the domain, or renew it, and have its registry delegate it",
)
NO_ADDRESS = _entry(
    115,
    UNKNOWN,
    "a name server's name has no address",
    "The zone's NS records name a host that has neither an A nor an AAAA record: nobody can ask it (RFC 1912 §2.8).",
    "give the host an address, or remove it from the zone's NS records and from the delegation",
)
OTHER_DOMAIN = _entry(
    116,
    ERROR,
    "the record stands at another domain",
    "A signature with d= a sub-domain needs the record below that sub-domain: the one of the domain above is not "
    "looked for (RFC 6376 §3.6.2.1).",
    "publish the record at its right name, or sign with d= the domain above",
)
NOT_ASKED = _entry(
    117,
    INFO,
    "not asked over one protocol",
    "This machine has no route to some of the server's addresses, most often because it has no IPv6; the server was "
    "asked at its other addresses.",
)

SERIALS = _entry(
    118,
    WARNING,
    "the servers hold different versions of the zone",
    "The serial numbers in their SOA records differ: a change has not reached all of them (RFC 1034 §4.3.5).",
    "right after a change: wait; if it stays so, the zone transfer to the lagging server is broken",
)
DELEGATION = _entry(
    119,
    WARNING,
    "the delegation differs from the zone's NS records",
    "Resolvers start with the servers that the zone above names; one that is missing there or here is asked by some "
    "and not by others (RFC 1034 §4.2.2).",
    "name the same servers at the registry and in the zone",
)

NOT_YET_DELEGATED = _entry(
    120,
    ERROR,
    "the customer's CNAME is missing",
    "The domain is delegated (`delegate` in the configuration): its record stands in the operator's zone, and the "
    "customer's name must be a CNAME to it. Until it is, verifiers see no key (RFC 6376 §6.1.2).",
    "have the customer add it once, as printed by: dkimctl record DOMAIN",
)
DELEGATED_ELSEWHERE = _entry(
    121,
    ERROR,
    "the customer's CNAME leads elsewhere",
    "The domain is delegated, but its CNAME does not lead to the name at which the operator publishes: verifiers see "
    "whatever stands at the other end (RFC 1034 §3.6.2), and a rotation does not reach them.",
    "have the customer correct it, as printed by: dkimctl record DOMAIN",
)
DELEGATE_EMPTY = _entry(
    122,
    ERROR,
    "the operator's record is missing",
    "The customer's CNAME leads, or will lead, to a name in the operator's zone at which this key does not stand "
    "(RFC 6376 §6.1.2).",
    "publish it: dkimctl publish DOMAIN --provider NAME",
)
OWN_RECORD = _entry(
    123,
    WARNING,
    "a record where the customer's CNAME should be",
    "The domain is delegated, but its zone holds a TXT record of its own. Mail verifies as long as that is the right "
    "key (RFC 6376 §3.6.2.1); the next rotation does not reach it.",
    "have the customer replace it by the CNAME, as printed by: dkimctl record DOMAIN",
)

# --- the text of the record
NOT_DKIM = _entry(
    201,
    ERROR,
    "not a key record",
    "The TXT record at the name is something else: verifiers see a syntax error (RFC 6376 §3.6.1).",
    "replace it by the key record",
)
MALFORMED = _entry(
    202,
    ERROR,
    "the key record is malformed",
    "A key record is a list of tag=value separated by semicolons (RFC 6376 §3.2); verifiers must ignore a key whose "
    "record they cannot parse (§6.1.2). opendkim and dkimpy refuse an empty or incomplete tag.",
    "replace it by a well-formed record",
)
TRUNCATED = _entry(
    203,
    ERROR,
    "the key record is truncated",
    "The key's own length field says that more must follow. 255 octets is one character-string of a TXT record "
    "(RFC 1035 §3.3): some providers' forms keep only the first. OVH cuts a TXT field so; its DKIM field does not.",
    "publish it again, in several strings; at OVH as field type DKIM: dkimctl publish DOMAIN --provider ovh",
)
NOT_BASE64 = _entry(
    204,
    ERROR,
    "p= is not base64",
    "The key must be base64 with nothing but white space between (RFC 6376 §3.6.1, RFC 4648 §4). opendkim and dkimpy "
    "pass over foreign characters; strict decoders, such as Go's, refuse them.",
    "replace the record by one whose p= is copied whole",
)
PKCS1 = _entry(
    205,
    ERROR,
    "the key is in PKCS#1 form",
    "p= holds an RSAPublicKey where verifiers expect a SubjectPublicKeyInfo (RFC 6376 §3.6.1 with erratum 3017). "
    "opendkim refuses it, dkimpy reads it.",
    "publish the key in its other form: openssl rsa -in KEY -pubout, or dkimctl record DOMAIN",
)
NO_KEY = _entry(
    206,
    ERROR,
    "p= holds no usable key",
    "The base64 is right, but what it says is not a public key of the type that k= names (RFC 6376 §3.6.1).",
    "publish the record again, copied from: dkimctl record DOMAIN",
)

QUOTED = _entry(
    207,
    ERROR,
    "quotes or backslashes inside the record",
    "The quotes and backslashes of zone files were stored as part of the text. They end no string and hide nothing: "
    "the version or the key is then misread (RFC 6376 §3.2). Inside p= opendkim and dkimpy pass over them, others do "
    "not.",
    "publish the text without quotes and backslashes; a web form adds them by itself",
)
DUPLICATE_TAG = _entry(
    208,
    ERROR,
    "a tag stands twice",
    "A record with two tags of one name is invalid as a whole (RFC 6376 §3.2). dkimpy refuses it; opendkim takes the "
    "last one.",
    "publish the record with each tag once",
)
VERSION = _entry(
    209,
    ERROR,
    "v= is not DKIM1",
    "If there is a v=, it must be exactly DKIM1, else the record must be discarded (RFC 6376 §3.6.1); opendkim and "
    "dkimpy do so. Often a semicolon is missing behind it.",
    "publish the record with v=DKIM1; at its start",
)
NO_P = _entry(
    210,
    ERROR,
    "no p= tag",
    "p= holds the key and is required; empty it says that the key is revoked (RFC 6376 §3.6.1).",
    "publish the whole record, copied from: dkimctl record DOMAIN",
)
ODD_OCTET = _entry(
    211,
    ERROR,
    "an octet that may not stand in a record",
    "Tags and values are printable ASCII (RFC 6376 §3.2); a note is written as quoted-printable. opendkim refuses the "
    "whole record, dkimpy does not look.",
    "publish the record without it",
)
TOO_LONG_TEXT = _entry(
    212,
    ERROR,
    "the record is too long for opendkim",
    "opendkim reads 1023 octets of a key record and takes the rest for missing (measured with 2.11): it answers "
    "permerror. RFC 6376 §3.6.2.2 sets no limit.",
    "shorten it: leave n= out, and use a key of 2048 bits",
)
LATE_VERSION = _entry(
    213,
    WARNING,
    "v= is not the first tag",
    "If there is a v=, it must come first (RFC 6376 §3.6.1). opendkim and dkimpy do not mind; others may.",
    "publish the record with v=DKIM1; at its start",
)
UNPADDED = _entry(
    214,
    WARNING,
    "p= lacks its padding",
    "Base64 ends with = or == where its length is no multiple of four (RFC 4648 §4). opendkim and dkimpy do not mind; "
    "strict decoders, such as Go's, refuse it.",
    "publish the record with the whole p=",
)

# --- the key
RIGHT = _entry(
    300,
    OK,
    "the key record is right",
    "Every authoritative server serves one record, and its key is the one on this disk.",
)
USABLE = _entry(
    310,
    OK,
    "the key record is usable",
    "Every authoritative server serves one well-formed record with a usable key. It was compared with no private key.",
)
WRONG_KEY = _entry(
    301,
    ERROR,
    "another key than the one on this disk",
    "Signatures made with the key on this disk fail at every verifier (RFC 6376 §6.1.3).",
    "publish the key on this disk: dkimctl publish DOMAIN --provider NAME; or sign with the published one",
)
REVOKED = _entry(
    302,
    ERROR,
    "the key is revoked",
    "An empty p= says that this key is revoked: every signature made with it fails (RFC 6376 §3.6.1).",
    "sign with another selector; a revoked one is never used again",
)
TOO_WEAK = _entry(
    303,
    ERROR,
    "the key is too short",
    "Verifiers must not accept RSA keys of less than 1024 bits (RFC 8301 §3.2).",
    "make a key of 2048 bits under a new selector: dkimctl genkey DOMAIN",
)
WEAK = _entry(
    304,
    WARNING,
    "the key is short",
    "Signers should use at least 2048 bits (RFC 8301 §3.2).",
    "make a key of 2048 bits under a new selector: dkimctl genkey DOMAIN",
)
TOO_LONG = _entry(
    305,
    WARNING,
    "the key is longer than verifiers must handle",
    "Verifiers must handle RSA keys up to 4096 bits; some reject longer ones (RFC 8301 §3.2).",
    "make a key of 2048 bits under a new selector: dkimctl genkey DOMAIN",
)
UNKNOWN_TYPE = _entry(
    306,
    ERROR,
    "an unknown key type",
    "k= must be rsa or ed25519, in lower case (RFC 6376 §3.6.1, RFC 8463 §4); verifiers ignore a record of a type that "
    "they do not know. opendkim reads capitals too, dkimpy does not.",
    "publish the record again, copied from: dkimctl record DOMAIN",
)
EDWARDS_FORM = _entry(
    307,
    ERROR,
    "the Ed25519 key is in the wrong form",
    "For k=ed25519 p= holds the raw 32 bytes, not a SubjectPublicKeyInfo (RFC 8463 §4). opendkim and dkimpy refuse it.",
    "publish the record again, copied from: dkimctl record DOMAIN",
)
EDWARDS = _entry(
    308,
    INFO,
    "an Ed25519 key",
    "Many receivers do not verify Ed25519 signatures yet: sign with an RSA key as well (RFC 8463 §3).",
)

# --- the other tags
TESTING = _entry(
    401,
    WARNING,
    "the domain says that it is testing",
    "With t=y verifiers must treat a failed signature like none, and some distrust good ones too (RFC 6376 §3.6.1).",
    "publish the record without y in t= as soon as the tests are over",
)
STRICT = _entry(
    402,
    WARNING,
    "t=s, but sub-domains sign with this key",
    "With t=s the domain of i= must be that of d=: mail of sub-domains fails wherever i= names the sub-domain "
    "(RFC 6376 §3.6.1). opendkim leaves i= out unless it is told a signer.",
    "publish the record without s in t=, or give the sub-domains keys of their own",
)
NO_SHA256 = _entry(
    403,
    ERROR,
    "h= does not allow sha256",
    "h= lists the hashes that signatures may use; every signature made today uses sha256 (RFC 6376 §3.6.1, RFC 8301 "
    "§3.1). opendkim refuses the signature or the record; dkimpy does not look at h=.",
    "leave h= out, or publish h=sha256",
)
ODD_HASH = _entry(
    404,
    WARNING,
    "h= names an unknown hash",
    "Hashes are called sha256 and sha1; rsa-sha256 is the name of a signature algorithm. Unknown names must be ignored "
    "(RFC 6376 §3.6.1), and as sha256 stands there too, opendkim does so.",
    "leave h= out, or publish h=sha256",
)
NOT_FOR_MAIL = _entry(
    405,
    ERROR,
    "s= excludes e-mail",
    "s= lists the services that the key is for; without * or email, mail signed with it fails (RFC 6376 §3.6.1). "
    "opendkim and dkimpy refuse it; opendkim reads capitals too, dkimpy does not.",
    "leave s= out, or publish s=email",
)
ODD_FLAG = _entry(
    406,
    INFO,
    "t= has an unknown flag",
    "Only y and s mean something; others must be ignored (RFC 6376 §3.6.1).",
    "publish the record without it",
)
GRANULARITY = _entry(
    407,
    WARNING,
    "g= is obsolete",
    "RFC 4871 let g= restrict the sender's local part; RFC 6376 took it out (appendix C). Old verifiers still refuse "
    "mail from other senders, and all mail where g= is empty; opendkim and dkimpy do not look.",
    "publish the record without g=",
)
UNKNOWN_TAG = _entry(
    408,
    INFO,
    "an unknown tag",
    "Verifiers must ignore tags that they do not know (RFC 6376 §3.2).",
)
CAPITAL_TAG = _entry(
    409,
    WARNING,
    "a tag in capitals",
    "Tag names are case-sensitive (RFC 6376 §3.2): verifiers do not see this one.",
    "publish the record with its tags in lower case",
)
SERVICE_LIST = _entry(
    410,
    WARNING,
    "s= lists several services",
    "A list is allowed (RFC 6376 §3.6.1), and opendkim reads it; dkimpy 1.1 refuses every value of s= but *, email and "
    "tlsrpt alone.",
    "leave s= out, or publish s=email",
)

# --- how DNS delivers it
OVER_TCP = _entry(
    501,
    INFO,
    "the answer needs TCP",
    "It does not fit a datagram. Nearly every verifier's resolver uses TCP then (RFC 7766), but some firewalls do not "
    "let it.",
)
TCP_REFUSED = _entry(
    502,
    ERROR,
    "the answer needs TCP, which the server refuses",
    "A server must answer over TCP what does not fit a datagram (RFC 7766 §5): verifiers get no key from this one.",
    "open TCP port 53 at the server, or shorten the record: a key of 2048 bits fits a datagram",
)
BOGUS = _entry(
    503,
    ERROR,
    "DNSSEC validation fails",
    "Validating resolvers, the large receivers' among them, answer SERVFAIL: they see no key at all (RFC 4035 §5.5).",
    "renew the zone's signatures, or correct its DS record at the registry",
)
INSECURE = _entry(
    504,
    INFO,
    "not secured by DNSSEC",
    "The zone is not signed, or the resolver does not validate. DKIM works without; with DNSSEC nobody can forge the "
    "record (RFC 6376 §8.5). opendkim-testkey calls this “key not secure”.",
)
SECURE = _entry(
    505,
    INFO,
    "secured by DNSSEC",
    "A validating resolver vouches for the zone (RFC 4035 §4.3). opendkim-testkey calls this “key secure”.",
)
SHORT_TTL = _entry(
    506,
    INFO,
    "a very short TTL",
    "Below half a minute every mail costs the receiver a question to the zone's servers.",
    "3600 seconds are usual; shorter only around a change",
)
LONG_TTL = _entry(
    507,
    WARNING,
    "a very long TTL",
    "Caches may keep the record for more than a week: a revoked key lives on for as long (RFC 2181 §8 lets them).",
    "3600 seconds are usual",
)
NO_EDNS = _entry(
    508,
    INFO,
    "a server without EDNS",
    "It understands questions only in the form of before 1999 (RFC 6891): answers of more than 512 octets need TCP.",
)
STALE = _entry(
    509,
    WARNING,
    "a resolver still holds another answer",
    "It answers from its cache until the time to live has run out (RFC 1034 §3.6).",
    "wait until then; nothing needs to be done",
)
RESOLVER_FAILS = _entry(
    510,
    UNKNOWN,
    "a resolver gives no answer",
    "What this resolver's users see could not be found out; a verifier behind it answers temperror (RFC 6376 §6.1.2).",
    "check the resolver, or ask another: --nameserver",
)
