"""doctor calls an error what the real opendkim and Postfix do not sign, and nothing else: hosts of every kind."""

import pytest

from tests.conftest import FULL, DkimctlInside, needs
from tests.doctor_cases import BACK_IN, LOCAL, SMTP
from tests.doctor_cases.base import EXEC, Change, both, refile
from tests.host_tree import CONF_PATH, DROP_IN, HOSTS, KEY, KEYS, MASTER_PATH, SIGNING, Tree
from tests.judging import OUTSIDER, SENDER, Mails, signed_from_outside, unsigned
from tests.test_doctor_commands import Paste, paste

__all__ = ["paste"]
pytestmark = needs("postfix", "opendkim", root=True, namespaces=True)
NAME = "mail._domainkey.example.com"
SECOND = f"second example.com:second:{KEY}\n"


def several(tree: Tree) -> None:
    """All rows that fit sign."""
    tree.conf("MultipleSignatures", "yes")


def rows(*lines: str) -> Change:
    """A SigningTable of these rows."""
    return lambda tree: tree.write(SIGNING, "".join(f"{line}\n" for line in lines))


ROWS: dict[str, tuple[Change, str, str]] = {
    "file: a dead row for another domain": (rows(f"example.com {NAME}", "example.net nokey"), "DKIM751", "error"),
    "file: a dead row first": (rows("example.com nokey", f"example.com {NAME}"), "DKIM751", "error"),
    "file: a dead row after a sound one": (rows(f"example.com {NAME}", "Example.COM nokey"), "DKIM751", "warning"),
    "file: the same with several": (
        both(several, rows(f"example.com {NAME}", "example.com nokey")),
        "DKIM751",
        "warning",
    ),
    "file: a dead row for the rest": (rows(f"example.com {NAME}", "* nokey"), "DKIM751", "error"),
    "file: a user's row first": (rows(f"contact@example.com {NAME}", "example.com nokey"), "DKIM751", "error"),
    "refile: a dead row after a wider one": (
        both(refile, rows(f"*@* {NAME}", "*@example.com nokey")),
        "DKIM751",
        "warning",
    ),
    "refile: a dead row after a narrower one": (
        both(refile, rows(f"*@example.com {NAME}", "*@*.com nokey")),
        "DKIM751",
        "error",
    ),
    "refile: two, and several sign": (
        both(refile, several, rows(f"*@example.com {NAME}", "*@example.com nokey")),
        "DKIM751",
        "error",
    ),
    "file: a second key for one name": (
        both(several, rows(f"example.com {NAME}", "example.com second"), lambda t: t.append(KEYS, SECOND)),
        "DKIM758",
        "warning",
    ),
}
ASKED = ("file: the same with several", "refile: two, and several sign")
"""Those of which the daemon is asked in an ordinary run."""
MAILS = Mails(("contact@example.com", "a@example.net", "info@example.com", "a@sub.com"))
"""Mails of whom one is deferred where a row without a key takes it."""


@pytest.mark.parametrize("name", ROWS)
def test_a_row_without_a_key(dkimctl_inside: DkimctlInside, name: str) -> None:
    """A row to which mail comes defers it: an error. One that no mail reaches is a warning."""
    change, code, severity = ROWS[name]
    tree = Tree(dkimctl_inside.root)
    change(tree)
    findings = dkimctl_inside("doctor", "--json").json["findings"]
    assert [f["severity"] for f in findings if f["code"] == code] == [severity], findings
    if FULL or name in ASKED:
        deferred = [problem for problem in unsigned(tree, MAILS) if "tempfail" in problem]
        assert bool(deferred) == (severity == "error"), deferred


def macros(setting: str, value: str, **main: str) -> Change:
    """opendkim signs mail with a macro; parameters of main.cf."""

    def change(tree: Tree) -> None:
        tree.conf(setting, value)
        for name, text in main.items():
            tree.main(name, text)

    return change


OTHER_RETURN = BACK_IN.replace("127.0.0.1:10025", "127.0.0.2:10026")
FILTERED = f"{SMTP}  -o content_filter=scan:[127.0.0.1]:10024\n  -o smtpd_milters=\n"
UNSCANNED = "  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n"
ORIGINATING = "  -o milter_macro_daemon_name=ORIGINATING\n"
OPEN: dict[str, tuple[Change, str]] = {
    "the name that Postfix sends unless told otherwise": (macros("MTA", "relay.example.com"), "DKIM783"),
    "the users' name in main.cf": (macros("MTA", "ORIGINATING", milter_macro_daemon_name="ORIGINATING"), "DKIM783"),
    "a macro that is always there": (macros("MacroList", "i"), "DKIM783"),
    "one of two host names": (macros("MacroList", "j=a.example|relay.example.com"), "DKIM783"),
    "a macro's value": (macros("MacroList", "daemon_name=A", milter_macro_daemon_name="A"), "DKIM783"),
    "the sender's address, which anybody chooses": (macros("MacroList", f"mail_addr={SENDER}"), "DKIM783"),
    "how a recipient's mail goes on": (macros("MacroList", "foo,rcpt_mailer"), "DKIM783"),
    "the address of the service": (macros("MacroList", "daemon_addr"), "DKIM783"),
    "one address of the service": (macros("MacroList", f"daemon_addr={OUTSIDER}"), "DKIM783"),
    "the client's address, sent as well": (
        macros("MacroList", "client_addr", milter_connect_macros="j {client_addr}"),
        "DKIM783",
    ),
    "clients without a name": (
        macros("MacroList", "client_name=unknown", milter_data_macros="i {client_name}"),
        "DKIM783",
    ),
    "Postfix's own name": (macros("MacroList", "v=X", milter_macro_v="X"), "DKIM783"),
    "a macro asked for, in no list": (macros("MacroList", "daemon_name", milter_connect_macros="j"), "DKIM783"),
    "a default login for all": (macros("Mode", "s", milter_macro_defaults="{auth_type}=TLS, x=y"), "DKIM783"),
    "a default value of a macro": (
        macros("MacroList", "tls_version=x", milter_macro_defaults="tls_version=x"),
        "DKIM783",
    ),
    "the users' name at the return port": (
        both(
            macros("MTA", "ORIGINATING"),
            lambda t: t.write(HOSTS, "10.9.9.9\n"),
            lambda t: t.write(MASTER_PATH, f"{FILTERED}{BACK_IN}{ORIGINATING}{LOCAL}"),
        ),
        "DKIM828",
    ),
    "a return port at another address of loopback": (
        lambda t: t.write(MASTER_PATH, f"{FILTERED}{OTHER_RETURN}{LOCAL}"),
        "DKIM828",
    ),
    "a filter in a class of restrictions": (
        both(
            macros(
                "Mode",
                "s",
                smtpd_restriction_classes="scanned",
                scanned="check_client_access static:{FILTER scan:[127.0.0.1]:10024}",
                smtpd_recipient_restrictions="scanned, permit",
            ),
            lambda t: t.write(MASTER_PATH, f"{SMTP}  -o smtpd_milters=\n{BACK_IN}{UNSCANNED}{LOCAL}"),
        ),
        "DKIM828",
    ),
}
"""Hosts that sign mail from anybody, and what doctor calls it."""
TRIED = ("the name that Postfix sends unless told otherwise", "the users' name at the return port")
UNTRIED = ("a return port at another address of loopback",)
"""The judge's filter returns mail to one address only."""


@pytest.mark.parametrize("name", OPEN)
def test_mail_from_anybody(dkimctl_inside: DkimctlInside, paste: Paste, name: str) -> None:
    """Where Postfix takes mail from anybody and all of it is signed, doctor says so, and its command ends that."""
    change, code = OPEN[name]
    tree = Tree(dkimctl_inside.root)
    change(tree)
    is_tried = name in TRIED or (FULL and name not in UNTRIED)
    assert not is_tried or signed_from_outside(tree)
    found = [f for f in dkimctl_inside("doctor", "--json").json["findings"] if f["code"] == code]
    assert [f["severity"] for f in found] == ["error"]
    if not found[0]["fix"].startswith("editor"):
        assert paste(found[0]["fix"]).returncode == 0
        assert code not in {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}
        assert not is_tried or not signed_from_outside(tree)


@pytest.mark.parametrize(
    ("setting", "value"), [("MTA", "ORIGINATING"), ("MTA", "RELAY.example.com"), ("MacroList", "{daemon_name}")]
)
def test_macros_that_postfix_does_not_send(dkimctl_inside: DkimctlInside, setting: str, value: str) -> None:
    """A name that no service sends has no mail signed (opendkim regards case, and takes no braces): no finding."""
    Tree(dkimctl_inside.root).conf(setting, value)
    assert "DKIM783" not in {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        ("{daemon_name}=ORIGINATING,j=a.example", "daemon_name=ORIGINATING,j=a.example"),
        ("{daemon_name}", ""),  # without braces anybody's mail would be signed
        ("{rcpt_addr}=x@example.org", ""),
        ("Daemon_Name=relay.example.com", ""),
        ("client_addr=10.1.2.3", ""),
    ],
)
def test_an_item_of_macro_list_without_effect(
    dkimctl_inside: DkimctlInside, paste: Paste, value: str, fixed: str
) -> None:
    """Braces, or a macro that Postfix does not send: said, by `why` too; the fix never has anybody's mail signed."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("MacroList", value)
    [found] = [f for f in dkimctl_inside("doctor", "--json").json["findings"] if f["code"] == "DKIM772"]
    if not fixed:
        assert found["fix"].startswith("editor")
        assert "is not internal" in dkimctl_inside("why", SENDER, "--client", "192.0.2.7", "--no-dns").out
        return
    assert paste(found["fix"]).returncode == 0
    assert f"MacroList {fixed}\n" in tree.at(CONF_PATH).read_text()
    assert not {"DKIM772", "DKIM783"} & {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}


CLOSED: dict[str, Change] = {
    "a name told by no list": macros("MTA", "relay.example.com", milter_connect_macros="j"),
    "a name told without braces": macros("MTA", "relay.example.com", milter_connect_macros="j daemon_name"),
    "a macro without braces": macros("MacroList", "client_name=unknown", milter_connect_macros="j client_name"),
    "a macro's value in Postfix's list": macros(
        "MacroList", "daemon_addr", milter_connect_macros=f"j {{daemon_addr={OUTSIDER}}}"
    ),
    "the address of loopback": macros("MacroList", "daemon_addr=127.0.0.1, daemon_addr=x"),
    "a default login, not sent": macros("Mode", "s", milter_macro_defaults="auth_type=x", milter_mail_macros="i"),
    "Postfix on loopback alone": macros("MTA", "relay.example.com", inet_interfaces="loopback-only"),
    "Postfix at the addresses of loopback": macros("MTA", "relay.example.com", inet_interfaces="localhost, [::1]"),
    "everybody internal, on loopback alone": both(
        macros("Mode", "s", inet_interfaces="loopback-only"), lambda t: t.write(HOSTS, "0.0.0.0/0\n::/0\n")
    ),
    "a filter, on loopback alone": both(
        macros("Mode", "s", inet_interfaces="loopback-only"),
        lambda t: t.write(MASTER_PATH, f"{FILTERED}{BACK_IN}{LOCAL}"),
    ),
}
"""Hosts that look like those above, and sign nothing that comes from another host."""
SURE = ("a name told without braces", "Postfix on loopback alone")


@pytest.mark.parametrize("name", CLOSED)
def test_mail_from_nobody_else(dkimctl_inside: DkimctlInside, name: str) -> None:
    """What Postfix does not send, or a port that no other host can connect to, opens nothing: no finding."""
    tree = Tree(dkimctl_inside.root)
    CLOSED[name](tree)
    assert not {"DKIM783", "DKIM828"} & {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}
    if name in SURE or FULL:
        assert not signed_from_outside(tree)


@pytest.mark.parametrize("name", ["a service at another address", "a proxy in front of it"])
def test_loopback_is_not_all(dkimctl_inside: DkimctlInside, name: str) -> None:
    """A service with its own address is open whatever inet_interfaces says; so is one that a proxy connects to."""
    tree = Tree(dkimctl_inside.root)
    macros("MTA", "relay.example.com", inet_interfaces="loopback-only")(tree)
    if name.startswith("a proxy"):
        tree.main("smtpd_upstream_proxy_protocol", "haproxy")
    else:
        tree.write(MASTER_PATH, f"{SMTP.replace('smtp', f'{OUTSIDER}:25', 1)}{LOCAL}")
        assert not FULL or signed_from_outside(tree)
    assert "DKIM783" in {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}


@pytest.mark.parametrize("name", ["tls_version", "client_addr", "auth_type", "{j}", "daemon_name=ORIGINATING"])
def test_macros_that_let_nobody_in(dkimctl_inside: DkimctlInside, name: str) -> None:
    """Macros that do not come with mail from anywhere (measured): no hole."""
    Tree(dkimctl_inside.root).conf("MacroList", name)
    assert "DKIM783" not in {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-i /etc/opendkim/TrustedHosts", "invalid option -i"),
        ("-q", "invalid option -q"),
        ("-lm MSA", "invalid option -m"),
        ("start", "start is not an option"),
        ("-A -- -b s", "-b is not an option"),
        ("-n", "-n only checks"),
        ("-t /dev/null", "-t only tests"),
        ("-V", "-V only prints"),
        ("-c relaxed/loose", "must be simple or relaxed"),
        ("-T x", "must be a whole number"),
        ("-o from", ""),
        ("-r -b v", ""),
        ("-r -D -A -l -v -W -T 5 -L 0", None),
        ("$DAEMON_OPTS --", None),
    ],
)
def test_command_lines(dkimctl_inside: DkimctlInside, options: str, said: str | None) -> None:
    """What the unit's ExecStart has decides: opendkim refuses what it does not know, and some options only test."""
    tree = Tree(dkimctl_inside.root)
    tree.write(DROP_IN, f"{EXEC}{options}\n")
    errors = [f for f in dkimctl_inside("doctor", "--json").json["findings"] if f["severity"] == "error"]
    if said is None:
        assert errors == []
    else:
        assert said in errors[0]["seen"] + errors[0]["fix"]
        assert errors[0]["fix"].startswith(f"editor +3 {tree.at(DROP_IN)}")
        assert "not start" in dkimctl_inside("why", "contact@example.com").out or not said
    if options.startswith("-i") or (FULL and "$" not in options):
        assert bool(unsigned(tree, Mails())) == (said is not None)


@pytest.mark.parametrize(
    ("name", "change", "code", "severity"),
    [
        ("no row", lambda t: t.write(SIGNING, "# none yet\n"), "DKIM720", "error"),
        ("no host", lambda t: t.write(HOSTS, "# none\n"), "DKIM781", "error"),
        ("the notation of no host", lambda t: t.conf("InternalHosts", "-"), "DKIM781", "error"),
        (
            "no host, and clients that log in",
            both(lambda t: t.conf("InternalHosts", "-"), lambda t: t.main("smtpd_sasl_auth_enable", "yes")),
            "DKIM781",
            "warning",
        ),
        ("some other host", lambda t: t.write(HOSTS, "192.0.2.7\n"), "DKIM781", "warning"),
    ],
)
def test_nothing_at_all_is_signed(
    dkimctl_inside: DkimctlInside, name: str, change: Change, code: str, severity: str
) -> None:
    """Where no mail of anybody is signed that is an error; where some is, a warning."""
    tree = Tree(dkimctl_inside.root)
    change(tree)
    findings = dkimctl_inside("doctor", "--json").json["findings"]
    assert [f["severity"] for f in findings if f["code"] == code] == [severity], findings
    if FULL or name == "no row":
        login = Mails(client=("203.0.113.5", "client.example.org", "bob"))
        host = Mails(client=("192.0.2.7", "unknown", ""))
        assert unsigned(tree, Mails())
        assert not (severity == "warning" and unsigned(tree, login if "log in" in name else host))
