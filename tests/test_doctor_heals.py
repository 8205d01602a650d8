"""Every fix that `doctor` prints heals: once pasted, the real opendkim, asked by the real Postfix, signs.

Where a fix opens an editor, the test makes the change that the advice describes.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import DkimctlInside, needs
from tests.doctor_cases import BROKEN, POSTFIX_CASES, START_CASES, Case, Change, both, pem
from tests.host_tree import DROP_IN, HOSTS, KEY, KEYS, MASTER_PATH, SIGNING, Tree
from tests.judging import SENDER, Mails, signed_from_outside, unsigned
from tests.test_doctor_commands import Paste, paste

__all__ = ["paste"]
pytestmark = needs("postfix", "opendkim", root=True, namespaces=True)
ROUNDS = 4
"""How often someone runs doctor and pastes what it prints, until nothing is left."""
NAME = "mail._domainkey.example.com"
ROW = f"{NAME} example.com:mail:{KEY}\n"
ASK_POSTFIX = [case.name for case in (*POSTFIX_CASES, *START_CASES)]

FILTERED = [case.name for case in POSTFIX_CASES if case.code in ("DKIM810", "DKIM812", "DKIM825", "DKIM828")]
FROM_OUTSIDE = [name for name in FILTERED if not name.startswith("users'")]
OWN_WAY = """\
smtp inet n - y - - smtpd
  -o smtpd_milters=
  -o content_filter=scan:[127.0.0.1]:10024
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o smtpd_milters=
submission inet n - y - - smtpd
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_milters=
  -o content_filter=scan:[127.0.0.1]:10034
127.0.0.1:10026 inet n - n - - smtpd
  -o content_filter=
pickup unix n - n 60 1 pickup
  -o content_filter=
"""
"""A submission service with a filter and a return port of its own, at which the mail is signed."""

BY_HAND: dict[str, Change] = {
    "key is encrypted": lambda t: t.key(KEY, pem()),  # openssl asks for the passphrase
    "relative key path": lambda t: t.write(KEYS, ROW),
    "SigningTable names no such key": lambda t: t.write(SIGNING, f"example.com {NAME}\n"),
    "KeyTable row without a path": lambda t: t.write(KEYS, ROW),
    "KeyTable row with only a name": lambda t: t.write(KEYS, ROW),
    "key inside the KeyTable": lambda t: t.write(KEYS, ROW),
    "pattern that is no expression": lambda t: t.write(SIGNING, f"*@example.com {NAME}\n"),
    "one d= for all": lambda t: t.write(SIGNING, f"*@example.com {NAME}\n"),
    "a key on the command line together with tables": lambda t: t.at(DROP_IN).unlink(),
    "KeyTable mdb:": lambda t: t.conf("KeyTable", f"file:{KEYS}"),
    "the article's TrustedHosts": lambda t: t.write(HOSTS, "127.0.0.1\n::1\n"),
    "everybody over IPv6": lambda t: t.write(HOSTS, "127.0.0.1\n::1\n"),
    "cron job with opendkim-testkey": lambda t: None,
    "rewriting after signing": lambda t: t.main("smtp_generic_maps", ""),
    "header checks after signing": lambda t: t.main("smtp_header_checks", ""),
    "milters by client": lambda t: t.main("smtpd_milter_maps", ""),
    "filter after signing": lambda t: t.write(MASTER_PATH, OWN_WAY),
    "pipe after signing": lambda t: t.write(MASTER_PATH, OWN_WAY),
    "signed before a before-queue filter alone": lambda t: t.write(MASTER_PATH, OWN_WAY),
    "a name that the chroot does not know": both(
        lambda t: t.write("/etc/hosts", "127.0.0.1 localhost ark\n"),
        lambda t: t.write("/var/spool/postfix/etc/hosts", "127.0.0.1 localhost ark\n"),
    ),
}
"""What a person does whom the fix sent to an editor, by the case's name."""
NOT_TRIED = {
    "a milter after the daemon": "it needs another milter",
    "second instance without milters": "it needs a second queue",
    "a read-only system": "systemd makes the sandbox",
    "a key in a home that the unit hides": "systemd makes the sandbox",
}
"""Cases whose fix cannot be judged here, each with the reason."""
MAILS = {
    "IPv6 loopback missing": Mails(client=("::1", "localhost", "")),
    "the article's TrustedHosts over IPv6": Mails(client=("::1", "localhost", "")),
    "mynetworks wider than InternalHosts": Mails(client=("192.0.2.7", "unknown", "")),
    "network with host bits": Mails(client=("203.0.113.77", "unknown", "")),
    "network with a netmask": Mails(client=("203.0.113.77", "unknown", "")),
    "IPv6 network in a long spelling": Mails(client=("2001:db8::7", "unknown", "")),
    "wildcard host": Mails(client=("198.51.100.7", "a.example.com", "")),
    "wildcard host in a refile:": Mails(client=("198.51.100.7", "a.example.com", "")),
    "inline list that begins with IPv6": Mails(client=("2001:db8::7", "unknown", "")),
    "sub-domain wildcard in a file: table": Mails((SENDER, "a@b.example.net")),
    "SigningTable row without a key": Mails(),
    "sender domain beyond ASCII": Mails((SENDER, "a@xn--bcher-kva.example")),
    "sub-domains before one of them": Mails(("a@a.b.example.com", "a@c.example.com")),
    "pattern that fits too much": Mails((SENDER,)),
    "one domain signs for all": Mails((SENDER, "a@other.example")),
    "two in one row": Mails((SENDER, "a@b.test")),
    "sub-domains alone": Mails((SENDER, "a@b.example.com")),
}
"""The mail that a case is about; else one from example.com by a client on this machine."""


def pasted(dkimctl: DkimctlInside, paste: Paste, code: str) -> list[str]:
    """Run doctor and paste what it prints, as often as it takes; returns what was pasted."""
    done: list[str] = []
    for _ in range(ROUNDS + 1):
        findings = dkimctl("doctor", "--json").json["findings"]
        wanted = [f for f in findings if f["code"] == code or f["severity"] in ("error", "warning")]
        fixes = [f["fix"] for f in wanted if f["fix"] and not f["fix"].startswith("editor") and f["fix"] not in done]
        for fix in fixes:
            paste(fix)
        done += fixes
        if not fixes:
            return done
    raise AssertionError(f"one fix undoes another: {done}")


@pytest.fixture
def published(tmp_path: Path, paste: Paste) -> Paste:
    """The same shell; another user's zone takes every record at once: `dkimctl publish` succeeds."""
    shown = tmp_path / "dkimctl"
    shown.write_text(shown.read_text().replace("\n", '\n[ "$1" = publish ] && exit 0\n', 1))
    return paste


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_it_heals(
    dkimctl_inside: DkimctlInside, published: Paste, case: Case, record_property: Callable[[str, object], None]
) -> None:
    """After the fix mail is signed, once, with a valid signature that counts for DMARC."""
    tree = Tree(dkimctl_inside.root)
    case.break_it(tree)
    if case.name in BY_HAND:
        BY_HAND[case.name](tree)
    done = pasted(dkimctl_inside, published, case.code)
    if case.name in NOT_TRIED:
        return
    mails = MAILS.get(case.name, Mails())
    ports = _ports(case)
    assert unsigned(tree, Mails(mails.senders, mails.client, ports)) == [], done
    record_property("counted: broken hosts on which the real daemon signs after doctor's fixes", 1)


def _ports(case: Case) -> tuple[int, ...]:
    """Return where mail that has to be signed enters: with a filter from users alone, as it does from 25 otherwise."""
    if case.name in FILTERED:
        return (587,) if case.name not in FROM_OUTSIDE or case.name in BY_HAND else ()
    return (25, 0) if case.name in ASK_POSTFIX else ()


@pytest.mark.parametrize("name", FROM_OUTSIDE)
def test_no_fix_has_mail_from_outside_signed(dkimctl_inside: DkimctlInside, published: Paste, name: str) -> None:
    """With a content filter at port 25 all mail comes back from this machine: before the fix some is signed."""
    tree = Tree(dkimctl_inside.root)
    case = next(case for case in POSTFIX_CASES if case.name == name)
    case.break_it(tree)
    if case.code == "DKIM828":
        assert signed_from_outside(tree)
    done = pasted(dkimctl_inside, published, case.code)
    if name != "filter after signing":  # which has no way back
        assert not signed_from_outside(tree), done
    if name in BY_HAND:
        BY_HAND[name](tree)
        done = pasted(dkimctl_inside, published, case.code)
        assert not signed_from_outside(tree), done


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("key world-readable", "not signed (tempfail)"),
        ("only Domain", "does not start"),
        ("socket directory 0750 of opendkim", "does not answer where Postfix asks"),
        ("no PidFile", "there is no PID file"),
        ("signing domain beyond ASCII", "connection reset by peer"),
    ],
)
def test_the_judge_sees_what_is_broken(dkimctl_inside: DkimctlInside, name: str, words: str) -> None:
    """Without the fix the same mail is not signed: the judge does not pass everything."""
    tree = Tree(dkimctl_inside.root)
    next(case for case in BROKEN if case.name == name).break_it(tree)
    assert words in " ".join(unsigned(tree, Mails()))


def test_every_name_is_a_case() -> None:
    """No entry of the tables is about a case that is gone."""
    assert {*BY_HAND, *NOT_TRIED, *MAILS} <= {case.name for case in BROKEN}
