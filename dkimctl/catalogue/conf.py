"""DKIM70x to DKIM74x: opendkim.conf, and how the daemon is started."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

_NO_START = "opendkim does not start (exit 78), and a running one keeps its old settings at a reload."

NO_CONF = entry(
    701,
    ERROR,
    "there is no opendkim.conf",
    "Without it the daemon has no Socket and no key, and does not start.",
    "dkimctl render-config --install",
    stops_daemon=True,
)
UNKNOWN_NAME = entry(702, ERROR, "an unknown parameter", _NO_START, stops_daemon=True)
NO_VALUE = entry(703, ERROR, "a parameter without a value", _NO_START, stops_daemon=True)
BAD_VALUE = entry(704, ERROR, "a value that opendkim does not know", _NO_START, stops_daemon=True)
BAD_INCLUDE = entry(705, ERROR, "an Include that cannot be read", _NO_START, stops_daemon=True)
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
    "one of two settings that need each other",
    f"KeyTable and SigningTable, or KeyFile and Selector: one without the other is refused. {_NO_START}",
    stops_daemon=True,
)
BAD_KIND = entry(
    708,
    ERROR,
    "a data set of a kind that opendkim does not have",
    f"`Unknown database type`: a typing mistake, mdb: (not compiled in), or an inline list that begins with an IPv6 "
    f"address and needs csl: in front. {_NO_START}",
    stops_daemon=True,
)
NO_DATA_SET = entry(
    709, ERROR, "a table's file does not exist", f"`dkimf_db_open(): No such file`. {_NO_START}", stops_daemon=True
)
TWICE = entry(
    710,
    WARNING,
    "a parameter is set twice",
    "The last one counts, without a word in the log; names have no case (Socket, SOCKET).",
)
NO_SOCKET = entry(
    711,
    ERROR,
    "no Socket",
    "`milter socket must be specified`: opendkim does not start, though `opendkim -n` is content.",
    stops_daemon=True,
)
NO_USER = entry(
    712,
    ERROR,
    "UserID names nobody",
    "`no such user`: opendkim does not start, though `opendkim -n` is content.",
    stops_daemon=True,
)
COMMAND_LINE = entry(
    713,
    WARNING,
    "the unit's command line beats opendkim.conf",
    "-p on the command line replaces Socket. Debian's opendkim.service.generate once wrote such drop-ins.",
)
STALE_DEFAULT = entry(
    714,
    INFO,
    "/etc/default/opendkim says something else",
    "systemd's unit does not read this file; only the old init script does. Whoever edits it waits in vain.",
)
PID_FILE = entry(
    715,
    ERROR,
    "PidFile is not the one that the unit waits for",
    "With Type=forking systemd waits for PIDFile and ends the daemon when it does not come.",
)
AUTO_RESTART = entry(
    716,
    INFO,
    "AutoRestart without a limit",
    "A daemon that dies at once is started again for ever, and systemd, which has Restart= too, never hears that it "
    "failed. With AutoRestartRate the parent process gives up in the end, and systemd takes over.",
)
BAD_RATE = entry(
    717,
    ERROR,
    "AutoRestartRate is no rate",
    "It is COUNT/TIME such as 10/1h; with anything else opendkim does not start, though `opendkim -n` is content.",
    stops_daemon=True,
)
OMITS = entry(
    718,
    WARNING,
    "OmitHeaders leaves out fields that should be signed",
    "RFC 6376 §5.4 wants From signed always, and the fields that people see; unsigned ones can be added or changed.",
)
OVERSIGN = entry(
    719,
    WARNING,
    "OversignHeaders names a field that SignHeaders leaves out",
    "Such a field is signed as absent: where the mail has it, every signature fails.",
)
NOTHING_SIGNS = entry(
    720,
    ERROR,
    "nothing is set up to sign",
    "There is neither a KeyTable with a SigningTable nor Domain, Selector and KeyFile, or Mode leaves signing out.",
    "dkimctl render-config --install",
)
SHA1 = entry(721, ERROR, "mail is signed with SHA-1", "Verifiers must not accept rsa-sha1 any more (RFC 8301 §3.1).")
ED25519 = entry(
    722,
    WARNING,
    "mail is signed with Ed25519 alone",
    "Many receivers know RSA only (RFC 8463 §3 wants both). One opendkim 2.11 signs with one algorithm; a second one "
    "behind it can add the other.",
)
SILENT = entry(
    723,
    INFO,
    "the log does not say why mail goes unsigned",
    "Without LogWhy nothing at all is logged about unsigned mail.",
)
RUNS_AS_ROOT = entry(
    725,
    WARNING,
    "the daemon keeps running as root",
    "Without UserID it never gives up root, and refuses keys that belong to another user.",
)
BERKELEY = entry(
    726,
    WARNING,
    "a Berkeley data base as a table",
    "db: is not safe with threads in Debian's opendkim: under load it crashes, and hangs at a reload.",
)
SQL = entry(
    727,
    INFO,
    "a table in a data base",
    "With dsn: the daemon does not start while the data base is away or one row dangles, and crashes when it goes.",
)
TESTKEY = entry(
    730,
    INFO,
    "opendkim-testkey cannot read a KeyTable of patterns",
    "It refuses refile: (`invalid data set type`), and of a file: table it exits 0 even when keys fail; its `key not "
    "secure` means DNSSEC, not file modes. Use dkimctl verify-dns.",
)
REFILE_KEYS = entry(
    731,
    WARNING,
    "a long KeyTable of patterns",
    "In a refile: KeyTable every name is a pattern, and each message tries them in turn: 267 ms a message at 100,000 "
    "rows, where a file: table takes 7 ms (measured). Up to about 1,000 rows it does not matter.",
)
CHROOT = entry(
    732,
    WARNING,
    "the daemon changes its root directory",
    "With ChangeRootDirectory every path counts from there; that is not followed here.",
)
FUTURE = entry(
    733,
    ERROR,
    "a setting for a newer opendkim",
    f"opendkim 2.11.0 beta 2, Debian 12's, does not know it. {_NO_START}",
    stops_daemon=True,
)
BESIDE_TABLES = entry(
    734,
    ERROR,
    "a key on the command line beside tables",
    f"-k and -s of the command line, and KeyTable with SigningTable in the file, exclude each other. {_NO_START}",
    stops_daemon=True,
)
SANDBOX = entry(
    735,
    ERROR,
    "the unit keeps the daemon from a path that it needs",
    "ProtectSystem, ProtectHome, PrivateTmp and their like hide paths or make them read-only for this service alone: "
    "the daemon cannot make its socket or PID file (it does not start, exit 69), or cannot read a key or a table.",
)
