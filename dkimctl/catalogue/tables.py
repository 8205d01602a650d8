"""DKIM75x to DKIM78x: KeyTable, SigningTable, and the hosts whose mail is signed."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

_STOPS = "Mail that needs it is deferred with 4.7.1; `opendkim -n` is content."
_UNSIGNED = "The daemon logs `no signing table match`, and the mail goes unsigned."

DANGLING = entry(
    751,
    ERROR,
    "the SigningTable names a key that the KeyTable lacks",
    f"`signing table references unknown key`. {_STOPS}",
)
CORRUPT = entry(
    752,
    ERROR,
    "a KeyTable row without domain, selector or key",
    f"A row is NAME DOMAIN:SELECTOR:FILE, without blanks after the colons. {_STOPS}",
)
CRASH_NO_KEY = entry(
    753, ERROR, "a SigningTable row without a key", "opendkim crashes (SIGSEGV) at each message that it fits."
)
CRASH_NON_ASCII = entry(
    754, ERROR, "a signing domain beyond ASCII", "opendkim aborts (SIGABRT) at each message that needs it."
)
PATTERN_IN_FILE = entry(
    755,
    ERROR,
    "a pattern in a file: table",
    f"file: compares whole names: `example.com`, `.example.com` for all below it, `user@example.com`. {_UNSIGNED}",
)
NAME_IN_REFILE = entry(
    756,
    ERROR,
    "a bare domain in a refile: table",
    f"refile: compares the whole address: `*@example.com`, `*@*.example.com`. {_UNSIGNED}",
)
SAME_NAME = entry(
    757,
    WARNING,
    "a key's name stands twice in the KeyTable",
    "The first row counts. Whoever appends a row for a new selector keeps signing with the old key.",
)
SAME_PATTERN = entry(
    758, WARNING, "an address stands twice in the SigningTable", "The first row counts; the others do nothing."
)
SHADOWED = entry(
    759,
    WARNING,
    "a pattern that another one hides",
    "Of patterns the first that fits counts: put the special ones before the general ones.",
)
INDENTED = entry(
    760, ERROR, "a row that begins with a blank", "In a refile: the daemon drops such a line without a word."
)
LONG_LINE = entry(
    761,
    ERROR,
    "a line of more than 1023 bytes",
    "The daemon splits it there into two rows. Mail is deferred or unsigned.",
)
BOM = entry(
    762,
    ERROR,
    "a table begins with a byte order mark",
    "It becomes part of the first name, which is then never found.",
)
BAD_REGEX = entry(
    763,
    ERROR,
    "a pattern that is no regular expression",
    "`Error compiling regular expression`: opendkim does not start.",
)
RELOAD = entry(
    765,
    ERROR,
    "the daemon cannot read a table after it gave up root",
    "It starts well, and at each reload keeps the old tables: `dkimf_db_open(): Permission denied`.",
)
MISALIGNED = entry(
    766,
    WARNING,
    "d= is not aligned with the sender's domain",
    "DMARC wants d= and the From domain to share their organizational domain (RFC 7489 §3.1.1): these signatures do "
    "not count for it.",
)
TOO_WIDE = entry(
    767,
    WARNING,
    "a pattern that fits more domains than meant",
    "`*example.com` also fits `user@badexample.com`: write `*@example.com` and `*@*.example.com`.",
)
UNUSED = entry(768, INFO, "a key that no SigningTable row names", "It signs nothing. Right while a key is rolled over.")
NON_ASCII = entry(
    770,
    ERROR,
    "a domain beyond ASCII in the SigningTable",
    f"Mail carries internationalised domains as A-labels (xn--…). {_UNSIGNED}",
)

BAD_SIGNER = entry(
    771,
    ERROR,
    "a signer that cannot stand in i=",
    "What follows the key's name after a colon becomes i=. Without @ the daemon signs nothing (`syntax error in signer "
    "value`); outside the domain of d= no verifier accepts the signature (RFC 6376 §3.5).",
)

LOOPBACK = entry(
    781,
    WARNING,
    "mail from this machine itself is not signed",
    "InternalHosts lacks a loopback address: `localhost [::1] not internal`, and the mail goes unsigned.",
)
HOST_SPELLING = entry(
    782,
    ERROR,
    "a host that never fits",
    "opendkim compares text: a network must be its first address and the number of bits, in the shortest spelling.",
)
EVERYBODY = entry(
    783,
    WARNING,
    "mail from everybody is signed",
    "Whoever reaches the SMTP port has mail signed in your domains, unless Postfix itself admits no stranger.",
)
RELAY_CLIENTS = entry(
    784,
    WARNING,
    "Postfix relays for clients whose mail is not signed",
    "mynetworks and InternalHosts differ: `not internal`, and the mail goes unsigned.",
)
HOST_PATTERN = entry(
    785,
    ERROR,
    "a host pattern that begins with *",
    "In a refile: of hosts it fits the daemon's question for `!host` first, so it excludes instead; `*` excludes all.",
)
FITS_NOTHING = entry(
    772,
    ERROR,
    "a SigningTable row that fits no address",
    f"`@example.com`, `.*@example.com`, `*@example.com.` and `*@a,*@b` fit nothing (measured): a row has one address, "
    f"without a final dot, in which only `*` stands for any text. {_UNSIGNED}",
)
NO_APEX = entry(
    773,
    WARNING,
    "a pattern that fits sub-domains alone",
    "`*.example.com` fits user@sub.example.com and not user@example.com: write `*@example.com` and `*@*.example.com`.",
)
FITS_ALL = entry(
    774,
    WARNING,
    "a row signs for every domain with one d=",
    "`*` and `*@*` fit every sender: mail of other domains is signed with this d=, which their DMARC ignores.",
)
