"""The article's example: the same meaning by option, and every difference a deliberate correction."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.install.write import write_tree
from dkimctl.opendkim import conf
from dkimctl.opendkim.managed_block import read_foreign
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.opendkim.tables import KeyEntry, Row, key_entry, rows
from dkimctl.postfix import postconf
from dkimctl.postfix.milters import milter_socket, split_milters
from tests.conftest import needs
from tests.rendering import (
    ARTICLE_CONF,
    ARTICLE_KEY_TABLE,
    ARTICLE_SIGNING_TABLE,
    ARTICLE_TRUSTED_HOSTS,
    NOW,
    pair,
    rendering_for,
    said,
    settings_for,
    write,
)

AS_IN_THE_ARTICLE = {
    "socket": "inet:8891@localhost",
    "tables": "refile",
    "trusted_hosts": ("127.0.0.1", "::1", "0.0.0.0/0"),
    "milter_default_action": "accept",
}
CORRECTIONS = {
    "UMask": ("2", "7"),  # 002 keeps Postfix out of a Unix socket; with inet it decides nothing
    "KeyTable": ("refile", "file"),  # its names are no patterns, and opendkim-testkey reads only file:
    "InternalHosts": ("refile", "file"),  # a pattern in a refile: host list means nobody
}
PARAMETERS = [setting.name for setting in conf.parse(ARTICLE_CONF.encode(), "")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree with the article's key, where its opendkim-genkey put it."""
    settings = settings_for(tmp_path, **AS_IN_THE_ARTICLE)
    write(tmp_path, "/etc/opendkim/keys/mail.private", pair().private_pem.decode(), 0o600)
    write(tmp_path, "/etc/opendkim/keys/mail.txt", 'mail IN TXT ( "x" )  ; ----- DKIM key mail for domain.tld\n')
    return settings


@pytest.fixture
def both(settings: Settings, tmp_path: Path) -> tuple[Path, Path]:
    """The article's installation and ours, each in a directory of its own that stands for /etc."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    texts = {
        "etc/opendkim.conf": ARTICLE_CONF,
        "etc/opendkim/KeyTable": ARTICLE_KEY_TABLE,
        "etc/opendkim/SigningTable": ARTICLE_SIGNING_TABLE,
        "etc/opendkim/TrustedHosts": ARTICLE_TRUSTED_HOSTS,
    }
    for name, text in texts.items():
        write(theirs, name, text)
    write_tree(rendering_for(settings), ours)
    for place in (theirs, ours):
        for name in texts:
            path = place / name
            path.write_text(path.read_text().replace("/etc/opendkim/keys", f"{tmp_path}/etc/opendkim/keys"))
            path.write_text(path.read_text().replace("file:/etc", f"file:{place}/etc"))
    return theirs / "etc/opendkim.conf", ours / "etc/opendkim.conf"


def kind(value: str | None) -> str:
    """Of a data set only its type: the places differ in this test."""
    return (value or "").partition(":")[0] if "file:" in (value or "") else value or ""


def test_our_reader_finds_the_same_parameters(both: tuple[Path, Path]) -> None:
    """Every parameter of the article has its value, except for the corrections; only one `Socket` is added."""
    theirs, ours = (conf.read(str(path)) for path in both)
    assert theirs is not None
    assert ours is not None
    same = {name: kind(theirs.get(name)).lower() == kind(ours.get(name)).lower() for name in PARAMETERS}
    assert {name for name, is_same in same.items() if not is_same} == {*CORRECTIONS, "PidFile"}
    assert (ours.get("PidFile"), theirs.get("PidFile")) == (
        "/run/opendkim/opendkim.pid",
        "/var/run/opendkim/opendkim.pid",
    )
    assert {s.key for s in ours.settings} == {s.key for s in theirs.settings}
    assert [s.key for s in theirs.settings].count("socket") == 2
    assert [s.key for s in ours.settings].count("socket") == 1


@needs("opendkim")
def test_the_daemon_finds_the_same_parameters(both: tuple[Path, Path]) -> None:
    """The same, said by the real `opendkim -e`."""
    for name in set(PARAMETERS) - {"PidFile"}:
        theirs, ours = (kind(effective(path, name)) for path in both)
        assert (theirs, ours) == CORRECTIONS.get(name, (theirs, theirs)), name


def effective(path: Path, name: str) -> str:
    """The value that counts: the first that the daemon prints."""
    ended = subprocess.run(["opendkim", "-x", path, "-e", name], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[0].lower()


@needs("opendkim")
@pytest.mark.parametrize("sender", ["contact@domain.tld", "a@sub.domain.tld", "a@very.deep.domain.tld"])
def test_the_daemon_makes_the_same_signature(both: tuple[Path, Path], sender: str, tmp_path: Path) -> None:
    """Key, canonicalization, oversigned From: byte for byte the same, because RSA signatures are deterministic."""
    theirs, ours = (sign(path, sender, tmp_path) for path in both)
    assert theirs == ours
    assert "d=domain.tld; s=mail;" in theirs
    assert "c=relaxed/simple" in theirs


@needs("opendkim")
@pytest.mark.parametrize("sender", ["a@example.com", "a@xdomain.tld", "a@domain.tld.example.com"])
def test_the_daemon_leaves_the_same_mail_unsigned(both: tuple[Path, Path], sender: str, tmp_path: Path) -> None:
    """Mail of other domains and of look-alikes is not signed."""
    assert [sign(path, sender, tmp_path) for path in both] == ["", ""]


def sign(path: Path, sender: str, place: Path) -> str:
    """The signature that the real daemon makes at a fixed time; empty for none."""
    unchecked = place / "unchecked.conf"
    unchecked.write_text(f"Include {path}\nRequireSafeKeys no\n")
    (place / "mail").write_text(f"From: {sender}\nTo: x@example.org\nSubject: hello\n\nOnly a few words ...\n")
    ended = subprocess.run(
        ["opendkim", "-x", unchecked, "-F", str(int(NOW.timestamp())), "-t", place / "mail"],
        capture_output=True,
        text=True,
    )
    return ended.stdout.partition("DKIM-Signature: ")[2]


def test_tables_and_hosts_say_the_same_and_trust_ipv6_loopback_too(both: tuple[Path, Path]) -> None:
    """The same rows but for their names; TrustedHosts has ::1 besides, or local mail over IPv6 goes unsigned."""
    theirs, ours = (path.parent / "opendkim" for path in both)
    assert named(found(theirs / "SigningTable"), found(theirs / "KeyTable")) == named(
        found(ours / "SigningTable"), found(ours / "KeyTable")
    )
    hosts = {row.key for row in found(ours / "TrustedHosts")}
    assert hosts == {row.key for row in found(theirs / "TrustedHosts")} | {"::1"}


def named(signing: list[Row], keys: list[Row]) -> list[tuple[str, KeyEntry | None]]:
    """Each row of a SigningTable with the key that it names, whatever that is called."""
    entries = {row.key: key_entry(row._replace(key="")) for row in keys}
    return [(row.key, entries[row.value]) for row in signing]


def found(path: Path) -> list[Row]:
    """The rows of a table, numbered as if there were no comments."""
    read = rows(path.read_bytes().splitlines(keepends=True), patterns=False)
    return [row._replace(line=number) for number, row in enumerate(read)]


@needs("postconf")
def test_postfix_is_told_the_same_and_mail_from_sendmail_besides(settings: Settings) -> None:
    """The article's three settings in effect; `non_smtpd_milters` too, without which cron's mail goes unsigned."""
    directory = settings.at("/etc/postfix")
    write(settings.root, "/etc/postfix/main.cf", "compatibility_level = 3.6\n")
    write(settings.root, "/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n")
    with postconf.edited(directory, rendering_for(settings).postfix) as content:
        write(settings.root, "/etc/postfix/main.cf", content.decode())
    now = postconf.read_settings(
        directory, ["milter_protocol", "milter_default_action", "smtpd_milters", "non_smtpd_milters"]
    )
    assert (now["milter_protocol"], now["milter_default_action"]) == ("6", "accept")
    [milter] = split_milters(now["smtpd_milters"])
    socket = milter_socket(milter, "/var/spool/postfix")
    assert socket is not None
    assert socket.endpoint == parse_socket("inet:8891@localhost").endpoint
    assert now["non_smtpd_milters"] == "$smtpd_milters"


def test_the_open_network_is_only_there_on_request_and_with_a_word(settings: Settings) -> None:
    """By default loopback alone is trusted; `0.0.0.0/0` warns, and says that IPv6 is not among it."""
    plain = replace(settings, signing=settings.signing._replace(trusted_hosts=("127.0.0.1", "::1")))
    assert "every client" not in said(rendering_for(plain))
    assert "mail from every client in 0.0.0.0/0 is signed" in said(rendering_for(settings))
    assert "::/0 is not among them" in said(rendering_for(settings))


def test_taking_over_the_articles_installation_keeps_its_lines(settings: Settings) -> None:
    """Its opendkim.conf gets one Include as its last line, and its tables keep every line that was there."""
    texts = {
        "KeyTable": ARTICLE_KEY_TABLE,
        "SigningTable": ARTICLE_SIGNING_TABLE,
        "TrustedHosts": ARTICLE_TRUSTED_HOSTS,
    }
    for name, text in texts.items():
        write(settings.root, f"/etc/opendkim/{name}", text)
    write(settings.root, "/etc/opendkim.conf", ARTICLE_CONF)
    defaults = settings_for(settings.root)
    out = settings.root / "out"
    write_tree(rendering_for(defaults), out)
    assert (out / "etc/opendkim.conf").read_text() == ARTICLE_CONF + "Include /etc/opendkim/dkimctl.conf\n"
    for name, text in texts.items():
        kept = b"".join(line.text for line in read_foreign(out / "etc/opendkim" / name).lines)
        assert kept.decode() == text
    assert "patterns do nothing in a file: table; dkimctl's own lines sign that mail" in said(rendering_for(defaults))
    assert "replaces: UMask 002 (line 4); SOCKET inet:8891@localhost (line 22)" in said(rendering_for(defaults))
