"""DKIM9xx: what runs, the clock, and what could not be looked at."""

from dkimctl.catalogue.entries import ERROR, INFO, OK, UNKNOWN, WARNING, entry

RIGHT = entry(900, OK, "no check found an error", "Every check that applies here was made, and none found an error.")
NOT_RUNNING = entry(
    901,
    ERROR,
    "nothing listens at the daemon's socket",
    "Mail is deferred, or goes unsigned with milter_default_action = accept.",
    "systemctl start opendkim",
)
NOT_A_MILTER = entry(
    902,
    ERROR,
    "what listens at the socket is no milter",
    "It accepts connections and stays silent, or speaks another protocol.",
)
RESTART = entry(
    903,
    ERROR,
    "the daemon runs, but not with this Socket",
    "Socket, UserID, UMask, PidFile and AutoRestart count only from the next start; a reload does not apply them.",
    "systemctl restart opendkim",
)
STALE_CONF = entry(
    904,
    INFO,
    "opendkim.conf or a table is newer than the running daemon",
    "The daemon takes up a change at SIGUSR1, some settings only at a restart. Whether that was done cannot be seen.",
    "systemctl reload opendkim",
)
UNSYNCHRONISED = entry(
    910,
    WARNING,
    "the kernel's clock is not synchronised",
    "Receivers refuse signatures from the future (`Signature date is -19 seconds in the future`, RFC 6376 §3.5 t=).",
    "timedatectl set-ntp true  # or: apt-get install chrony",
)
CLOCK_WRONG = entry(
    911,
    ERROR,
    "the clock is wrong",
    "Signatures carry t=; receivers refuse those from the future.",
    "timedatectl set-ntp true  # then wait until timedatectl says that the clock is synchronised",
)
CLOCK_UNKNOWN = entry(
    912, UNKNOWN, "the clock could not be checked", "Neither the kernel nor a time daemon said whether it is right."
)
TESTKEY_CRON = entry(
    915,
    WARNING,
    "a cron job relies on opendkim-testkey",
    "Over a KeyTable it exits 0 even when keys fail, so the job never tells.",
    "dkimctl verify-dns  # exits 1 for what is wrong and 3 for what could not be asked",
)
UNREAD = entry(
    990,
    UNKNOWN,
    "something could not be read",
    "What stands there is not known, and so is everything that follows from it.",
    "sudo dkimctl doctor",
)
NOT_INSTALLED = entry(
    991, ERROR, "opendkim is not installed", "There is no daemon that could sign.", "apt-get install opendkim"
)
STAGING = entry(
    992,
    INFO,
    "a tree below --root",
    "What runs, sockets and the clock belong to the machine, not to a tree, and were not looked at.",
)
ANOTHER = entry(
    993,
    INFO,
    "another signer than opendkim",
    "The configuration names rspamd or dkimpy-milter: whether it listens and Postfix asks it is looked at, its own "
    "files are not. `dkimctl selftest` shows whether it signs.",
    "dkimctl selftest",
)
