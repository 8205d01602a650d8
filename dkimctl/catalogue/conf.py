"""DKIM70x to DKIM74x: opendkim.conf, and the start of the daemon."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

_NO_START = "opendkim does not start (exit 78); a running daemon keeps its old settings at a reload."

NO_CONF = entry(
    701,
    ERROR,
    "there is no opendkim.conf",
    "Without it the daemon has no Socket and no key, and does not start.",
    "dkimctl render-config --install",
    stops_daemon=True,
)
UNKNOWN_NAME = entry(702, ERROR, "unknown parameter", _NO_START, stops_daemon=True)
NO_VALUE = entry(703, ERROR, "parameter without a value", _NO_START, stops_daemon=True)
BAD_VALUE = entry(704, ERROR, "invalid parameter value", _NO_START, stops_daemon=True)
BAD_INCLUDE = entry(705, ERROR, "Include file cannot be read", _NO_START, stops_daemon=True)
BOM = entry(
    706,
    ERROR,
    "opendkim.conf begins with a byte order mark",
    f"Windows editors write one; it becomes part of the first parameter's name. {_NO_START}",
    stops_daemon=True,
)
HALF_TABLES = entry(
    707,
    ERROR,
    "a setting without the one that it needs",
    f"KeyTable needs SigningTable, and KeyFile needs Selector; one without the other is refused. {_NO_START}",
    stops_daemon=True,
)
BAD_KIND = entry(
    708,
    ERROR,
    "unknown data set type",
    "`Unknown database type`: a typo, mdb: (not compiled in), or an inline list that begins with an IPv6 address "
    f"and needs the prefix csl:. {_NO_START}",
    stops_daemon=True,
)
NO_DATA_SET = entry(
    709, ERROR, "table file does not exist", f"`dkimf_db_open(): No such file`. {_NO_START}", stops_daemon=True
)
SET_TWICE = entry(
    710,
    WARNING,
    "parameter set more than once",
    "The last value wins, and nothing is logged; names are case-insensitive (Socket, SOCKET).",
)
NO_SOCKET = entry(
    711,
    ERROR,
    "no Socket",
    "`milter socket must be specified`: opendkim does not start, although `opendkim -n` reports no error.",
    stops_daemon=True,
)
NO_USER = entry(
    712,
    ERROR,
    "UserID names an unknown user",
    "`no such user`: opendkim does not start, although `opendkim -n` reports no error.",
    stops_daemon=True,
)
COMMAND_LINE = entry(
    713,
    WARNING,
    "the unit's command line overrides opendkim.conf",
    "-p on the command line replaces Socket. Debian's opendkim.service.generate once wrote such drop-ins.",
)
STALE_DEFAULT = entry(
    714,
    INFO,
    "/etc/default/opendkim differs from the settings in use",
    "The systemd unit does not read this file; only the old init script does. Editing it has no effect.",
)
PID_FILE = entry(
    715,
    ERROR,
    "PidFile differs from the unit's PIDFile",
    "With Type=forking systemd waits for PIDFile and stops the daemon when the file does not appear.",
)
AUTO_RESTART = entry(
    716,
    INFO,
    "AutoRestart without a limit",
    "A daemon that crashes at once is restarted forever, and systemd, which has its own Restart=, never learns "
    "that it failed. With AutoRestartRate the parent process exits in the end, and systemd handles the failure.",
)
BAD_RATE = entry(
    717,
    ERROR,
    "invalid AutoRestartRate",
    "The format is COUNT/TIME, such as 10/1h; with anything else opendkim does not start, although `opendkim -n` "
    "reports no error.",
    stops_daemon=True,
)
OMITTED_HEADERS = entry(
    718,
    WARNING,
    "OmitHeaders excludes header fields that should be signed",
    "From must always be signed, and the fields that readers see should be (RFC 6376 §5.4); unsigned ones can be "
    "added or changed.",
)
OVERSIGN = entry(
    719,
    WARNING,
    "OversignHeaders names a field that SignHeaders omits",
    "Such a field is signed as absent: every signature fails for mail that has it.",
)
NOTHING_SIGNS = entry(
    720,
    ERROR,
    "signing is not configured",
    "There is neither a KeyTable with a SigningTable nor Domain, Selector and KeyFile, the SigningTable has no row, or "
    "Mode excludes signing.",
    "sudo dkimctl setup DOMAIN",
)
SHA1 = entry(721, ERROR, "mail is signed with SHA-1", "Verifiers must not accept rsa-sha1 (RFC 8301 §3.1).")
ED25519 = entry(
    722,
    WARNING,
    "mail is signed with Ed25519 only",
    "Many receivers verify RSA only, so a message should have an RSA signature as well, with a selector of its own "
    "(RFC 8463 §6). opendkim 2.11 signs with one algorithm; a second instance after it can add the other.",
)
NO_LOGGING = entry(
    723,
    INFO,
    "the log does not say why mail is not signed",
    "Without LogWhy nothing is logged about unsigned mail.",
)
RUNS_AS_ROOT = entry(
    725,
    WARNING,
    "the daemon keeps running as root",
    "Without UserID it never drops root privileges, and refuses keys that belong to another user.",
)
BERKELEY = entry(
    726,
    WARNING,
    "Berkeley DB used as a table",
    "db: is not thread-safe in Debian's opendkim: it crashes under load, and hangs at a reload.",
)
SQL = entry(
    727,
    INFO,
    "table in a database",
    "With dsn: the daemon does not start while the database is down or a row names a missing key, and crashes "
    "when the connection is lost.",
)
TESTKEY = entry(
    730,
    INFO,
    "opendkim-testkey cannot read a KeyTable of patterns",
    "It refuses refile: (`invalid data set type`), and for a file: table it exits 0 even when keys fail; its `key"
    " not secure` means DNSSEC, not file modes. Use dkimctl verify-dns.",
)
REFILE_KEYS = entry(
    731,
    WARNING,
    "large KeyTable of patterns",
    "In a refile: KeyTable every name is a pattern, and all are tried in turn for each message: 267 ms per "
    "message at 100,000 rows, where a file: table takes 7 ms (measured). Up to about 1,000 rows the difference "
    "does not matter.",
)
CHROOT = entry(
    732,
    WARNING,
    "ChangeRootDirectory is set",
    "Every path is then relative to that directory; dkimctl does not follow them.",
)
FUTURE = entry(
    733,
    ERROR,
    "setting of a newer opendkim",
    f"opendkim 2.11.0 beta 2, the version of Debian 12, does not know it. {_NO_START}",
    stops_daemon=True,
)
BESIDE_TABLES = entry(
    734,
    ERROR,
    "a key on the command line together with tables",
    f"-k and -s on the command line, and KeyTable with SigningTable in the file, exclude each other. {_NO_START}",
    stops_daemon=True,
)
SANDBOX = entry(
    735,
    ERROR,
    "the unit's sandbox blocks a path that the daemon needs",
    "ProtectSystem, ProtectHome, PrivateTmp and similar settings hide paths or make them read-only for this "
    "service: the daemon cannot create its socket or PID file (it does not start, exit 69), or cannot read a key "
    "or a table.",
)
SIGNATURE_TTL = entry(
    736,
    INFO,
    "signatures expire before Postfix gives up on mail",
    "With SignatureTTL (x=, RFC 6376 §3.5) a message that is delivered late arrives with an expired signature, which "
    "verifiers may refuse. signature_ttl in dkimctl.toml sets it.",
)
