"""`why` on whole hosts: the outcome, the reason by file and line, the nearest miss."""

import pytest

from dkimctl.config.settings import Settings
from dkimctl.host.daemonnames import name_to_send
from dkimctl.host.world import read_world
from tests.conftest import DkimctlInside, needs
from tests.doctor_cases import both, key_file, refile_tables
from tests.host_tree import CONF_PATH, HOSTS, KEY, KEYS, MAIN_PATH, MASTER_PATH, SIGNING, Tree
from tests.judging import Mails, unsigned

pytestmark = needs("postconf", root=True)


def submission(tree: Tree) -> None:
    """Mail handed in at the submission service is signed by its name."""
    tree.conf("MTA", "ORIGINATING")
    row = "submission inet n - y - - smtpd\n  -o milter_macro_daemon_name=ORIGINATING\n"
    tree.append(MASTER_PATH, row)


SENDER = "contact@example.com"
NAME = "mail._domainkey.example.com"


def test_signed(dkimctl_inside: DkimctlInside) -> None:
    """Each decision with its file and line: client, sender, key, file, DMARC; exit code 0."""
    Tree(dkimctl_inside.root)
    ran = dkimctl_inside("why", SENDER)
    assert ran.code == 0
    assert ran.out.startswith(f"{SENDER} from 127.0.0.1: signed\n")
    for words in (
        f"client  127.0.0.1 is internal: {HOSTS} line 1: 127.0.0.1",
        f"sender  {SIGNING} line 1: example.com → {NAME}",
        f"key     {KEYS} line 1: {NAME}: d=example.com",
        f"file    opendkim can open {KEY}",
        "DMARC   d=example.com is aligned for example.com",
    ):
        assert " ".join(words.split()) in " ".join(ran.out.split())
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize("sender", ["Bob <bob@example.com>", '"Example, Inc." <bob@Example.com>', "<bob@example.com>"])
def test_a_whole_from_field(dkimctl_inside: DkimctlInside, sender: str) -> None:
    """The sender may be given as the whole From: field, pasted from a mail."""
    Tree(dkimctl_inside.root)
    ran = dkimctl_inside("why", sender)
    assert (ran.code, ran.out.lower().startswith("bob@example.com from 127.0.0.1: signed")) == (0, True), ran.out


def test_a_domain_beyond_ascii(dkimctl_inside: DkimctlInside) -> None:
    """It is looked for as mail carries it."""
    tree = Tree(dkimctl_inside.root)
    tree.append(SIGNING, f"xn--bcher-kva.example {NAME}\n")
    assert dkimctl_inside("why", "bob@Bücher.example").code == 0
    assert dkimctl_inside("why", "bob@bü..cher").code == 2


def test_a_client_as_ipv6_writes_ipv4(dkimctl_inside: DkimctlInside) -> None:
    """Postfix takes it for the IPv4 client that it is."""
    Tree(dkimctl_inside.root)
    assert "from 203.0.113.9: not signed" in dkimctl_inside("why", SENDER, "--client", "::ffff:203.0.113.9").out
    assert dkimctl_inside("why", SENDER, "--client", "IPv6:::ffff:127.0.0.1").code == 0


def test_json(dkimctl_inside: DkimctlInside) -> None:
    """The same as values."""
    Tree(dkimctl_inside.root)
    answer = dkimctl_inside("why", "x@a.b.example.com", "--json").json["answer"]["answer"]
    assert answer["outcome"] == "signed"
    [signature] = answer["signatures"]
    assert (signature["domain"], signature["selector"], signature["path"]) == ("example.com", "mail", KEY)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--client", "203.0.113.9"], "203.0.113.9 is not internal"),
        (["--client", "2001:db8::1"], "2001:db8::1 is not internal"),
        (["--client", "mail.example[203.0.113.9]"], "203.0.113.9 is not internal"),
    ],
)
def test_not_internal(dkimctl_inside: DkimctlInside, arguments: list[str], words: str) -> None:
    """A client that is not internal: unsigned, unless it is authenticated."""
    Tree(dkimctl_inside.root)
    ran = dkimctl_inside("why", SENDER, *arguments)
    assert (ran.code, words in ran.out) == (1, True), ran.out
    assert dkimctl_inside("why", SENDER, *arguments, "--auth", "bob").code == 0


@pytest.mark.parametrize(
    ("change", "sender", "words"),
    [
        (lambda t: None, "a@other.example", "no row of /etc/opendkim/SigningTable fits a@other.example"),
        (lambda t: t.write(SIGNING, f"example.com {NAME}\n"), "a@sub.example.com", "nearest is line 1: example.com"),
        (lambda t: t.write(SIGNING, f".example.com {NAME}\n"), SENDER, "it matches only what is below the domain"),
        (lambda t: t.write(SIGNING, f"*@example.com {NAME}\n"), SENDER, "a file: table has no patterns"),
        (lambda t: t.conf("SigningTable", f"refile:{SIGNING}"), SENDER, "a refile: table compares whole addresses"),
        (both(refile_tables, lambda t: t.write(SIGNING, f"bob@example.com {NAME}\n")), SENDER, "it matches only bob"),
        (lambda t: t.write(SIGNING, f"\ufeffexample.com {NAME}\n"), SENDER, "a byte order mark"),
        (lambda t: t.write(SIGNING, f"exmaple.com {NAME}\n"), SENDER, "another domain"),
    ],
)
def test_no_match(dkimctl_inside: DkimctlInside, change: object, sender: str, words: str) -> None:
    """No row fits: the nearest one is shown, and why it does not fit."""
    tree = Tree(dkimctl_inside.root)
    assert callable(change)
    change(tree)
    ran = dkimctl_inside("why", sender)
    assert ran.out.startswith(f"{sender} from 127.0.0.1: not signed\n")
    assert words in " ".join(ran.out.split()), ran.out
    assert ran.code == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.write(SIGNING, "example.com nokey\n"), "deferred (4.7.1) … line 1 names the key nokey"),
        (lambda t: t.write(KEYS, f"{NAME} example.com:mail\n"), "deferred (4.7.1) … lacks domain, selector or key"),
        (lambda t: t.at(KEY).unlink(), "deferred (4.7.1) … no such file"),
        (lambda t: t.change(KEY, 0o600, (0, 0)), "deferred (4.7.1) … permission denied"),
        (lambda t: t.change(KEY, 0o644), "deferred (4.7.1) … can be read or written by other users"),
        (lambda t: t.conf("MinimumKeyBits", "4096"), "rejected (550): lost … has 2048 bits, MinimumKeyBits is 4096"),
        (lambda t: t.write(CONF_PATH, "Domain example.com\n"), "nothing is signed … opendkim does not start"),
        (lambda t: t.conf("Nonsense", "yes"), "nothing is signed … opendkim does not start"),
        (lambda t: t.conf("Mode", "v"), "not signed … Mode v leaves signing out"),
        (lambda t: t.conf("PeerList", "127.0.0.1"), "not signed … is in PeerList"),
        (lambda t: t.conf("ExemptDomains", "example.com"), "not signed … is in ExemptDomains"),
        (lambda t: t.conf("SigningTable", "dsn:pgsql://x/y"), "not known … a database"),
        (lambda t: t.conf("OmitHeaders", "Subject,From"), "not signed … OmitHeaders leaves out From"),
        (
            both(lambda t: t.conf("MTA", "ORIGINATING"), lambda t: t.write(HOSTS, "::1\n")),
            "not signed … Postfix sends the daemon name relay.example.com, which MTA",
        ),
        (
            both(submission, lambda t: t.write(HOSTS, "::1\n")),
            "not known … it is signed when it comes in by submission",
        ),
    ],
)
def test_other_outcomes(dkimctl_inside: DkimctlInside, change: object, words: str) -> None:
    """Deferred, rejected, not started, not known: each with its reason, and never exit code 0."""
    tree = Tree(dkimctl_inside.root)
    assert callable(change)
    change(tree)
    ran = dkimctl_inside("why", SENDER)
    outcome, _, reason = words.partition(" … ")
    assert outcome in ran.out.splitlines()[0], ran.out
    assert reason in " ".join(ran.out.split()), ran.out
    assert ran.code == (3 if outcome == "not known" else 1)


@pytest.mark.parametrize(
    ("listed", "is_signed"),
    [
        ("ORIGINATING", True),
        ("csl:other,ORIGINATING", True),
        ("file:/etc/opendkim/mtas", True),
        ("originating", False),
        ("ORIGIN", False),
    ],
)
@needs("opendkim", "postfix", namespaces=True)
def test_the_daemon_name_decides(dkimctl_inside: DkimctlInside, listed: str, is_signed: bool) -> None:
    """MTA, with regard to case, against the name that Postfix sends: `why`, a probe and the real opendkim agree."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("InternalHosts", "-")
    tree.conf("MTA", listed)
    tree.write("/etc/opendkim/mtas", "ORIGINATING\n")
    tree.main("milter_macro_daemon_name", "ORIGINATING")
    assert (dkimctl_inside("why", SENDER, "--client", "203.0.113.9").code == 0) is is_signed
    name, is_listed = name_to_send(read_world(Settings(root=tree.root)))
    assert (name, is_listed) == ("ORIGINATING", is_signed)
    assert (unsigned(tree, Mails(client=("203.0.113.9", "unknown", "", name))) == []) is is_signed


@pytest.mark.parametrize(
    ("line", "mode", "outcome"),
    [
        ("On-NoSignature reject", "sv", "rejected"),
        ("On-NoSignature tempfail", "v", "deferred"),
        ("On-Default discard", "sv", "rejected"),
        ("On-NoSignature reject", "s", "not signed"),
        ("On-NoSignature quarantine", "sv", "not signed"),
    ],
)
def test_mail_that_is_verified(dkimctl_inside: DkimctlInside, line: str, mode: str, outcome: str) -> None:
    """Mail that is not to be signed is verified where Mode has v: On-NoSignature applies, and is named."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("Mode", mode)
    tree.conf(*line.split())
    for arguments in (("a@other.example",), (SENDER, "--client", "203.0.113.9")):
        answer = dkimctl_inside("why", *arguments, "--json").json["answer"]["answer"]
        assert answer["outcome"] == outcome
        assert (line in answer["reason"]) is (outcome != "not signed")
    if "s" in mode:
        assert dkimctl_inside("why", SENDER).code == 0


def test_what_is_wrong_with_postfix_is_not_asked(dkimctl_inside: DkimctlInside) -> None:
    """opendkim decides without main.cf, and so does `why`."""
    tree = Tree(dkimctl_inside.root)
    tree.append(MAIN_PATH, "= =\n")
    assert dkimctl_inside("why", SENDER).code == 0
    assert "fatal: " not in dkimctl_inside("doctor").out


def test_what_else_decides(dkimctl_inside: DkimctlInside) -> None:
    """DontSignMailTo is told beside the answer; macros decide about mail that would be signed; Domain has patterns."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("DontSignMailTo", "list@example.net")
    ran = dkimctl_inside("why", SENDER)
    assert (ran.code, "not when it goes to list@example.net" in ran.out) == (0, True)
    tree.conf("MTA", "ORIGINATING")
    assert dkimctl_inside("why", "x@nobody.example", "--client", "203.0.113.9").code == 1
    key_file(tree)
    tree.write("/etc/opendkim/Domains", "*.com\n")
    tree.conf("Domain", "refile:/etc/opendkim/Domains")
    assert dkimctl_inside("why", SENDER).code == 0
    assert dkimctl_inside("why", "x@example.net").code == 1


@pytest.mark.parametrize("arguments", [["nobody"], ["@example.com"], [SENDER, "--client", "not-an-ip"]])
def test_wrong_usage(dkimctl_inside: DkimctlInside, arguments: list[str]) -> None:
    """What is no address is wrong usage, with an example of a right one."""
    Tree(dkimctl_inside.root)
    ran = dkimctl_inside("why", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "not an address" in ran.err


def test_more_than_two_rows(dkimctl_inside: DkimctlInside) -> None:
    """With MultipleSignatures the daemon signs by the first row that fits and by the last, and by none between."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("MultipleSignatures", "yes")
    tree.write(KEYS, "".join(f"k{n} example.com:s{n}:{KEY}\n" for n in range(4)))
    tree.write(SIGNING, "contact@example.com k0\nexample.com k1\ncontact@* k2\n* k3\n")
    ran = dkimctl_inside("why", SENDER, "--json")
    assert [s["selector"] for s in ran.json["answer"]["answer"]["signatures"]] == ["s0", "s3"]
    assert "4 rows fit: the daemon signs only by the first and the last" in dkimctl_inside("why", SENDER).out


@pytest.mark.parametrize(("mode", "outcome"), [("s", "deferred"), ("v", "not signed")])
def test_a_row_that_is_only_a_name(dkimctl_inside: DkimctlInside, mode: str, outcome: str) -> None:
    """The daemon takes it for a key until it is to sign: in Mode v nothing is deferred for it."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("Mode", mode)
    tree.write(KEYS, "mail._domainkey.example.com\n")
    assert dkimctl_inside("why", SENDER, "--json").json["answer"]["answer"]["outcome"] == outcome
