"""No secret in any output, of those that are read: passwords in opendkim.conf, wherever a person has put them."""

import re
from pathlib import Path

import pytest

from dkimctl import secrets
from dkimctl.opendkim.parameters import KNOWN
from dkimctl.output.machine import dumped
from dkimctl.secrets import masked, note_secrets
from tests.conftest import DkimctlInside
from tests.host_tree import CONF_PATH, Tree

PASSWORD = "hUsH-pW7/x"
DSN = f"dsn:mysql://user:{PASSWORD}@db.example.com/dkim/table=keys?keycol=k?datacol=v"
PLACES = [
    f"{DSN}",
    f"mysql://user:{PASSWORD}@db.example.com",
    f"csl:a,pgsql://u:{PASSWORD}@h,b",
    f"refile:mysql://u:{PASSWORD}@h",
]
NAMES = ["LDAPBindPassword", "LDAPBindPasswort", "LdapBindPaswword", "LDAPBindPasword", "ldapbindpasswd", "DBPassword"]
COMMANDS = [
    ("doctor", "--no-dns"),
    ("doctor", "--no-dns", "--format", "nagios"),
    ("doctor", "--no-dns", "--format", "prometheus"),
    ("adopt",),
    ("why", "a@example.com"),
    ("render-config",),
    ("status",),
    ("status", "--format", "nagios"),
    ("status", "--format", "prometheus"),
    ("selftest", "example.com"),
]


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has noted is not known to the next."""
    monkeypatch.setattr(secrets, "_known", set())


def assert_hushed(dkimctl: DkimctlInside, commands: list[tuple[str, ...]]) -> None:
    """No command says any part of the password, in words, in JSON, or with all details."""
    for words in commands:
        for more in ((), ("--json",), ("-vv",)):
            if "--format" in words and more == ("--json",):
                continue
            ran = dkimctl(*words, *more)
            for part in (PASSWORD, *PASSWORD.split("/")[:1]):
                assert part not in ran.out + ran.err, (words, more)


@pytest.fixture
def tree(dkimctl_inside: DkimctlInside) -> Tree:
    """The host that the commands look at."""
    return Tree(dkimctl_inside.root)


@pytest.mark.parametrize("place", PLACES)
def test_every_parameter(dkimctl_inside: DkimctlInside, tree: Tree, place: str) -> None:
    """A data set with a password in the place of every parameter: no output of doctor, adopt or why shows it."""
    settings = "".join(f"{name} {place}\n" for name in KNOWN.values() if name != "Include")
    tree.write(CONF_PATH, settings)
    assert_hushed(dkimctl_inside, COMMANDS[:5])
    for name in ("KeyTable", "SigningTable", "InternalHosts", "Socket", "UserID", "Domain"):
        tree.write(CONF_PATH, f"Syslog yes\n{name} {place}\n{name} {place}x\nKeyFile\n")
        assert_hushed(dkimctl_inside, [("doctor", "--no-dns"), ("adopt",), ("why", "a@example.com")])


@pytest.mark.parametrize("name", NAMES)
def test_passwords_by_name(dkimctl_inside: DkimctlInside, tree: Tree, name: str) -> None:
    """The password of LDAP, under its name or a misspelled one, is in no output of any command, diffs included."""
    tree.append(CONF_PATH, f"{name} {PASSWORD}\n{name} {PASSWORD}2\n")
    assert_hushed(dkimctl_inside, COMMANDS)
    said = dkimctl_inside("doctor", "--no-dns").out
    assert name in said or name in KNOWN.values()
    assert "***" in said
    assert not re.search(r"sed .*\*\*\*", said), "a command that would write the mask into the file"


def test_masked() -> None:
    """URLs lose their password, noted secrets every form that JSON gives them; other text stays."""
    for text in ("https://example.com/a@b", "a@b//c:d", "local:/run/x.sock", "inet:8891@localhost", "10.0.0.0/8"):
        assert masked(text) == text
    assert masked("see postgresql://u:p@ss/w@h:5/d now") == "see postgresql://u:***@h:5/d now"
    note_secrets("LDAPBindPassword", 'a"b\u00e9c')
    note_secrets("LDAPBindUser", "cn=admin")
    note_secrets("KeyTable", "file:/etc/opendkim/KeyTable")
    assert masked('x a\\"b\u00e9c y a\\"b\\u00e9c cn=admin') == "x *** y *** cn=admin"
    assert masked("file:/etc/opendkim/KeyTable") == "file:/etc/opendkim/KeyTable"


@pytest.mark.parametrize(
    "value",
    [
        f"dsn:mysql:/u:{PASSWORD}@h/db",
        f"mysql:u:{PASSWORD}@h/db",
        f"dsn:mysql:// u:{PASSWORD}@h",
        f"dsn:pgsql://h/db?user=u&password={PASSWORD}&x=y",
        f"host=h password='{PASSWORD}' dbname=x",
        f"ldaps://h/dc=x?a?sub?(x=$d)?x-bindpw={PASSWORD}",
    ],
)
def test_passwords_in_misspelled_places(value: str) -> None:
    """A database without the slashes of a URL, and name=value pairs: what is called a password is one."""
    note_secrets("KeyTable", value)
    assert PASSWORD not in masked(f"/etc/opendkim.conf line 3: KeyTable {value}")


@pytest.mark.parametrize(
    "value",
    ["csl:example.com=name:signer@example.org", "csl:a=example.com:mail:/etc/k@b", "inet6:8891@[::1]", "csl:u@a.b=n"],
)
def test_what_is_no_password(value: str) -> None:
    """Rows and sockets have colons and @ as well."""
    note_secrets("SigningTable", value)
    assert masked(value) == value


def test_all_output_is_masked() -> None:
    """Nothing but the output itself writes JSON or a stream, and it masks both (see `dkimctl.secrets`)."""
    output = Path(secrets.__file__).with_name("output")
    note_secrets("LDAPBindPassword", PASSWORD)
    assert PASSWORD not in dumped([PASSWORD])
    assert [p.name for p in output.glob("*.py") if "json.dumps" in p.read_text()] == ["machine.py"]
