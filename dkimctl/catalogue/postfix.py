"""DKIM8xx: the way from Postfix to the daemon."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

NOT_ASKED = entry(
    801, ERROR, "Postfix does not ask the daemon about mail from SMTP", "smtpd_milters does not name its socket."
)
LOCAL_NOT_ASKED = entry(
    802,
    WARNING,
    "mail from sendmail(1) and cron is not signed",
    "non_smtpd_milters does not name the daemon's socket; web applications use this way too.",
)
BAD_MILTER = entry(
    803,
    ERROR,
    "a milter that Postfix cannot parse",
    "Postfix writes inet:HOST:PORT and unix:PATH; with opendkim's inet:PORT@HOST each smtpd dies at once.",
)
OUTSIDE_CHROOT = entry(
    804,
    ERROR,
    "the socket lies outside Postfix's chroot",
    "A chrooted smtpd or cleanup sees the queue directory as /: `connect to Milter service …: No such file`.",
)
OTHER_SOCKET = entry(
    805,
    ERROR,
    "Postfix asks at another socket than the daemon's",
    "`connect to Milter service …`: mail is deferred, or goes unsigned with milter_default_action=accept.",
)
SOCKET_DENIED = entry(
    806,
    ERROR,
    "Postfix may not connect to the socket",
    "`connect to Milter service …: Permission denied`: its user needs write permission on the socket and search "
    "permission on every directory above it.",
)
NO_SOCKET_DIRECTORY = entry(
    807,
    ERROR,
    "the daemon cannot make its socket",
    "`Unable to bind to port …`: the directory is missing, or the daemon may not write there; it does not start.",
)
OPEN_SOCKET = entry(
    808, WARNING, "every user of this machine may use the socket", "Whoever connects can have any mail signed."
)
OVERRIDE = entry(
    809,
    ERROR,
    "master.cf keeps a service's mail from the daemon",
    "`-o smtpd_milters=` of one service replaces main.cf, without a word in the log.",
)
SIGNS_TWICE = entry(
    810,
    ERROR,
    "mail comes back from a content filter and is signed again",
    "Two signatures with the same d= and s=; some receivers refuse mail with a doubled DKIM-Signature field.",
)
NOT_LAST = entry(
    811, WARNING, "a milter comes after the daemon", "What it changes breaks the signature: `body hash did not verify`."
)
FILTERED_AFTER = entry(
    812,
    WARNING,
    "a content filter gets the mail after it was signed",
    "Disclaimers, footers and rewriting break the signature. Sign authenticated mail where it comes back from a filter "
    "of its own; never where mail from strangers comes back too.",
)
ACCEPTS = entry(
    813,
    WARNING,
    "while the daemon is down mail goes out unsigned",
    "milter_default_action = accept, and nobody notices but the receivers. tempfail makes mail wait instead.",
)
REJECTS = entry(
    814,
    WARNING,
    "while the daemon is down mail is lost or held",
    "reject bounces it; quarantine holds it, and what postsuper -H releases goes out unsigned.",
)
NO_HOSTS_IN_CHROOT = entry(
    815,
    ERROR,
    "a chrooted service cannot resolve the milter's name",
    "Without etc/hosts in the chroot: `connect to Milter service …: Cannot assign requested address`.",
)
TWICE_IN_LIST = entry(816, ERROR, "the daemon stands twice in a list of milters", "Each message gets two signatures.")
SHARED_GROUP = entry(
    817,
    INFO,
    "Postfix is a member of the daemon's group",
    "The usual recipe for the socket, but keys that the group can read are refused from then on. A socket directory "
    "2750 opendkim:postfix needs no member.",
)
BOUNCES = entry(
    818,
    INFO,
    "bounces and notifications are not signed",
    "They are only with internal_mail_filter_classes = bounce, notify and non_smtpd_milters.",
)
SLOW_SOCKET = entry(
    819,
    INFO,
    "the milter is asked over TCP",
    "97 ms a message against 12 over a Unix socket, in one SMTP session (Nagle's algorithm and delayed ACKs).",
)
CHANGED_AFTER = entry(
    820,
    WARNING,
    "Postfix changes mail after it was signed",
    "smtp_generic_maps and smtp_*_checks rewrite mail on its way out, after the milters.",
)
NO_POSTFIX = entry(
    822, INFO, "no Postfix is configured", "Nothing on this host hands mail to the daemon that could be looked at."
)
OLD_PROTOCOL = entry(
    823,
    WARNING,
    "an old milter protocol",
    "opendkim needs milter_protocol 2 or later; 6 is the default since Postfix 2.6.",
)
SOCKET_IN_WAY = entry(
    824,
    ERROR,
    "something else lies where the socket goes",
    "The daemon removes only its own old socket: `socket cleanup failed`, and it does not start.",
)
BEFORE_QUEUE = entry(
    825,
    ERROR,
    "a before-queue filter keeps mail from the daemon",
    "With smtpd_proxy_filter the milters of that service see no header and no body (SMTPD_PROXY_README): sign where "
    "the filter hands mail back.",
)
NOT_AFTER_BOOT = entry(
    826,
    WARNING,
    "the socket's directory is gone after the next boot",
    "/run is empty after a boot; what systemd does not make there is missing: `Unable to bind to port`, and opendkim "
    "does not start.",
)
OPEN_PORT = entry(
    827,
    WARNING,
    "the daemon listens at every address",
    "Whoever reaches the port can say that the mail comes from 127.0.0.1, and has it signed. Right only where another "
    "host's Postfix asks it, behind a packet filter.",
)
STRANGERS_SIGNED = entry(
    828,
    ERROR,
    "mail from strangers comes back from a filter as internal, and is signed",
    "A content filter hands mail back over loopback or sendmail(1); the daemon then sees a client at 127.0.0.1, which "
    "is internal. A stranger's mail with your domain in From leaves with your signature (measured). Sign where mail "
    "comes in: there the daemon sees the real client, and signs only for those who log in or are internal.",
)
NO_AUTH_MACRO = entry(
    829,
    ERROR,
    "Postfix does not tell the daemon who logged in",
    "opendkim signs for authenticated clients by the macro {auth_type}; without it in milter_mail_macros their mail "
    "leaves unsigned, although {auth_authen} is sent (measured).",
)
NO_MILTERS = entry(
    830,
    ERROR,
    "receive_override_options keeps mail from every milter",
    "no_milters in main.cf counts for every service, at pickup for mail from sendmail(1): the daemon is never asked.",
)
MILTER_MAPS = entry(
    831,
    WARNING,
    "smtpd_milter_maps decides which milters are asked",
    "For a client in that table its own list of milters replaces smtpd_milters; DISABLE turns all of them off. The "
    "table is not looked into here.",
)
BAD_ACTION = entry(
    832,
    ERROR,
    "a milter_default_action that Postfix does not know",
    "It knows accept, reject, tempfail, quarantine and, in newer versions, shutdown, in lower case. With anything else "
    "each mail gets `451 4.3.5 Server configuration problem` while the daemon is down.",
)
