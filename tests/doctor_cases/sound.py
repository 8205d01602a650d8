"""Sound installations, in which nothing may be found."""

from tests.doctor_cases.base import DIRECTORY, Change, both, pem
from tests.doctor_cases.postfix import BACK_IN, LOCAL, OVER_TCP, PIPE, SMTP, SUBMISSION, inet, second, second_instance
from tests.host_tree import (
    CONF_PATH,
    DROP_IN,
    HOSTS,
    KEY,
    KEYS,
    MASTER_PATH,
    NOBODY,
    OPENDKIM,
    SIGNING,
    STAFF,
    Tree,
)


def refile_tables(tree: Tree) -> None:
    """The SigningTable as patterns."""
    tree.conf("SigningTable", f"refile:{SIGNING}")
    name = "mail._domainkey.example.com"
    tree.write(SIGNING, f"*@example.com {name}\n*@*.example.com {name}\n")


def included(tree: Tree) -> None:
    """opendkim.conf of the package with our settings in an Include at its end."""
    text = tree.at(CONF_PATH).read_text()
    tree.write("/etc/opendkim/dkimctl.conf", text)
    tree.write(CONF_PATH, "Syslog yes\nSocket local:/run/opendkim/opendkim.sock\nInclude /etc/opendkim/dkimctl.conf\n")


def key_file(tree: Tree) -> None:
    """One domain, without tables."""
    tree.conf("KeyTable", None)
    tree.conf("SigningTable", None)
    for name, value in (("Domain", "example.com"), ("Selector", "mail"), ("KeyFile", KEY)):
        tree.conf(name, value)


def many(tree: Tree) -> None:
    """Fifty domains with a key each."""
    for number in range(50):
        domain, path = f"d{number}.example", f"/etc/opendkim/keys/d{number}.example/mail.private"
        tree.directory(f"/etc/opendkim/keys/{domain}", 0o700, OPENDKIM)
        tree.key(path)
        tree.append(KEYS, f"{domain} {domain}:mail:{path}\n")
        tree.append(SIGNING, f"{domain} {domain}\n.{domain} {domain}\n")


def amavis(tree: Tree) -> None:
    """A content filter for users' mail before signing: it is signed where it comes back."""
    tree.main("content_filter", "scan:[127.0.0.1]:10024")
    tree.main("smtpd_milters", "")
    tree.main("non_smtpd_milters", "unix:opendkim/opendkim.sock")
    tree.write(MASTER_PATH, f"{SUBMISSION}{BACK_IN}  -o smtpd_milters=unix:opendkim/opendkim.sock\n{LOCAL}")


def linked(tree: Tree) -> None:
    """The key's path is a link in a directory that everybody may write."""
    tree.directory("/home/alice/links", 0o777, STAFF)
    tree.at("/home/alice/links/key").symlink_to(KEY)
    tree.swap(KEYS, KEY, "/home/alice/links/key")


def percent(tree: Tree) -> None:
    """One KeyTable row for every domain."""
    tree.write(KEYS, "all %:mail:/etc/opendkim/keys/%/mail.private\n")
    tree.write(SIGNING, "example.com all\n")


def bare(content: bytes) -> bytes:
    """Base64 without PEM's first and last line."""
    return b"".join(line for line in content.splitlines() if not line.startswith(b"-----")) + b"\n"


SOUND: list[tuple[str, Change]] = [
    ("as dkimctl renders it", lambda t: None),
    ("key 0400", lambda t: t.change(KEY, 0o400)),
    ("key 0640 in the daemon's own group", lambda t: t.change(KEY, 0o640)),
    ("key of root, readable by the daemon's group", lambda t: t.change(KEY, 0o640, (0, OPENDKIM[1]))),
    ("key in an empty group", lambda t: t.change(KEY, 0o640, (OPENDKIM[0], 4))),
    ("key directory 0750", lambda t: t.change(DIRECTORY, 0o750)),
    ("key directory 0770 in the daemon's own group", lambda t: t.change(DIRECTORY, 0o770)),
    ("key directory of root 0755", lambda t: t.change(DIRECTORY, 0o755, (0, 0))),
    ("another user's directory that nobody can write", lambda t: t.change(DIRECTORY, 0o555, NOBODY)),
    ("keys in /etc/dkimkeys", lambda t: t.move_key("/etc/dkimkeys/mail.private")),
    ("a link to the key", linked),
    ("PKCS#8 key with CRLF", lambda t: t.key(KEY, pem().replace(b"\n", b"\r\n"))),
    ("key as bare base64", lambda t: t.key(KEY, bare(pem()))),
    ("key of 4096 bits", lambda t: t.key(KEY, pem("rsa", 4096))),
    ("SigningTable refile:", refile_tables),
    ("settings in an Include", included),
    (
        "AutoRestart with a limit",
        both(lambda t: t.conf("AutoRestart", "yes"), lambda t: t.conf("AutoRestartRate", "10/1h")),
    ),
    ("one domain without tables", key_file),
    ("fifty domains", many),
    ("one KeyTable row for all", percent),
    ("over TCP", inet),
    (
        "over TCP by name, with hosts in the chroot",
        both(
            OVER_TCP("inet:localhost:8891"), lambda t: t.write("/var/spool/postfix/etc/hosts", "127.0.0.1 localhost\n")
        ),
    ),
    ("other milters first", lambda t: t.main("smtpd_milters", "inet:127.0.0.1:11332, unix:opendkim/opendkim.sock")),
    ("milter in braces", lambda t: t.main("smtpd_milters", "{ unix:opendkim/opendkim.sock, connect_timeout=5s }")),
    (
        "milter by macro",
        both(lambda t: t.main("dkim", "unix:opendkim/opendkim.sock"), lambda t: t.main("smtpd_milters", "$dkim")),
    ),
    ("signed after the content filter", amavis),
    ("a second instance that is off", both(second_instance, lambda t: second(t, "multi_instance_enable = no"))),
    (
        "a second instance that takes no mail by SMTP",
        both(
            second_instance,
            lambda t: second(
                t, "master_service_disable = inet\nnon_smtpd_milters = unix:/var/spool/postfix/opendkim/opendkim.sock"
            ),
            lambda t: t.write("/etc/postfix-out/master.cf", t.at(MASTER_PATH).read_text().replace(" y ", " n ")),
        ),
    ),
    (
        "a directory below /run that the unit makes",
        both(
            lambda t: t.write(DROP_IN, "[Service]\nRuntimeDirectory=dkim\n"),
            lambda t: t.write("/etc/tmpfiles.d/x.conf", "d /var/run/other 0750 opendkim postfix - -\n"),
        ),
    ),
    (
        "after postscreen",
        lambda t: t.write(MASTER_PATH, "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"),
    ),
    (
        "signed after the pipe",
        lambda t: t.write(MASTER_PATH, f"{SUBMISSION}  -o content_filter=scan:dummy\n  -o smtpd_milters=\n{PIPE}"),
    ),
    (
        "signed after the before-queue filter",
        lambda t: t.write(MASTER_PATH, f"{SUBMISSION}  -o smtpd_proxy_filter=127.0.0.1:10024\n{BACK_IN}"),
    ),
    (
        "signed after the content filter, by master.cf",
        both(
            lambda t: t.main("content_filter", "scan:[127.0.0.1]:10024"),
            lambda t: t.write(MASTER_PATH, f"{SUBMISSION}  -o smtpd_milters=\n{BACK_IN}{LOCAL}"),
        ),
    ),
    (
        "port 25 that does not sign, beside a submission service that does",
        lambda t: t.write(MASTER_PATH, f"{SMTP}  -o smtpd_milters=\n{SUBMISSION}"),
    ),
    ("way back in without milters", both(lambda t: t.append(MASTER_PATH, BACK_IN + "  -o smtpd_milters=\n"))),
    (
        "networks that are internal",
        both(
            lambda t: t.main("mynetworks", "127.0.0.0/8 192.0.2.0/24 [2001:db8::]/32"),
            lambda t: t.append(HOSTS, "192.0.2.0/23\n2001:db8::/32\n"),
        ),
    ),
    ("a Selector that nothing uses, beside tables", lambda t: t.conf("Selector", "mail")),
    (
        "nobody internal, signed by a macro",
        both(lambda t: t.conf("InternalHosts", "-"), lambda t: t.conf("MTA", "ORIGINATING")),
    ),
    ("inline hosts", lambda t: t.conf("InternalHosts", "127.0.0.1, ::1")),
    ("default hosts", lambda t: t.conf("InternalHosts", None)),
    (
        "CRLF in the tables",
        both(
            *(lambda t, p=p: t.write(p, t.at(p).read_bytes().replace(b"\n", b"\r\n")) for p in (KEYS, SIGNING, HOSTS))
        ),
    ),
    (
        "Socket in capitals, /var/run",
        both(
            lambda t: t.swap(CONF_PATH, "Socket ", "SOCKET "),
            lambda t: t.conf("PidFile", "/var/run/opendkim/opendkim.pid"),
        ),
    ),
    (
        "tables readable by the group only",
        both(*(lambda t, p=p: t.change(p, 0o640, (0, OPENDKIM[1])) for p in (KEYS, SIGNING, HOSTS))),
    ),
]
