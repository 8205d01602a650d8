"""What is said before anything is put in place: lines that never fit, hide ours, break the daemon, or end signing."""

from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, Refused, UsageError
from dkimctl.host.table_lookup import lookup_keys
from dkimctl.install.write import install
from dkimctl.postfix import postconf
from tests.conftest import needs
from tests.rendering import NOW, manage, rendering_for, said, settings_for, text_of, write
from tests.test_opendkim_tables import ask

TABLE = "/etc/opendkim/SigningTable"
KEYS = "/etc/opendkim/KeyTable"
HOSTS = "/etc/opendkim/TrustedHosts"
CONF = "/etc/opendkim.conf"
KEY = "mail._domainkey.example.com"
OURS = "example.com"
"""What its row is called, unless a person's line has that name, or calls it as earlier versions did."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree that manages example.com."""
    settings = settings_for(tmp_path)
    manage(settings, "example.com")
    return settings


def with_signing(settings: Settings, **signing: str) -> Settings:
    """The same with these changes to `[signing]`."""
    return replace(settings, signing=settings.signing._replace(**signing))


@pytest.mark.parametrize(
    ("tables", "line", "word"),
    [
        ("file", "example.com other", "example.com comes before dkimctl's own line for example.com"),
        ("file", ".EXAMPLE.com other", ".EXAMPLE.com comes before"),
        ("refile", "* other", "* comes before dkimctl's own line for example.com"),
        ("refile", "*@*.example.com other", "*@*.example.com comes before"),
        ("refile", "*example.com other", "*example.com comes before"),
        ("file", "*@example.net other", "*@example.net never fits, because a file: table has no patterns"),
        ("refile", "example.net other", "example.net never fits, because a refile: table compares whole addresses"),
        ("file", "example.net nobody", "there is no key nobody in the KeyTable, so this mail is deferred"),
        ("file", "*@example.com other", "line 2: patterns do nothing in a file: table"),
    ],
)
def test_lines_with_an_effect_that_surprises_are_named(settings: Settings, tables: str, line: str, word: str) -> None:
    """File, line number and what happens; each of these passes `opendkim -n`."""
    write(settings.root, KEYS, "other example.net:s:/k\n")
    write(settings.root, TABLE, f"# a comment\n{line}\n")
    found = said(rendering_for(with_signing(settings, tables=tables)))
    assert word in found
    assert f"{TABLE} line 2" in found


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ("file", "vip@example.com other"),
        ("file", "sub.example.com other"),
        ("file", f"example.com {KEY}"),
        ("file", "user@* other"),
        ("refile", "vip@example.com other"),
        ("refile", "*@*.sub.example.com other"),
        ("refile", f"*@example.com {KEY}"),
    ],
)
def test_lines_that_mean_what_they_say_get_no_word(settings: Settings, tables: str, line: str) -> None:
    """An exception for one address or a sub-domain is the admin's good right."""
    write(settings.root, KEYS, "other example.net:s:/k\n")
    write(settings.root, TABLE, f"{line}\n")
    assert "line 1" not in said(rendering_for(with_signing(settings, tables=tables)))


def test_a_line_below_ours_hides_nothing(settings: Settings) -> None:
    """The first match counts: rows after the managed lines do not match their mail."""
    install(rendering_for(settings), settings, now=NOW)
    write(settings.root, KEYS, settings.at(KEYS).read_text() + f"{KEY} example.com:mail:/elsewhere\nother a.b:s:/k\n")
    write(settings.root, TABLE, settings.at(TABLE).read_text() + "example.com other\n")
    assert "comes before" not in said(rendering_for(settings))


@pytest.mark.parametrize(
    ("path", "line", "word"),
    [
        (KEYS, f"{OURS} a.test:s:/k\n{KEY} example.com:mail:/elsewhere", "comes before dkimctl's own line of that"),
        (KEYS, "k1 example.com:mail", "k1 has no DOMAIN:SELECTOR:FILE"),
        (KEYS, "k* example.com:mail:/k", "k* never fits, because a file: table has no patterns"),
        (HOSTS, "203.0.113.9/24", "203.0.113.9/24 never matches in this spelling; write 203.0.113.0/24"),
        (HOSTS, "*.example.com", "*.example.com is not an address, a network, a host name or a .domain"),
        (HOSTS, "::/0", "mail from every client in ::/0 is signed"),
    ],
)
def test_keys_and_hosts_that_do_not_work_are_named(settings: Settings, path: str, line: str, word: str) -> None:
    """The same for the KeyTable and for TrustedHosts."""
    write(settings.root, path, f"{line}\n")
    assert word in said(rendering_for(settings))


@pytest.mark.parametrize(
    ("path", "line", "word"),
    [
        (TABLE, "*@example.net", "names no key, which makes opendkim crash"),
        (TABLE, "a " + "x" * 1021 + "tail", "tail names no key, which makes opendkim crash"),
        (KEYS, "k bücher.example:s:/k", "makes opendkim abort"),
    ],
)
def test_what_would_crash_the_daemon_is_never_installed(settings: Settings, path: str, line: str, word: str) -> None:
    """Shown as a warning, refused at the installation: the daemon would die at each of these messages."""
    write(settings.root, path, f"{line}\n")
    rendering = rendering_for(settings)
    assert word in said(rendering)
    with pytest.raises(Refused, match=word):
        install(rendering, settings, now=NOW)
    assert not settings.at(CONF).exists()


def test_a_thousand_faults_are_not_a_thousand_lines(settings: Settings) -> None:
    """A few are shown, the rest are counted; the one that blocks is always among them."""
    write(settings.root, TABLE, "".join(f"example{n}.net nobody\n" for n in range(1000)) + "example.org\n")
    rendering = rendering_for(settings)
    assert len(rendering.notices) < 10
    assert "and 996 more lines like these" in said(rendering)
    assert any(notice.blocking for notice in rendering.notices)


def test_no_domain_loses_its_signature_to_other_tables(settings: Settings) -> None:
    """An opendkim.conf that reads its tables elsewhere signs for domains that we would drop: that is refused."""
    write(settings.root, CONF, "SigningTable refile:/etc/dkim/signing\nKeyTable /etc/dkim/keys\n")
    write(settings.root, "/etc/dkim/signing", "*@example.com k1\n*@*.example.com k1\n")
    install(rendering_for(settings), settings, now=NOW)
    write(settings.root, CONF, "SigningTable refile:/etc/dkim/signing\nKeyTable /etc/dkim/keys\n")
    write(settings.root, "/etc/dkim/signing", "*@example.com k1\n*@example.net k2\n")
    with pytest.raises(Refused, match=r"/etc/dkim/signing line 2 has .*example.net signed today, and that would end"):
        install(rendering_for(settings), settings, now=NOW)


@pytest.mark.parametrize("value", ["dsn:pgsql://u:p@h/d", "ldap://h/b", "csl:example.net=k"])
def test_tables_that_cannot_be_read_are_not_replaced(settings: Settings, value: str) -> None:
    """What a database signs for is not known here: it is not put out of use without a word from the admin."""
    write(settings.root, CONF, f"SigningTable {value}\nKeyTable /k\n")
    with pytest.raises(Refused, match="cannot read"):
        install(rendering_for(settings), settings, now=NOW)


@pytest.mark.parametrize(("domains", "is_lost"), [("example.com", False), ("example.com, example.net", True)])
def test_the_simple_form_of_opendkim_conf_is_not_put_out_of_use(
    settings: Settings, domains: str, is_lost: bool
) -> None:
    """`Domain` and `KeyFile` sign nothing any more once there is a KeyTable: each domain must be managed first."""
    write(settings.root, CONF, f"Domain {domains}\nSelector s\nKeyFile /k\n")
    blocking = [notice for notice in rendering_for(settings).notices if notice.blocking]
    assert [("example.net" in notice.message) for notice in blocking] == [True] * is_lost


def test_working_patterns_keep_the_table_a_pattern_table(settings: Settings) -> None:
    """Where a person's pattern works today and no line of ours does the same, `file:` would end its signatures."""
    write(settings.root, CONF, f"SigningTable refile:{TABLE}\nKeyTable refile:{KEYS}\n")
    write(settings.root, KEYS, "other example.net:s:/k\n")
    write(settings.root, TABLE, "news-*@example.net other\n")
    rendering = rendering_for(settings)
    assert f"SigningTable        refile:{TABLE}\n" in text_of(rendering, "/etc/opendkim/dkimctl.conf")
    assert "*@example.com " in text_of(rendering, TABLE)
    assert "stays refile: for the pattern news-*@example.net" in said(rendering)


OLD = "*@example.com old\n*@*.example.com old\n"


@needs("opendkim")
@pytest.mark.parametrize(
    ("lines", "kind", "signers"),
    [
        ("*@sub.example.com other\n", "refile", {"sub": "other", "deep.sub": OURS, "": OURS}),
        ("*@*.example.com other\n", "refile", {"sub": "other", "": OURS}),
        ("vip@sub.*.com other\n*@sub.example.com other\n", "refile", {"sub": "other"}),
        (OLD, "file", {"": OURS, "sub": OURS}),
        (f"{OLD}*@sub.example.com other\n", "file", {"sub": OURS, "": OURS}),  # after a pattern that matches its mail
        ("*@example.com old\n*@sub.example.com old\n", "file", {"sub": OURS, "": OURS}),
        (f"*@sub.example.com {KEY}\n", "file", {"sub": KEY, "": KEY}),
    ],
)
def test_an_exception_of_a_person_keeps_its_key(
    settings: Settings, lines: str, kind: str, signers: dict[str, str]
) -> None:
    """A sub-domain with another key wins or loses as it did; the key that ours succeeds is succeeded everywhere."""
    write(settings.root, CONF, f"SigningTable refile:{TABLE}\nKeyTable file:{KEYS}\n")
    write(settings.root, KEYS, "other sub.example.com:s:/k\nold example.com:old:/o\n")
    write(settings.root, TABLE, lines)
    for _ in range(2):  # the second time from what the first one wrote
        rendering = rendering_for(settings)
        assert f"SigningTable        {kind}:{TABLE}\n" in text_of(rendering, "/etc/opendkim/dkimctl.conf")
        write(settings.root, TABLE, text_of(rendering, TABLE))
        for below, key in signers.items():
            address = f"user@{below}.example.com".replace("@.", "@")
            keys = [address] if kind == "refile" else list(lookup_keys(address))
            assert next(filter(None, (ask(kind, settings.at(TABLE), k) for k in keys)), None) == key


def test_an_exception_elsewhere_is_not_put_out_of_use(settings: Settings) -> None:
    """Where our tables take the place of a person's, a row with another key is named before, and its key."""
    write(settings.root, CONF, "SigningTable refile:/etc/dkim/signing\nKeyTable /etc/dkim/keys\n")
    write(settings.root, "/etc/dkim/signing", f"{OLD}*@sub.example.com old\n")
    assert not [notice for notice in rendering_for(settings).notices if notice.blocking]
    write(settings.root, "/etc/dkim/signing", f"{OLD}vip@example.com other\n")
    with pytest.raises(
        Refused, match=r"line 3 has vip@example.com signed with the key other today, and that would end"
    ):
        install(rendering_for(settings), settings, now=NOW)


def test_deep_domains_come_first_among_patterns(settings: Settings) -> None:
    """Of patterns the first counts: `*@*.example.com` must not take the mail of a managed sub-domain."""
    manage(settings, "sub.example.com", "a.b.example.com")
    lines = text_of(rendering_for(with_signing(settings, tables="refile")), TABLE).splitlines()
    order = [line.split()[0] for line in lines if line.startswith("*")]
    assert order.index("*@*.a.b.example.com") < order.index("*@sub.example.com") < order.index("*@*.example.com")


@pytest.mark.parametrize("host", ["1.2.3.4/33", "a b", "*"])
def test_a_trusted_host_that_is_none_is_a_usage_error(settings: Settings, host: str) -> None:
    """Before anything is looked at or written."""
    with pytest.raises(UsageError, match="not an address, network or host"):
        rendering_for(replace(settings, signing=settings.signing._replace(trusted_hosts=(host,))))


@pytest.mark.parametrize(("host", "is_told"), [("203.0.113.9/24", True), ("203.0.113.0/24", False), ("::1", False)])
def test_an_address_with_a_mask_is_told(settings: Settings, host: str, is_told: bool) -> None:
    """`203.0.113.9/24` trusts 256 hosts: the network that is written is named."""
    hosts = (*settings.signing.trusted_hosts, host)
    found = said(rendering_for(replace(settings, signing=settings.signing._replace(trusted_hosts=hosts))))
    assert ("trusts the whole network 203.0.113.0/24" in found) == is_told


def test_leaving_out_loopback_is_told(settings: Settings) -> None:
    """A list of one's own networks alone leaves the mail of this very host unsigned; a network around it will do."""
    only = replace(settings, signing=settings.signing._replace(trusted_hosts=("192.0.2.0/24",)))
    assert "mail from 127.0.0.1 and ::1 is not signed" in said(rendering_for(only))
    around = replace(settings, signing=settings.signing._replace(trusted_hosts=("127.0.0.0/8", "::/16")))
    assert "is not signed" not in said(rendering_for(around))


@pytest.fixture
def with_postfix(settings: Settings) -> Settings:
    """The tree with a Postfix."""
    write(settings.root, "/etc/postfix/main.cf", "compatibility_level = 3.6\nsmtpd_milters = unix:spam/sock\n")
    write(
        settings.root,
        "/etc/postfix/master.cf",
        "smtp inet n - y - - smtpd\n25 inet n - y - - smtpd -o smtpd_milters=\n",
    )
    return settings


@needs("postconf")
def test_postfix_gets_ours_last_and_mail_from_sendmail_too(with_postfix: Settings) -> None:
    """Its own spelling of the socket, the other milter before ours, and a setting for mail that comes not by SMTP."""
    with with_postfix.at("/etc/postfix/main.cf").open("a") as main_cf:
        main_cf.write("milter_default_action = tempfail\n")  # the default of newer versions is another one
    assert rendering_for(with_postfix).postfix == {
        "smtpd_milters": "unix:spam/sock, unix:opendkim/opendkim.sock",
        "non_smtpd_milters": "$smtpd_milters",
        "milter_default_action": "tempfail",
    }


@needs("postconf")
@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("", "$smtpd_milters"),
        ("inet:localhost:8891", "$smtpd_milters"),
        ("$smtpd_milters", "$smtpd_milters"),
        ("unix:a/b", "unix:a/b, unix:opendkim/opendkim.sock"),
        ("$smtpd_milters unix:a/b inet:localhost:8891", "$smtpd_milters, unix:a/b"),
    ],
)
def test_milters_for_other_mail_are_kept_too(with_postfix: Settings, now: str, wanted: str) -> None:
    """`non_smtpd_milters` of an admin stays, and signs exactly once."""
    with with_postfix.at("/etc/postfix/main.cf").open("a") as main_cf:
        main_cf.write(f"non_smtpd_milters = {now}\n")
    assert rendering_for(with_postfix).postfix["non_smtpd_milters"] == wanted


@needs("postconf")
def test_obstacles_in_postfix_are_reported(with_postfix: Settings) -> None:
    """A service that overrides the list, a socket outside the chroot, a policy that loses signatures."""
    found = said(rendering_for(with_postfix))
    assert "master.cf overrides smtpd_milters for 25/inet" in found
    assert "-PX 25/inet/smtpd_milters" in found
    outside = with_signing(with_postfix, socket="local:/run/dkim/opendkim.sock", milter_default_action="accept")
    assert "lies outside /var/spool/postfix" in said(rendering_for(outside))
    assert "mail leaves unsigned, and nothing reports it" in said(rendering_for(outside))
    with with_postfix.at("/etc/postfix/main.cf").open("a") as main_cf:
        main_cf.write("milter_default_action = accept\n")
    assert "accept becomes tempfail" in said(rendering_for(with_postfix))


@needs("postconf")
@pytest.mark.parametrize(("version", "stays"), [("3.10.13", True), ("3.7.11", False)])
def test_a_shutdown_stays_where_mail_is_to_wait(
    with_postfix: Settings, monkeypatch: pytest.MonkeyPatch, version: str, stays: bool
) -> None:
    """Newer versions of Postfix have it as their default; to one that does not know it, it is never written."""
    with with_postfix.at("/etc/postfix/main.cf").open("a") as main_cf:
        main_cf.write("milter_default_action = shutdown\n")
    read = postconf.read_settings
    monkeypatch.setattr(postconf, "read_settings", lambda *a, **k: {**read(*a, **k), "mail_version": version})
    rendering = rendering_for(with_postfix)
    assert rendering.postfix["milter_default_action"] == ("shutdown" if stays else "tempfail")
    assert ("becomes" in said(rendering)) is not stays
    asked = with_signing(with_postfix, milter_default_action="shutdown")
    if stays:
        assert rendering_for(asked).postfix["milter_default_action"] == "shutdown"
    else:
        with pytest.raises(ConfigError, match="does not know"):
            rendering_for(asked)


def test_no_postfix_is_a_note_and_no_error(settings: Settings) -> None:
    """An image that gets its Postfix later, or a host that only signs: the signer is set up all the same."""
    rendering = rendering_for(settings)
    assert rendering.postfix == {}
    assert "no Postfix is configured" in said(rendering)


def test_rspamd_goes_on_signing(tmp_path: Path) -> None:
    """Where another daemon takes over from rspamd, its share of the signing is told until it is taken away."""
    settings = settings_for(tmp_path, signer="rspamd")
    manage(settings, "example.com")
    install(rendering_for(settings), settings, now=NOW)
    assert "rspamd signs as well" not in said(rendering_for(settings))
    other = with_signing(settings, signer="opendkim")
    assert "rspamd signs as well" in said(rendering_for(other))
    settings.at("/etc/rspamd/local.d/dkim_signing.conf").write_text("")
    assert "rspamd signs as well" not in said(rendering_for(other))
