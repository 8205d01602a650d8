"""Installations that are broken, each with the code that must be found, and sound ones where nothing may be wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from dkimctl.keys.metadata import Metadata, Phase, to_json
from tests.host_tree import (
    CONF_PATH,
    DROP_IN,
    HOSTS,
    KEY,
    KEYS,
    MAIN_PATH,
    MASTER_PATH,
    NOBODY,
    OPENDKIM,
    POSTFIX,
    SIGNING,
    STAFF,
    Tree,
    key_pair,
)

Change = Callable[[Tree], object]


@dataclass(frozen=True)
class Case:
    """One installation: which pitfall of the field it shows, how it comes about, and what must be found."""

    name: str
    pitfall: int
    code: str
    break_it: Change


def both(*changes: Change) -> Change:
    """One change after the other."""

    def apply(tree: Tree) -> None:
        for change in changes:
            change(tree)

    return apply


DIRECTORY = "/etc/opendkim/keys/example.com"
BOM = b"\xef\xbb\xbf"
NAME = "mail._domainkey.example.com"
"""The name of the key in the KeyTable."""


def refile(tree: Tree) -> None:
    """The SigningTable as a table of patterns."""
    tree.conf("SigningTable", f"refile:{SIGNING}")


def written_anew(tree: Tree) -> None:
    """A key in use has lost its rows: somebody wrote the SigningTable anew."""
    metadata = Metadata("rsa", 2048, "2026-01-01T00:00:00Z", phase=Phase.ACTIVE)
    tree.write(KEY.replace(".private", ".json"), to_json(metadata), 0o600, OPENDKIM)
    tree.write(SIGNING, "example.org mail._domainkey.example.com\n")


def no_tables(tree: Tree) -> None:
    """Neither KeyTable nor SigningTable."""
    tree.conf("KeyTable", None)
    tree.conf("SigningTable", None)


def pem(algorithm: str = "rsa", bits: int = 2048) -> bytes:
    """A private key's PEM."""
    return key_pair(algorithm, bits).private_pem


def encrypted() -> bytes:
    """A private key with a passphrase."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(pem(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


KEY_CASES = [
    Case("key world-readable", 1, "DKIM606", lambda t: t.change(KEY, 0o644)),
    Case("key readable by a shared group", 1, "DKIM605", lambda t: t.change(KEY, 0o640, (OPENDKIM[0], 3300))),
    Case("key of another user", 1, "DKIM604", lambda t: t.change(KEY, 0o644, NOBODY)),
    Case("key directory 0777", 1, "DKIM607", lambda t: t.change(DIRECTORY, 0o777)),
    Case("grandparent 0777", 1, "DKIM607", lambda t: t.change("/etc/opendkim", 0o777)),
    Case("key directory group-writable", 1, "DKIM608", lambda t: t.change(DIRECTORY, 0o770, (OPENDKIM[0], 3300))),
    Case("key directory of another user", 1, "DKIM609", lambda t: t.change(DIRECTORY, 0o755, NOBODY)),
    Case("key below a sticky /tmp", 1, "DKIM607", lambda t: t.move_key("/tmp/keys/mail.private")),
    Case(
        "key below a user's home",
        1,
        "DKIM609",
        both(lambda t: t.change("/home/alice", 0o755, STAFF), lambda t: t.move_key("/home/alice/mail.private")),
    ),
    Case(
        "postfix in the group of a 0640 key",
        1,
        "DKIM605",
        both(
            lambda t: t.change(KEY, 0o640),
            lambda t: t.swap("/etc/group", "opendkim:x:3107:", "opendkim:x:3107:postfix"),
        ),
    ),
    Case("RequireSafeKeys no", 1, "DKIM610", lambda t: t.conf("RequireSafeKeys", "no")),
    Case("key 0600 of root", 2, "DKIM602", lambda t: t.change(KEY, 0o600, (0, 0))),
    Case("key directory 0700 of root", 2, "DKIM602", lambda t: t.change(DIRECTORY, 0o700, (0, 0))),
    Case("no such key file", 2, "DKIM601", lambda t: t.at(KEY).unlink()),
    Case("key is a directory", 2, "DKIM603", both(lambda t: t.at(KEY).unlink(), lambda t: t.directory(KEY, 0o755))),
    Case(
        "key is a loop of links",
        2,
        "DKIM603",
        both(lambda t: t.at(KEY).unlink(), lambda t: t.at(KEY).symlink_to("mail.private")),
    ),
    Case("key is garbage", 2, "DKIM611", lambda t: t.key(KEY, b"garbage\n")),
    Case("key is empty", 2, "DKIM611", lambda t: t.key(KEY, b"")),
    Case("key is the public half", 2, "DKIM611", lambda t: t.key(KEY, b"-----BEGIN PUBLIC KEY-----\nMII\n")),
    Case("key is encrypted", 2, "DKIM612", lambda t: t.key(KEY, encrypted())),
    Case("a table that was written anew", 4, "DKIM776", written_anew),
    Case("key of 768 bits", 2, "DKIM613", lambda t: t.key(KEY, WEAK)),
    Case("key of 1024 bits", 2, "DKIM616", lambda t: t.key(KEY, pem("rsa", 1024))),
    Case("relative key path", 2, "DKIM617", lambda t: t.swap(KEYS, KEY, "keys/mail.private")),
    Case("ed25519 key for rsa-sha256", 20, "DKIM614", lambda t: t.key(KEY, pem("ed25519"))),
    Case("RSA key for ed25519-sha256", 20, "DKIM615", lambda t: t.conf("SignatureAlgorithm", "ed25519-sha256")),
    Case(
        "ed25519 in dkimpy's form",
        20,
        "DKIM611",
        lambda t: t.key(KEY, b"fL+5V9EquCZAovKik3pA6Lk9zwCzoEtjIuIqK9ZXHHA=\n"),
    ),
]
WEAK = b"""-----BEGIN RSA PRIVATE KEY-----
MIIBywIBAAJhAK/wd70cyFnZeOvm9weN6kPFHcQUWI0Tc7CVPbS98OMQWLhRge/O
5uVMLcdTMUse2JR1sXICNH/aMcHfyksgG0pmssjCKNbNF9r9HCZ2Y5vEKfF8XzrY
vSPnJC81Lm095wIDAQABAmAussHlZSVci9eHrdc1nxpmAITlDY1vbJFRdltZhOzS
J/2UdrXpY95vUCf6dv9nc/kRoOJoiTp+mMBWyzZxzOiwl00QOwjRbDosbiCc4k1o
pkfyYk8WQA8i/HJfqnm+3+ECMQDgVaDGxSOcRZ/wOiXhpQa1MsSOE34MrlbJj68x
jJuUFNjN67p60toTj003xgApiFcCMQDIxhImLIYU/vk58729VRMAMdTGo2h0MAmo
H7DB1Qp9+851QS4jejudVj64BYHsvPECMQC9FY+BWpLMWicX7XsWeOlxewwPEMDy
4VOHatNo+TH9G6Et194DPovPZr7YHszuNNsCMQCoZTkju4RaZ+ExsjYabxiYuTL1
yGj7yq7OzIW8jatXL7RitGC2cPc/Z+8C+duXbIECMA5GMmuOWlDoeKegq4SvwPra
7N6+DXlQOF0X9mE2nzFwAXuEByehbJyiGZE94/WCsQ==
-----END RSA PRIVATE KEY-----
"""

TABLE_CASES = [
    Case(
        "wildcard in a file: table",
        6,
        "DKIM755",
        lambda t: t.write(SIGNING, "*@example.com mail._domainkey.example.com\n"),
    ),
    Case(
        "sub-domain wildcard in a file: table",
        6,
        "DKIM755",
        lambda t: t.append(SIGNING, "*@*.example.net mail._domainkey.example.com\n"),
    ),
    Case(
        "bare domain in a refile: table",
        6,
        "DKIM756",
        lambda t: t.conf("SigningTable", f"refile:{SIGNING}"),
    ),
    Case("SigningTable names no such key", 7, "DKIM751", lambda t: t.append(SIGNING, "example.net nokey\n")),
    Case(
        "key name in another case",
        7,
        "DKIM751",
        lambda t: t.write(SIGNING, "example.com Mail._domainkey.example.com\n"),
    ),
    Case(
        "KeyTable row without a path",
        7,
        "DKIM752",
        lambda t: t.write(KEYS, "mail._domainkey.example.com example.com:mail\n"),
    ),
    Case("KeyTable row with only a name", 7, "DKIM752", lambda t: t.write(KEYS, "mail._domainkey.example.com\n")),
    Case(
        "KeyTable row with blanks",
        7,
        "DKIM752",
        lambda t: t.write(KEYS, f"mail._domainkey.example.com example.com: mail: {KEY}\n"),
    ),
    Case("SigningTable row without a key", 7, "DKIM753", lambda t: t.append(SIGNING, "example.net\n")),
    Case(
        "signing domain beyond ASCII",
        7,
        "DKIM754",
        lambda t: t.write(KEYS, f"mail._domainkey.example.com bücher.example:mail:{KEY}\n"),
    ),
    Case(
        "sender domain beyond ASCII",
        7,
        "DKIM770",
        lambda t: t.append(SIGNING, "bücher.example mail._domainkey.example.com\n"),
    ),
    Case(
        "appended row for a new selector",
        8,
        "DKIM757",
        lambda t: t.append(KEYS, f"mail._domainkey.example.com example.com:new:{KEY}\n"),
    ),
    Case(
        "the same domain twice",
        8,
        "DKIM758",
        both(
            lambda t: t.append(KEYS, f"new._domainkey.example.com example.com:new:{KEY}\n"),
            lambda t: t.append(SIGNING, "Example.COM new._domainkey.example.com\n"),
        ),
    ),
    Case(
        "catch-all before the rest",
        8,
        "DKIM759",
        both(
            lambda t: t.conf("SigningTable", f"refile:{SIGNING}"),
            lambda t: t.append(KEYS, f"new._domainkey.example.com example.com:new:{KEY}\n"),
            lambda t: t.write(SIGNING, "*@* mail._domainkey.example.com\n*@example.com new._domainkey.example.com\n"),
        ),
    ),
    Case(
        "sub-domains before one of them",
        8,
        "DKIM759",
        both(
            lambda t: t.conf("SigningTable", f"refile:{SIGNING}"),
            lambda t: t.append(KEYS, f"new._domainkey.example.com example.com:new:{KEY}\n"),
            lambda t: t.write(
                SIGNING, "*@*.example.com mail._domainkey.example.com\n*@a.b.example.com new._domainkey.example.com\n"
            ),
        ),
    ),
    Case(
        "indented row of a refile: table",
        8,
        "DKIM760",
        both(
            lambda t: t.conf("SigningTable", f"refile:{SIGNING}"),
            lambda t: t.write(SIGNING, " *@example.com mail._domainkey.example.com\n"),
        ),
    ),
    Case("key inside the KeyTable", 7, "DKIM761", lambda t: t.append(KEYS, f"k example.com:k:MII{'A' * 1600}\n")),
    Case("KeyTable with a byte order mark", 7, "DKIM762", lambda t: t.write(KEYS, BOM + t.at(KEYS).read_bytes())),
    Case(
        "SigningTable with a byte order mark",
        6,
        "DKIM762",
        lambda t: t.write(SIGNING, BOM + t.at(SIGNING).read_bytes()),
    ),
    Case(
        "pattern that is no expression",
        6,
        "DKIM763",
        both(
            lambda t: t.conf("SigningTable", f"refile:{SIGNING}"),
            lambda t: t.write(SIGNING, "[@example.com mail._domainkey.example.com\n"),
        ),
    ),
    Case(
        "pattern that fits too much",
        8,
        "DKIM767",
        both(
            lambda t: t.conf("SigningTable", f"refile:{SIGNING}"),
            lambda t: t.write(SIGNING, "*example.com mail._domainkey.example.com\n"),
        ),
    ),
    Case("KeyTable 0600 of root", 22, "DKIM765", lambda t: t.change(KEYS, 0o600)),
    Case("SigningTable 0640 of root", 22, "DKIM765", lambda t: t.change(SIGNING, 0o640)),
    Case(
        "one domain signs for all",
        21,
        "DKIM766",
        lambda t: t.append(SIGNING, "other.example mail._domainkey.example.com\n"),
    ),
    Case("KeyTable refile:", 24, "DKIM730", lambda t: t.conf("KeyTable", f"refile:{KEYS}")),
    Case(
        "a long KeyTable refile:",
        24,
        "DKIM731",
        both(
            lambda t: t.append(KEYS, "".join(f"k{n} example.com:mail:{KEY}\n" for n in range(1_000))),
            lambda t: t.conf("KeyTable", f"refile:{KEYS}"),
        ),
    ),
    Case("a pattern without a user", 21, "DKIM772", both(refile, lambda t: t.write(SIGNING, f"@example.com {NAME}\n"))),
    Case("a regular expression", 21, "DKIM772", both(refile, lambda t: t.write(SIGNING, f".*@example.com {NAME}\n"))),
    Case("a final dot", 21, "DKIM772", both(refile, lambda t: t.write(SIGNING, f"*@example.com. {NAME}\n"))),
    Case("two in one row", 21, "DKIM772", both(refile, lambda t: t.write(SIGNING, f"*@example.com,*@b.test {NAME}\n"))),
    Case("a name with @ in front", 21, "DKIM772", lambda t: t.write(SIGNING, f"@example.com {NAME}\n")),
    Case("sub-domains alone", 21, "DKIM773", both(refile, lambda t: t.write(SIGNING, f"*.example.com {NAME}\n"))),
    Case("one d= for all", 21, "DKIM774", both(refile, lambda t: t.write(SIGNING, f"* {NAME}\n"))),
    Case("signer without @", 21, "DKIM771", lambda t: t.write(SIGNING, "example.com mail._domainkey.example.com:%\n")),
    Case(
        "signer elsewhere",
        21,
        "DKIM771",
        lambda t: t.write(SIGNING, "example.com mail._domainkey.example.com:@a.tld\n"),
    ),
    Case("KeyTable with the coming fourth field", 20, "DKIM752", lambda t: t.swap(KEYS, KEY, f"{KEY}:ed25519-sha256")),
]

CONF_CASES = [
    Case("only Domain", 4, "DKIM707", both(no_tables, lambda t: t.conf("Domain", "example.com"))),
    Case("inet with an IPv6 address", 4, "DKIM704", lambda t: t.conf("Socket", "inet:8891@::1")),
    Case("inet with an empty host", 4, "DKIM704", lambda t: t.conf("Socket", "inet:8891@")),
    Case(
        "a key on the command line together with tables",
        4,
        "DKIM734",
        lambda t: t.write(DROP_IN, f"{EXEC}-d example.com -k {KEY} -s mail\n"),
    ),
    Case("a read-only system", 5, "DKIM735", lambda t: t.write(DROP_IN, "[Service]\nProtectSystem=strict\n")),
    Case(
        "a key in a home that the unit hides",
        1,
        "DKIM735",
        both(
            lambda t: t.move_key("/home/alice/mail.private"), lambda t: t.write(DROP_IN, "[Service]\nProtectHome=yes\n")
        ),
    ),
    Case("two Sockets", 4, "DKIM710", lambda t: t.append(CONF_PATH, "SOCKET inet:8891@localhost\n")),
    Case("unknown parameter", 25, "DKIM702", lambda t: t.conf("OverSignHeader", "From")),
    Case("parameter of another build", 20, "DKIM733", lambda t: t.conf("CheckSigningTable", "yes")),
    Case("parameter without value", 25, "DKIM703", lambda t: t.conf("MinimumKeyBits", "")),
    Case("UMask 009", 25, "DKIM704", lambda t: t.conf("UMask", "009")),
    Case("bad Mode", 25, "DKIM704", lambda t: t.conf("Mode", "x")),
    Case("bad Canonicalization", 25, "DKIM704", lambda t: t.conf("Canonicalization", "loose")),
    Case("Include missing", 25, "DKIM705", lambda t: t.append(CONF_PATH, "Include /etc/opendkim/absent.conf\n")),
    Case(
        "opendkim.conf with a byte order mark",
        25,
        "DKIM706",
        lambda t: t.write(CONF_PATH, BOM + t.at(CONF_PATH).read_bytes()),
    ),
    Case("no opendkim.conf", 25, "DKIM701", lambda t: t.at(CONF_PATH).unlink()),
    Case("KeyTable alone", 7, "DKIM707", lambda t: t.conf("SigningTable", None)),
    Case("SigningTable alone", 7, "DKIM707", lambda t: t.conf("KeyTable", None)),
    Case("Selector without KeyFile", 7, "DKIM707", both(no_tables, lambda t: t.conf("Selector", "mail"))),
    Case("KeyTable mdb:", 7, "DKIM708", lambda t: t.conf("KeyTable", "mdb:/etc/opendkim/KeyTable")),
    Case("KeyTable file missing", 7, "DKIM709", lambda t: t.at(KEYS).unlink()),
    Case("UserID unknown", 2, "DKIM712", lambda t: t.conf("UserID", "dkim")),
    Case("UserID with an unknown group", 2, "DKIM712", lambda t: t.conf("UserID", "opendkim:dkim")),
    Case("no UserID", 2, "DKIM725", lambda t: t.conf("UserID", None)),
    Case("Mode v", 6, "DKIM720", lambda t: t.conf("Mode", "v")),
    Case("rsa-sha1", 17, "DKIM721", lambda t: t.conf("SignatureAlgorithm", "rsa-sha1")),
    Case("OmitHeaders Message-ID,Date", 25, "DKIM718", lambda t: t.conf("OmitHeaders", "Message-ID,Date")),
    Case("oversigned and not signed", 25, "DKIM719", lambda t: t.conf("OversignHeaders", "From,Message-ID")),
    Case("AutoRestart without a limit", 25, "DKIM716", lambda t: t.conf("AutoRestart", "yes")),
    Case("AutoRestartRate typo", 25, "DKIM717", lambda t: t.conf("AutoRestartRate", "10/hour")),
    Case("LogWhy off", 9, "DKIM723", lambda t: t.conf("LogWhy", "no")),
]

REFILE_HOSTS = both(lambda t: t.conf("InternalHosts", f"refile:{HOSTS}"), lambda t: t.append(HOSTS, "*.example.com\n"))
HOST_CASES = [
    Case("IPv6 loopback missing", 9, "DKIM781", lambda t: t.write(HOSTS, "127.0.0.1\n")),
    Case("the article's TrustedHosts", 9, "DKIM783", lambda t: t.write(HOSTS, "127.0.0.1\n0.0.0.0/0\n")),
    Case("the article's TrustedHosts over IPv6", 9, "DKIM781", lambda t: t.write(HOSTS, "127.0.0.1\n0.0.0.0/0\n")),
    Case("everybody over IPv6", 9, "DKIM783", lambda t: t.append(HOSTS, "::/0\n")),
    Case("network with host bits", 9, "DKIM782", lambda t: t.append(HOSTS, "203.0.113.9/24\n")),
    Case("network with a netmask", 9, "DKIM782", lambda t: t.append(HOSTS, "203.0.113.0/255.255.255.0\n")),
    Case("IPv6 network in a long spelling", 9, "DKIM782", lambda t: t.append(HOSTS, "2001:0db8::/32\n")),
    Case("wildcard host", 9, "DKIM782", lambda t: t.append(HOSTS, "*.example.com\n")),
    Case("wildcard host in a refile:", 9, "DKIM785", REFILE_HOSTS),
    Case(
        "inline list that begins with IPv6", 9, "DKIM708", lambda t: t.conf("InternalHosts", "2001:db8::/32,127.0.0.1")
    ),
    Case(
        "mynetworks wider than InternalHosts", 9, "DKIM784", lambda t: t.main("mynetworks", "127.0.0.0/8 192.0.2.0/24")
    ),
    Case("InternalHosts file missing", 9, "DKIM709", lambda t: t.at(HOSTS).unlink()),
]

SOCK = "/var/spool/postfix/opendkim"
START_CASES = [
    Case("drop-in with -p", 4, "DKIM713", lambda t: t.write(DROP_IN, f"{EXEC}-p inet:8891@localhost\n")),
    Case("drop-in with -p, seen from Postfix", 4, "DKIM805", lambda t: t.write(DROP_IN, f"{EXEC}-p local:{SOCK}2/s\n")),
    Case(
        "stale /etc/default", 4, "DKIM714", lambda t: t.write("/etc/default/opendkim", "SOCKET=inet:12301@localhost\n")
    ),
    Case("no Socket", 4, "DKIM711", lambda t: t.conf("Socket", None)),
    Case("Socket in Postfix's spelling", 4, "DKIM704", lambda t: t.conf("Socket", "inet:localhost:8891")),
    Case("PidFile elsewhere", 25, "DKIM715", lambda t: t.conf("PidFile", "/run/opendkim.pid")),
    Case("no PidFile", 25, "DKIM715", lambda t: t.conf("PidFile", None)),
    Case("socket below /run by hand", 3, "DKIM826", lambda t: t.conf("Socket", "local:/run/dkim/opendkim.sock")),
    Case("socket open to the network", 9, "DKIM827", lambda t: both(inet, lambda u: u.conf("Socket", "inet:8891"))(t)),
    Case("socket directory missing", 3, "DKIM807", lambda t: t.at(SOCK).rmdir()),
    Case("socket directory of root", 5, "DKIM807", lambda t: t.change(SOCK, 0o755, (0, 0))),
    Case("a file where the socket goes", 5, "DKIM824", lambda t: t.write(f"{SOCK}/opendkim.sock", "")),
    Case(
        "cron job with opendkim-testkey",
        24,
        "DKIM915",
        lambda t: t.write("/etc/cron.d/dkim", "@daily root opendkim-testkey\n"),
    ),
]
EXEC = "[Service]\nExecStart=\nExecStart=/usr/sbin/opendkim "


def inet(tree: Tree) -> None:
    """The daemon and Postfix talk over TCP."""
    tree.conf("Socket", "inet:8891@127.0.0.1")
    tree.main("smtpd_milters", "inet:127.0.0.1:8891")


OVER_TCP = lambda name: both(inet, lambda t: t.main("smtpd_milters", name))  # noqa: E731
SMTP = "smtp inet n - y - - smtpd\n"
SUBMISSION = "submission inet n - y - - smtpd\n  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
PIPE = "scan unix - n n - 10 pipe\n  flags=Rq user=nobody argv=/usr/local/bin/scan -f ${sender} -- ${recipient}\n"
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
        "logins that the daemon does not hear of",
        10,
        "DKIM829",
        both(
            lambda t: t.main("smtpd_sasl_auth_enable", "yes"),
            lambda t: t.main("milter_mail_macros", "i {auth_authen} {mail_addr}"),
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
    Case("::1 at Postfix, 127.0.0.1 at opendkim", 4, "DKIM805", OVER_TCP("inet:[::1]:8891")),
    Case("milter_protocol = 1", 23, "DKIM823", lambda t: t.main("milter_protocol", "1")),
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
BROKEN = [*KEY_CASES, *TABLE_CASES, *CONF_CASES, *HOST_CASES, *START_CASES, *POSTFIX_CASES]


def refile(tree: Tree) -> None:
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
    ("SigningTable refile:", refile),
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
