"""DKIM75x to DKIM78x: KeyTable, SigningTable, and host lists."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

_STOPS = "Mail that needs it is deferred with 4.7.1; `opendkim -n` reports no error."
_UNSIGNED = "The daemon logs `no signing table match`, and the mail goes unsigned."

DANGLING = entry(
    751,
    ERROR,
    "the SigningTable names a key that is not in the KeyTable",
    f"`signing table references unknown key`. {_STOPS}",
)
CORRUPT = entry(
    752,
    ERROR,
    "a KeyTable row without domain, selector or key",
    f"A row is NAME DOMAIN:SELECTOR:FILE, without blanks after the colons. {_STOPS}",
)
CRASH_NO_KEY = entry(
    753, ERROR, "a SigningTable row without a key", "opendkim crashes (SIGSEGV) at each message that matches it."
)
CRASH_NON_ASCII = entry(
    754, ERROR, "non-ASCII signing domain", "opendkim aborts (SIGABRT) at each message that needs it."
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
    "duplicate key name in the KeyTable",
    "The first row wins: after appending a row for a new selector the old key still signs.",
)
SAME_PATTERN = entry(
    758, WARNING, "duplicate address in the SigningTable", "The first row wins; the others have no effect."
)
SHADOWED = entry(
    759,
    WARNING,
    "a pattern that is never reached",
    "The first pattern that matches wins: put specific patterns before general ones.",
)
INDENTED = entry(
    760,
    ERROR,
    "a row that begins with a blank",
    "In a refile: table the daemon ignores such a line, and nothing is logged.",
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
    "It becomes part of the first name, which then never matches.",
)
BAD_REGEX = entry(
    763,
    ERROR,
    "invalid pattern",
    "`Error compiling regular expression`: opendkim does not start.",
)
RELOAD = entry(
    765,
    ERROR,
    "the daemon cannot read a table after dropping root privileges",
    "It starts, but at each reload it keeps the old tables: `dkimf_db_open(): Permission denied`.",
)
MISALIGNED = entry(
    766,
    WARNING,
    "d= is not aligned with the sender's domain",
    "DMARC requires d= and the From domain to share their organizational domain (RFC 7489 §3.1.1): these "
    "signatures do not count for it.",
)
TOO_WIDE = entry(
    767,
    WARNING,
    "a pattern that matches more domains than intended",
    "`*example.com` also matches `user@badexample.com`: write `*@example.com` and `*@*.example.com`.",
)
UNUSED = entry(768, INFO, "a key that no SigningTable row uses", "It signs nothing. Normal during a key rollover.")
NON_ASCII = entry(
    770,
    ERROR,
    "non-ASCII domain in the SigningTable",
    f"Mail carries internationalised domains as A-labels (xn--…). {_UNSIGNED}",
)

BAD_SIGNER = entry(
    771,
    ERROR,
    "invalid signer for i=",
    "The text after the key's name and a colon becomes i=. Without @ the daemon signs nothing (`syntax error in "
    "signer value`); outside the domain of d= no verifier accepts the signature (RFC 6376 §3.5).",
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
    "a host entry that never matches",
    "opendkim compares text: a network must be its first address and the prefix length, in the shortest spelling.",
)
EVERYBODY = entry(
    783,
    WARNING,
    "mail from every client is signed",
    "Anyone who reaches the SMTP port can have mail signed for your domains, unless Postfix accepts no outside "
    "clients.",
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
    "In a refile: host list it also matches the daemon's lookup of `!host`, so it excludes instead; `*` excludes all.",
)
FITS_NOTHING = entry(
    772,
    ERROR,
    "a SigningTable row that matches no address",
    "`@example.com`, `.*@example.com`, `*@example.com.` and `*@a,*@b` match nothing (measured): a row has one "
    f"address, without a final dot, in which only `*` matches any text. {_UNSIGNED}",
)
NO_APEX = entry(
    773,
    WARNING,
    "a pattern that matches sub-domains only",
    "`*.example.com` matches user@sub.example.com and not user@example.com: write `*@example.com` and "
    "`*@*.example.com`.",
)
FITS_ALL = entry(
    774,
    WARNING,
    "a row signs for every domain with one d=",
    "`*` and `*@*` match every sender: mail of other domains is signed with this d=, which their DMARC ignores.",
)
LOST_ROWS = entry(
    776,
    ERROR,
    "the SigningTable has lost rows",
    f"Domains with an active key lost their row; a control panel or script may have rewritten the file. {_UNSIGNED}",
)
