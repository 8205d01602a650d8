"""DKIM8xx: the path from Postfix to the daemon."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

NOT_ASKED = entry(
    801, ERROR, "Postfix does not use the daemon for mail from SMTP", "smtpd_milters does not name its socket."
)
LOCAL_NOT_ASKED = entry(
    802,
    WARNING,
    "mail from sendmail(1) and cron is not signed",
    "non_smtpd_milters does not name the daemon's socket; web applications send mail this way too.",
)
BAD_MILTER = entry(
    803,
    ERROR,
    "a milter that Postfix cannot parse",
    "Postfix writes inet:HOST:PORT and unix:PATH; with opendkim's inet:PORT@HOST each smtpd exits at once.",
)
OUTSIDE_CHROOT = entry(
    804,
    ERROR,
    "the socket is outside Postfix's chroot",
    "A chrooted smtpd or cleanup sees the queue directory as /: `connect to Milter service …: No such file`.",
)
OTHER_SOCKET = entry(
    805,
    ERROR,
    "Postfix uses another socket than the daemon",
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
    "the daemon cannot create its socket",
    "`Unable to bind to port …`: the directory is missing, or the daemon may not write to it; the daemon does not"
    " start.",
)
OPEN_SOCKET = entry(
    808, WARNING, "every user of this machine can use the socket", "Anyone who connects can have any mail signed."
)
OVERRIDE = entry(
    809,
    ERROR,
    "master.cf keeps a service's mail from the daemon",
    "`-o smtpd_milters=` of one service overrides main.cf, and nothing is logged.",
)
SIGNS_TWICE = entry(
    810,
    ERROR,
    "mail returns from a content filter and is signed again",
    "It gets two signatures with the same d= and s=; some receivers reject mail with more than one DKIM-Signature.",
)
NOT_LAST = entry(
    811, WARNING, "a milter runs after the daemon", "Its changes break the signature: `body hash did not verify`."
)
FILTERED_AFTER = entry(
    812,
    WARNING,
    "a content filter runs after signing",
    "Disclaimers, footers and rewriting break the signature. Sign authenticated mail where it returns from a "
    "filter of its own; never where mail from outside returns as well.",
)
ACCEPTS = entry(
    813,
    WARNING,
    "mail is sent unsigned while the daemon is down",
    "milter_default_action = accept: only the receivers notice. With tempfail the mail is deferred instead.",
)
REJECTS = entry(
    814,
    WARNING,
    "mail is lost or held while the daemon is down",
    "reject bounces it; quarantine holds it, and what postsuper -H releases is sent unsigned.",
)
NO_HOSTS_IN_CHROOT = entry(
    815,
    ERROR,
    "a chrooted service cannot resolve the milter's name",
    "Without etc/hosts in the chroot: `connect to Milter service …: Cannot assign requested address`.",
)
TWICE_IN_LIST = entry(816, ERROR, "the daemon is listed twice as a milter", "Each message gets two signatures.")
SHARED_GROUP = entry(
    817,
    INFO,
    "Postfix is a member of the daemon's group",
    "The usual recipe for the socket, but keys that the group can read are then refused. A socket directory 2750 "
    "opendkim:postfix needs no group membership.",
)
BOUNCES = entry(
    818,
    INFO,
    "bounces and notifications are not signed",
    "They are signed only with internal_mail_filter_classes = bounce, notify and non_smtpd_milters.",
)
SLOW_SOCKET = entry(
    819,
    INFO,
    "Postfix connects to the milter over TCP",
    "97 ms per message against 12 over a Unix socket, in one SMTP session (Nagle's algorithm and delayed ACKs).",
)
CHANGED_AFTER = entry(
    820,
    WARNING,
    "Postfix changes mail after signing",
    "smtp_generic_maps and smtp_*_checks rewrite outgoing mail after the milters have run.",
)
NO_POSTFIX = entry(
    822,
    INFO,
    "Postfix is not configured",
    "No mail server on this host passes mail to the daemon, as far as dkimctl can check.",
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
    "another file is in the socket's place",
    "The daemon removes only its own old socket: `socket cleanup failed`, and it does not start.",
)
BEFORE_QUEUE = entry(
    825,
    ERROR,
    "a before-queue filter keeps mail from the daemon",
    "With smtpd_proxy_filter the milters of that service see neither header nor body (SMTPD_PROXY_README): sign "
    "where the filter returns the mail.",
)
NOT_AFTER_BOOT = entry(
    826,
    WARNING,
    "the socket's directory will be missing after a reboot",
    "/run is empty after a boot; a directory that systemd does not create there is missing: `Unable to bind to "
    "port`, and opendkim does not start.",
)
OPEN_PORT = entry(
    827,
    WARNING,
    "the daemon listens on every address",
    "Anyone who reaches the port can claim that mail comes from 127.0.0.1 and have it signed. Acceptable only "
    "where the Postfix of another host uses it, protected by a packet filter.",
)
OUTSIDE_MAIL_SIGNED = entry(
    828,
    ERROR,
    "mail from outside returns from a filter as internal and is signed",
    "A content filter returns mail over loopback or sendmail(1); the daemon then sees a client at 127.0.0.1, "
    "which is internal. Mail from outside with your domain in From leaves with your signature (measured). Sign "
    "where mail comes in: there the daemon sees the real client, and signs only for clients that log in or are "
    "internal.",
)
NO_AUTH_MACRO = entry(
    829,
    ERROR,
    "Postfix does not pass the login to the daemon",
    "opendkim recognises authenticated clients by the macro {auth_type}; without it in milter_mail_macros their "
    "mail leaves unsigned, although {auth_authen} is sent (measured).",
)
NO_MILTERS = entry(
    830,
    ERROR,
    "receive_override_options bypasses all milters",
    "no_milters in main.cf applies to every service, at pickup to mail from sendmail(1): the daemon gets no mail.",
)
MILTER_MAPS = entry(
    831,
    WARNING,
    "smtpd_milter_maps decides which milters are used",
    "For a client in that table its own list of milters replaces smtpd_milters; DISABLE turns all of them off. "
    "doctor does not read the table.",
)
BAD_ACTION = entry(
    832,
    ERROR,
    "invalid milter_default_action",
    "Postfix accepts accept, reject, tempfail, quarantine and, in newer versions, shutdown, in lower case. With "
    "anything else each mail gets `451 4.3.5 Server configuration problem` while the daemon is down.",
)
