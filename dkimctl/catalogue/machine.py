"""DKIM9xx: running processes, the clock, and what could not be checked."""

from dkimctl.catalogue.entries import ERROR, INFO, OK, UNKNOWN, WARNING, entry

RIGHT = entry(900, OK, "no check found an error", "Every check that applies to this host ran, and none found an error.")
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
    "the program at the socket is not a milter",
    "It accepts connections and sends nothing, or speaks another protocol.",
)
RESTART = entry(
    903,
    ERROR,
    "the daemon runs with another Socket",
    "Socket, UserID, UMask, PidFile and AutoRestart take effect only at the next start; a reload does not apply them.",
    "systemctl restart opendkim",
)
STALE_CONF = entry(
    904,
    INFO,
    "opendkim.conf or a table is newer than the running daemon",
    "The daemon reads changes at SIGUSR1, some settings only at a restart. Whether that was done cannot be seen.",
    "systemctl reload opendkim",
)
UNSYNCHRONISED = entry(
    910,
    WARNING,
    "the system clock is not synchronised",
    "Receivers reject signatures from the future (`Signature date is -19 seconds in the future`, RFC 6376 §3.5 t=).",
    "timedatectl set-ntp true  # or: apt-get install chrony",
)
CLOCK_WRONG = entry(
    911,
    ERROR,
    "the clock is wrong",
    "Signatures carry the time in t=; receivers reject those from the future.",
    "timedatectl set-ntp true  # then wait until timedatectl reports the clock as synchronised",
)
CLOCK_UNKNOWN = entry(
    912, UNKNOWN, "the clock could not be checked", "Neither the kernel nor a time daemon reports whether it is right."
)
TESTKEY_CRON = entry(
    915,
    WARNING,
    "a cron job relies on opendkim-testkey",
    "With a KeyTable it exits 0 even when keys fail, so the job never reports a failure.",
    "dkimctl verify-dns  # exits 1 for errors and 3 for what could not be queried",
)
ROTATE_IDLE = entry(
    916,
    WARNING,
    "nothing runs rotate",
    "Keys that are due are not replaced, and a lost record or unsigned mail goes unnoticed. This is reported three "
    "days after the last run, or after a key began to sign.",
    "sudo dkimctl init  # or have cron run dkimctl rotate every day",
)
CLOCK_NOT_TRUSTED = entry(
    917,
    WARNING,
    "rotate does not trust the clock, and changes nothing",
    "Its last run is dated in the future, or more than 400 days ago: every waiting time would be wrong.",
    "timedatectl set-ntp true  # or, if the clock is right: rm /var/lib/dkimctl/rotate.json",
)
UNITS_OUTDATED = entry(
    918,
    WARNING,
    "the systemd units do not match this dkimctl and its configuration",
    "They are of another version, of an older dkimctl.toml or of another role in a fleet, or run a dkimctl that is "
    "gone: rotate may run at other hours, lack the right to write a file, or not run.",
    "sudo dkimctl init",
)
UNREAD = entry(
    990,
    UNKNOWN,
    "something could not be read",
    "Its content is unknown, and so is everything that depends on it.",
    "sudo dkimctl doctor",
)
NOT_INSTALLED = entry(
    991, ERROR, "opendkim is not installed", "There is no daemon to sign mail.", "apt-get install opendkim"
)
STAGING = entry(
    992,
    INFO,
    "checking a tree below --root",
    "Running processes, sockets and the clock belong to the machine and not to the tree, and were not checked.",
)
OTHER_SIGNER = entry(
    993,
    INFO,
    "a signer other than opendkim",
    "The configuration names rspamd or dkimpy-milter: doctor checks whether it listens and whether Postfix uses "
    "it, but not its own files. `dkimctl selftest` shows whether it signs.",
    "dkimctl selftest",
)
SIGNS_OTHERWISE = entry(
    905,
    ERROR,
    "the running daemon does not sign as its tables say",
    "A table or opendkim.conf was changed and the daemon not reloaded: a probe through its socket, which is not "
    "delivered, came back with another signature, or with none.",
    "systemctl reload opendkim",
)
