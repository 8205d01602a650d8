"""Broken keys and tables."""

from tests.doctor_cases.base import BOM, DIRECTORY, NAME, Case, both, encrypted, pem, refile, rewritten
from tests.host_tree import (
    KEY,
    KEYS,
    NOBODY,
    OPENDKIM,
    SIGNING,
    STAFF,
)

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
    Case("a table that was rewritten", 4, "DKIM776", rewritten),
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
    Case(
        "an address in angle brackets",
        21,
        "DKIM772",
        both(refile, lambda t: t.write(SIGNING, f"<*@example.com> {NAME}\n")),
    ),
    Case("a selector with _domainkey", 7, "DKIM752", lambda t: t.swap(KEYS, ":mail:", ":mail._domainkey:")),
    Case(
        "selector and domain the other way round",
        7,
        "DKIM752",
        lambda t: t.swap(KEYS, "example.com:mail:", "mail:example.com:"),
    ),
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
