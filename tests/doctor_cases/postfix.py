"""Broken Postfix configurations."""

from tests.doctor_cases.base import SOCK, Case, both, inet
from tests.host_tree import (
    MAIN_PATH,
    MASTER_PATH,
    OPENDKIM,
    POSTFIX,
    Tree,
)

OVER_TCP = lambda name: both(inet, lambda t: t.main("smtpd_milters", name))  # noqa: E731


SMTP = "smtp inet n - y - - smtpd\n"
SUBMISSION = "submission inet n - y - - smtpd\n  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
PIPE = "scan unix - n n - 10 pipe\n  flags=Rq user=nobody argv=/etc/postfix/scan -f ${sender} -- ${recipient}\n"
BACK_IN = "127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n"
LOCAL = "pickup unix n - n 60 1 pickup\n  -o content_filter=\n"  # as amavis' own guide has it
POSTFIX_CASES = [
    Case("smtpd_milters empty", 10, "DKIM801", lambda t: t.main("smtpd_milters", "")),
    Case("non_smtpd_milters empty", 10, "DKIM802", lambda t: t.main("non_smtpd_milters", "")),
    Case("another socket", 4, "DKIM805", lambda t: t.main("smtpd_milters", "inet:localhost:8891")),
    Case(
        "another port",
        4,
        "DKIM805",
        both(
            lambda t: t.conf("Socket", "inet:12301@127.0.0.1"),
            OVER_TCP("inet:localhost:8891"),
            lambda t: t.conf("Socket", "inet:12301@127.0.0.1"),
        ),
    ),
    Case("a milter in quotes", 4, "DKIM803", lambda t: t.main("smtpd_milters", '"unix:opendkim/opendkim.sock"')),
    Case("opendkim's spelling in main.cf", 4, "DKIM803", OVER_TCP("inet:8891@127.0.0.1")),
    Case(
        "socket outside the chroot",
        3,
        "DKIM804",
        both(
            lambda t: t.conf("Socket", "local:/run/opendkim/opendkim.sock"),
            lambda t: t.main("smtpd_milters", "unix:/run/opendkim/opendkim.sock"),
        ),
    ),
    Case("absolute path in a chroot", 3, "DKIM804", lambda t: t.main("smtpd_milters", f"unix:{SOCK}/opendkim.sock")),
    Case(
        "localhost in a chroot without hosts",
        3,
        "DKIM815",
        both(OVER_TCP("inet:localhost:8891"), lambda t: t.directory("/var/spool/postfix/etc", 0o755)),
    ),
    Case(
        "a name that the chroot does not know",
        3,
        "DKIM815",
        both(
            lambda t: t.conf("Socket", "inet:8891@ark"),
            lambda t: t.main("smtpd_milters", "inet:ark:8891"),
            lambda t: t.directory("/var/spool/postfix/etc", 0o755),
            lambda t: t.write("/var/spool/postfix/etc/hosts", "127.0.0.1 localhost\n"),
        ),
    ),
    Case("socket directory 0750 of opendkim", 5, "DKIM806", lambda t: t.change(SOCK, 0o750, OPENDKIM)),
    Case("socket directory without setgid", 5, "DKIM806", lambda t: t.change(SOCK, 0o750, (OPENDKIM[0], POSTFIX[1]))),
    Case(
        "the article's UMask",
        5,
        "DKIM806",
        both(lambda t: t.change(SOCK, 0o755, OPENDKIM), lambda t: t.conf("UMask", "002")),
    ),
    Case("UMask 077", 5, "DKIM806", lambda t: t.conf("UMask", "077")),
    Case(
        "socket open to everybody",
        5,
        "DKIM808",
        both(lambda t: t.change(SOCK, 0o755, OPENDKIM), lambda t: t.conf("UMask", "000")),
    ),
    Case(
        "master.cf empties smtpd_milters", 10, "DKIM809", lambda t: t.write(MASTER_PATH, f"{SMTP}  -o smtpd_milters=\n")
    ),
    Case(
        "postscreen's smtpd without milters",
        10,
        "DKIM809",
        lambda t: t.write(
            MASTER_PATH,
            "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n  -o smtpd_milters=\n",
        ),
    ),
    Case(
        "submission without milters",
        10,
        "DKIM809",
        lambda t: t.append(MASTER_PATH, "submission inet n - y - - smtpd\n  -o smtpd_milters=\n"),
    ),
    Case(
        "submission with no_milters",
        10,
        "DKIM809",
        lambda t: t.append(MASTER_PATH, "submission inet n - y - - smtpd\n  -o receive_override_options=no_milters\n"),
    ),
    Case(
        "users' mail signed before and after the filter",
        11,
        "DKIM810",
        lambda t: t.write(MASTER_PATH, f"{SUBMISSION}  -o content_filter=scan:[127.0.0.1]:10024\n{BACK_IN}{LOCAL}"),
    ),
    Case(
        "users' mail signed before the pipe and after it",
        11,
        "DKIM810",
        lambda t: t.write(MASTER_PATH, f"{SMTP}{SUBMISSION}  -o content_filter=scan:dummy\n{PIPE}"),
    ),
    Case(
        "users' mail signed before a before-queue filter alone",
        12,
        "DKIM825",
        lambda t: t.write(
            MASTER_PATH,
            f"{SMTP}{SUBMISSION}  -o smtpd_proxy_filter=127.0.0.1:10024\n"
            f"{BACK_IN}  -o receive_override_options=no_milters\n",
        ),
    ),
    Case(
        "mail from outside returns from a filter and is signed",
        11,
        "DKIM828",
        both(
            lambda t: t.main("content_filter", "scan:[127.0.0.1]:10024"),
            lambda t: t.append(MASTER_PATH, BACK_IN + LOCAL),
        ),
    ),
    Case(
        "the daemon twice in one list",
        11,
        "DKIM816",
        lambda t: t.main("smtpd_milters", "unix:opendkim/opendkim.sock, unix:opendkim/opendkim.sock"),
    ),
    Case(
        "a milter after the daemon",
        12,
        "DKIM811",
        lambda t: t.main("smtpd_milters", "unix:opendkim/opendkim.sock, inet:127.0.0.1:11332"),
    ),
    Case("filter after signing", 12, "DKIM812", lambda t: t.main("content_filter", "scan:[127.0.0.1]:10024")),
    Case(
        "pipe after signing",
        12,
        "DKIM812",
        both(
            lambda t: t.write(MASTER_PATH, f"{SMTP}  -o content_filter=scan:dummy\n{PIPE}"),
            lambda t: t.main("non_smtpd_milters", ""),
        ),
    ),
    Case(
        "mail from outside returns over sendmail(1) and is signed",
        11,
        "DKIM828",
        lambda t: t.write(MASTER_PATH, f"{SMTP}  -o content_filter=scan:dummy\n{PIPE}"),
    ),
    Case(
        "signed before a before-queue filter alone",
        12,
        "DKIM825",
        lambda t: t.write(
            MASTER_PATH,
            f"{SMTP}  -o smtpd_proxy_filter=127.0.0.1:10024\n{BACK_IN}  -o receive_override_options=no_milters\n",
        ),
    ),
    Case("rewriting after signing", 12, "DKIM820", lambda t: t.main("smtp_generic_maps", "hash:/etc/postfix/generic")),
    Case("header checks after signing", 12, "DKIM820", lambda t: t.main("smtp_header_checks", "regexp:/etc/postfix/h")),
    Case("milter_default_action = accept", 23, "DKIM813", lambda t: t.main("milter_default_action", "accept")),
    Case(
        "accept in braces",
        23,
        "DKIM813",
        lambda t: t.main("smtpd_milters", "{ unix:opendkim/opendkim.sock, default_action=accept }"),
    ),
    Case("milter_default_action = quarantine", 23, "DKIM814", lambda t: t.main("milter_default_action", "quarantine")),
    Case("an action in capitals", 23, "DKIM832", lambda t: t.main("milter_default_action", "Accept")),
    Case("no milters at all", 10, "DKIM830", lambda t: t.main("receive_override_options", "no_milters")),
    Case(
        "no milters for sendmail(1)",
        10,
        "DKIM830",
        lambda t: t.append(MASTER_PATH, "pickup unix n - y 60 1 pickup\n  -o receive_override_options=no_milters\n"),
    ),
    Case("milters by client", 10, "DKIM831", lambda t: t.main("smtpd_milter_maps", "cidr:/etc/postfix/milters")),
    Case(
        "logins that the daemon does not learn of",
        10,
        "DKIM829",
        both(
            lambda t: t.main("smtpd_sasl_auth_enable", "yes"),
            lambda t: t.main("milter_mail_macros", "i {auth_authen} {mail_addr}"),
        ),
    ),
    Case(
        "logins told without braces",
        10,
        "DKIM829",
        both(
            lambda t: t.main("smtpd_sasl_auth_enable", "yes"),
            lambda t: t.main("milter_mail_macros", "i auth_type {mail_addr}"),
        ),
    ),
    Case(
        "rewriting at one service after signing",
        12,
        "DKIM820",
        lambda t: t.append(
            MASTER_PATH, "relay unix - - y - - smtp\n  -o smtp_generic_maps=hash:/etc/postfix/generic\n"
        ),
    ),
    Case(
        "localhost is ::1 for Postfix alone",
        4,
        "DKIM805",
        both(
            OVER_TCP("inet:localhost:8891"),
            lambda t: t.main("inet_protocols", "all"),
            lambda t: t.write("/etc/hosts", "::1 localhost\n127.0.0.1 localhost\n"),
            lambda t: t.write("/var/spool/postfix/etc/hosts", "::1 localhost\n127.0.0.1 localhost\n"),
        ),
    ),
    Case("::1 at Postfix, 127.0.0.1 at opendkim", 4, "DKIM805", OVER_TCP("inet:[::1]:8891")),
    Case("milter_protocol = 1", 23, "DKIM823", lambda t: t.main("milter_protocol", "1")),
    Case("milter_protocol = 9", 23, "DKIM823", lambda t: t.main("milter_protocol", "9")),
    Case("bounces unsigned", 10, "DKIM818", lambda t: None),
    Case("TCP is slow", 4, "DKIM819", inet),
    Case(
        "postfix in group opendkim",
        5,
        "DKIM817",
        lambda t: t.swap("/etc/group", "opendkim:x:3107:", "opendkim:x:3107:postfix"),
    ),
]


def second_instance(tree: Tree) -> None:
    """A second Postfix that knows nothing of the daemon."""
    tree.main("multi_instance_enable", "yes")
    tree.main("multi_instance_directories", "/etc/postfix-out")
    lines = tree.at(MAIN_PATH).read_text().splitlines()
    tree.write("/etc/postfix-out/main.cf", "\n".join(line for line in lines if "milters" not in line) + "\n")
    tree.write("/etc/postfix-out/master.cf", tree.at(MASTER_PATH).read_text())


def second(tree: Tree, settings: str) -> None:
    """Settings of the second Postfix, the last of which count."""
    tree.append("/etc/postfix-out/main.cf", settings + "\n")


POSTFIX_CASES.append(Case("second instance without milters", 10, "DKIM801", second_instance))
