"""DKIM55x: SPF and DMARC beside the signatures: whether they exist and parse, and whether DMARC counts a signature."""

from dkimctl.catalogue.entries import ERROR, OK, UNKNOWN, WARNING, entry

NO_SPF = entry(
    550,
    WARNING,
    "no SPF record",
    "Receivers cannot tell by its address which server may send mail for the domain (RFC 7208 §4.5: none). Gmail and "
    "Yahoo ask senders for SPF or DKIM, and bulk senders for both.",
    'publish a TXT record at the domain, such as "v=spf1 mx -all" where its MX hosts alone send its mail',
)
SEVERAL_SPF = entry(
    551,
    ERROR,
    "several SPF records",
    "With more than one record that begins with v=spf1 the result is permerror, as if there were none (RFC 7208 §4.5).",
    "make one record of them, and delete the others",
)
BAD_SPF = entry(
    552,
    ERROR,
    "the SPF record does not parse",
    "One term that is not of the right form makes the result of the whole record permerror (RFC 7208 §4.6).",
    "correct the term",
)
SPF = entry(553, OK, "the SPF record parses", "It exists once and its terms are of the right form (RFC 7208 §4.6).")
NO_DMARC = entry(
    554,
    WARNING,
    "no DMARC record",
    "Neither the domain nor one above it has a record at _dmarc (RFC 7489 §6.6.3): receivers are not asked to refuse "
    "mail with a forged From. Gmail and Yahoo ask bulk senders for one.",
    'publish a TXT record at _dmarc.DOMAIN, to begin with "v=DMARC1; p=none"',
)
SEVERAL_DMARC = entry(
    555,
    ERROR,
    "several DMARC records",
    "Of more than one record at one name none counts (RFC 7489 §6.6.3).",
    "delete every record at the name but the right one",
)
BAD_DMARC = entry(
    556,
    ERROR,
    "the DMARC record does not parse",
    "Receivers ignore a record whose v= or p= is not right, and tags that are not of the right form (RFC 7489 §6.3).",
    "correct the tag",
)
DMARC = entry(557, OK, "the DMARC record parses", "It exists once and its tags are of the right form (RFC 7489 §6.3).")
NOT_ALIGNED = entry(
    558,
    ERROR,
    "DMARC does not count the signature",
    "With adkim=s the d= of a signature must be the very domain of the From address (RFC 7489 §3.1.1). Mail of this "
    "domain is signed with another one, and passes by SPF alone, which forwarding breaks.",
    "give the domain a key of its own: dkimctl setup DOMAIN; or drop adkim=s",
)
ALIGNED = entry(
    559,
    OK,
    "DMARC counts the signature",
    "The d= of the signature is the domain of the From address, or one above it in relaxed mode (RFC 7489 §3.1.1).",
)
NOTHING_TO_ALIGN = entry(
    560,
    WARNING,
    "nothing signs mail of this domain here",
    "This host has no key for the domain or one above it, so there is no signature that DMARC could count (RFC 7489 "
    "§3.1.1).",
    "dkimctl setup DOMAIN",
)
NOT_LOOKED_UP = entry(
    561,
    UNKNOWN,
    "SPF or DMARC could not be looked up",
    "No server said what is at the name, so the record is neither right nor wrong.",
    "check the resolver: --nameserver, DKIMCTL_NAMESERVERS or /etc/resolv.conf; then run it again",
)
