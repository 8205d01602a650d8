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
NOT_DELEGATED = _entry(
    114,
    ERROR,
    "the domain is not in DNS",
    "No zone of this name or above it is delegated below the top-level domain, so no record can be found.",
    "check the spelling; else register the domain, or renew it, and have its registry delegate it",
)
NO_ADDRESS = _entry(
    115,
    UNKNOWN,
    "a name server's name has no address",
    "The zone's NS records name a host that has neither an A nor an AAAA record: nobody can ask it.",
    "give the host an address, or remove it from the zone's NS records and from the delegation",
)
NOT_ASKED = _entry(
    117,
    INFO,
    "not asked over one protocol",
    "This machine has no route to some of the server's addresses, most often because it has no IPv6; the server was "
    "asked at its other addresses.",
)

# --- the text of the record
NOT_DKIM = _entry(
    201,
    ERROR,
    "not a key record",
    "The TXT record at the name is something else: verifiers see a syntax error (RFC 6376 §3.6.1).",
    "replace it by the key record",
)
BROKEN = _entry(
    202,
    ERROR,
    "the key record is malformed",
    "A key record is a list of tag=value separated by semicolons (RFC 6376 §3.2); verifiers must ignore a key whose "
    "record they cannot parse (§6.1.2).",
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
    "The key must be base64, with nothing but white space between (RFC 6376 §3.6.1, RFC 4648 §4).",
    "publish the record again, copied from: dkimctl record DOMAIN",
)
PKCS1 = _entry(
    205,
    ERROR,
    "the key is in PKCS#1 form",
    "p= holds an RSAPublicKey where verifiers expect a SubjectPublicKeyInfo (RFC 6376 §3.6.1 with erratum 3017).",
    "publish the key in its other form: openssl rsa -in KEY -pubout, or dkimctl record DOMAIN",
)
NO_KEY = _entry(
    206,
    ERROR,
    "p= holds no usable key",
    "The base64 is right, but what it says is not a public key of the type that k= names (RFC 6376 §3.6.1).",
    "publish the record again, copied from: dkimctl record DOMAIN",
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
    "k= must be rsa or ed25519 (RFC 6376 §3.6.1, RFC 8463 §4); verifiers ignore records of a type they do not know.",
    "publish the record again, copied from: dkimctl record DOMAIN",
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
