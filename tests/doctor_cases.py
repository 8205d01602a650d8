"""Installations that are broken, each with the code that must be found, and sound ones where nothing may be wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.host_tree import (
    CONF_PATH,
    DROP_IN,
    HOSTS,
    KEY,
    KEYS,
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
    Case("KeyTable with the coming fourth field", 20, "DKIM752", lambda t: t.swap(KEYS, KEY, f"{KEY}:ed25519-sha256")),
]

CONF_CASES = [
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
    Case("KeyTable mdb:", 7, "DKIM708", lambda t: t.conf("KeyTable", "mdb:/etc/opendkim/KeyTable")),
    Case("KeyTable file missing", 7, "DKIM709", lambda t: t.at(KEYS).unlink()),
    Case("UserID unknown", 2, "DKIM712", lambda t: t.conf("UserID", "dkim")),
    Case("UserID with an unknown group", 2, "DKIM712", lambda t: t.conf("UserID", "opendkim:dkim")),
    Case("no UserID", 2, "DKIM725", lambda t: t.conf("UserID", None)),
    Case("Mode v", 6, "DKIM720", lambda t: t.conf("Mode", "v")),
    Case("rsa-sha1", 17, "DKIM721", lambda t: t.conf("SignatureAlgorithm", "rsa-sha1")),
    Case("OmitHeaders Message-ID,Date", 25, "DKIM718", lambda t: t.conf("OmitHeaders", "Message-ID,Date")),
    Case("oversigned and not signed", 25, "DKIM719", lambda t: t.conf("OversignHeaders", "From,Message-ID")),
    Case("AutoRestart under systemd", 25, "DKIM716", lambda t: t.conf("AutoRestart", "yes")),
    Case("AutoRestartRate typo", 25, "DKIM717", lambda t: t.conf("AutoRestartRate", "10/hour")),
    Case("LogWhy off", 9, "DKIM723", lambda t: t.conf("LogWhy", "no")),
]

BROKEN = [*KEY_CASES, *TABLE_CASES, *CONF_CASES]

SOUND: list[tuple[str, Change]] = [
    ("as dkimctl renders it", lambda t: None),
]
UNUSED = (DROP_IN, HOSTS, MASTER_PATH, POSTFIX)
