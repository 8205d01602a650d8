"""DKIM55x: SPF and DMARC: whether they exist and parse, and whether DMARC counts a signature."""

from dkimctl.catalogue.entries import ERROR, OK, UNKNOWN, WARNING, entry

NO_SPF = entry(
    550,
    WARNING,
    "no SPF record",
    "Receivers cannot check whether a server's address may send mail for the domain (RFC 7208 §4.5: none). Gmail and "
    "Yahoo require SPF or DKIM from all senders, and both from bulk senders.",
    'publish a TXT record at the domain; "v=spf1 mx -all" if only its MX hosts send its mail',
)
SEVERAL_SPF = entry(
    551,
    ERROR,
    "several SPF records",
    "With more than one record that begins with v=spf1 the result is permerror, as if there were none (RFC 7208 §4.5).",
    "merge them into one record, and delete the others",
)
BAD_SPF = entry(
    552,
    ERROR,
    "the SPF record does not parse",
    "A single malformed term makes the result permerror for the whole record (RFC 7208 §4.6).",
    "correct the term",
)
SPF = entry(
    553, OK, "the SPF record parses", "There is exactly one, and all its terms are well-formed (RFC 7208 §4.6)."
)
NO_DMARC = entry(
    554,
    WARNING,
    "no DMARC record",
    "Neither the domain nor one above it has a record at _dmarc (RFC 7489 §6.6.3): receivers are not asked to refuse "
    "mail with a forged From. Gmail and Yahoo require one from bulk senders.",
    'publish a TXT record at _dmarc.DOMAIN; "v=DMARC1; p=none" is a safe start',
)
SEVERAL_DMARC = entry(
    555,
    ERROR,
    "several DMARC records",
    "If a name has more than one DMARC record, receivers ignore all of them (RFC 7489 §6.6.3).",
    "delete every record at the name but the right one",
)
BAD_DMARC = entry(
    556,
    ERROR,
    "the DMARC record does not parse",
    "Receivers ignore a record whose v= or p= is invalid, and malformed tags (RFC 7489 §6.3).",
    "correct the tag",
)
DMARC = entry(557, OK, "the DMARC record parses", "There is exactly one, and its tags are well-formed (RFC 7489 §6.3).")
NOT_ALIGNED = entry(
    558,
    ERROR,
    "DMARC does not count the signature",
    "With adkim=s the d= of a signature must be exactly the domain of the From address (RFC 7489 §3.1.1). Mail from "
    "this domain is signed with another one, and passes only through SPF, which forwarding breaks.",
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
    "no key on this host signs for this domain",
    "This host has no key for the domain or one above it, so there is no signature that DMARC could count (RFC 7489 "
    "§3.1.1).",
    "dkimctl setup DOMAIN",
)
NOT_LOOKED_UP = entry(
    561,
    UNKNOWN,
    "SPF or DMARC could not be looked up",
    "No server answered the query, so nothing is known about the record.",
    "check the resolver: --nameserver, DKIMCTL_NAMESERVERS or /etc/resolv.conf; then run it again",
)
