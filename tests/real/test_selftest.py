"""selftest against a real relay: through the daemon, through a second Postfix, and with what breaks signatures."""

import json
import socket
from typing import Any

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.milters import milter, rejecting, with_footer
from tests.real.relay import Relay

pytestmark = [needs("opendkim", "postfix", "postconf", root=True, namespaces=True), pytest.mark.long]


@pytest.fixture
def signing(relay: Relay, ovh: Sandbox) -> Relay:
    """The relay of the README: the key published, both daemons configured, opendkim running."""
    run = relay.machine.dkimctl
    run("genkey", "--subdomains", "-r", "-s", "mail", "domain.tld")
    run("publish", "domain.tld", "--provider", "ovh")
    run("render-config", "--install", "--allow-unproven")
    relay.start_signing()
    return relay


def result(relay: Relay, *arguments: str, code: int = 0) -> Any:
    """The JSON of a selftest, which must end with `code`."""
    ended = relay.machine.dkimctl("selftest", "domain.tld", "--json", *arguments, check=False)
    assert ended.returncode == code, f"{ended.stdout}{ended.stderr}{relay.machine.log}"
    return json.loads(ended.stdout)


def states(relay: Relay, *arguments: str, code: int = 0) -> dict[str, str]:
    """Message → how it ended."""
    return {a["case"]: a["state"] for a in result(relay, *arguments, code=code)["selftest"]["attempts"]}


def test_each_way(signing: Relay) -> None:
    """Through the daemon, smtpd and sendmail every legal message is signed and verifies with the key from DNS.

    A line over 998 octets is broken by Postfix after it was signed, which is told as a warning. The real Postfix, its
    queue and its configuration see nothing of it.
    """
    signing.machine.run("mkdir", "-m", "1777", "/run/tmp")  # /tmp is everybody's, other tests' too
    signing.machine.environment["TMPDIR"] = "/run/tmp"
    before = signing.machine.run("sh", "-c", "cat /etc/postfix/*.cf; find /var/spool/postfix -type f").stdout
    assert set(states(signing).values()) == {"signed"}
    for via in ("smtp", "sendmail"):
        seen = states(signing, "--via", via)
        assert seen.pop("a line over 998") == "warning"
        assert set(seen.values()) == {"signed"}, seen
        assert len(seen) == 7
    assert signing.machine.run("sh", "-c", "cat /etc/postfix/*.cf; find /var/spool/postfix -type f").stdout == before
    assert signing.sink.wait_for("", 0) == ()
    assert signing.machine.run("ls", "-A", "/run/tmp").stdout == ""
    assert signing.machine.run("pgrep", "-xc", "master").stdout.strip() == "1"  # the real one


def test_other_milters(signing: Relay) -> None:
    """One that comes after opendkim and changes the body is named, with what it added; before opendkim it does no harm.

    opendkim twice in the list signs twice, which is told; one that rejects is told with its words.
    """
    milters = signing.machine.run("postconf", "-h", "smtpd_milters").stdout.strip()
    with milter(with_footer) as place:
        spelled = f"inet:127.0.0.1:{place.port}"
        signing.machine.run("postconf", "-e", f"smtpd_milters = {milters}, {spelled}")
        first = result(signing, "--via", "smtp", code=1)["selftest"]["attempts"][0]
        assert first["state"] == "wrong"
        assert "2 lines were added at its end" in first["seen"]
        assert spelled in first["hint"]
        signing.machine.run("postconf", "-e", f"smtpd_milters = {spelled}, {milters}")
        assert states(signing, "--via", "smtp")["plain text"] == "signed"  # before opendkim it does no harm
    signing.machine.run("postconf", "-e", f"smtpd_milters = {milters}, {milters}")
    first = result(signing, "--via", "smtp")["selftest"]["attempts"][0]
    assert "signed 2 times by mail of domain.tld" in first["remarks"][0]
    with milter(rejecting("550 5.7.1 not today")) as place:
        signing.machine.run("postconf", "-e", f"smtpd_milters = {milters}, inet:127.0.0.1:{place.port}")
        first = result(signing, "--via", "smtp", code=1)["selftest"]["attempts"][0]
    assert "not today" in first["seen"]


def test_what_postfix_does_after_the_daemon(signing: Relay) -> None:
    """A header check on the way out breaks the signature and is named; without a daemon, Postfix's words are."""
    signing.machine.run("postconf", "-e", "smtp_header_checks = regexp:/etc/postfix/out")
    signing.machine.write("/etc/postfix/out", "/^Subject:(.*)/ REPLACE Subject: [ext]$1\n")
    first = result(signing, "--via", "smtp", code=1)["selftest"]["attempts"][0]
    assert "Subject was changed after it was signed" in first["seen"]
    assert "smtp_header_checks" in first["hint"]
    signing.machine.run("postconf", "-X", "smtp_header_checks")
    signing.machine.run(
        "postconf", "-e", "milter_default_action = tempfail"
    )  # newer Postfix closes the session instead
    signing.stop_signing()
    deferred = result(signing, "--via", "smtp", code=1)["selftest"]["attempts"][0]
    assert "Postfix refuses it: 451" in deferred["seen"]
    assert "connect to Milter service" in deferred["hint"]


def test_a_content_filter(signing: Relay) -> None:
    """Mail goes on, unchanged, as where it comes back from the filter: signed there, twice, or not at all."""
    signing.machine.run("postconf", "-e", "content_filter = scan:[127.0.0.1]:10024")
    signing.machine.run("postconf", "-M", "smtp/inet=smtp inet n - y - - smtpd")
    back = "127.0.0.1:10025/inet=127.0.0.1:10025 inet n - n - - smtpd -o content_filter="
    signing.machine.run("postconf", "-M", back)
    twice = result(signing, "--via", "smtp")["selftest"]
    assert "signed 2 times" in twice["attempts"][0]["remarks"][0]
    assert twice["notes"][0].startswith("not asked: content_filter = scan:[127.0.0.1]:10024")
    signing.machine.run("postconf", "-P", "smtp/inet/smtpd_milters=")
    assert states(signing, "--via", "smtp")["plain text"] == "signed"
    signing.machine.run("postconf", "-P", "127.0.0.1:10025/inet/receive_override_options=no_milters")
    first = result(signing, "--via", "smtp", code=1)["selftest"]["attempts"][0]
    assert "does not name the daemon" in first["hint"]


def test_what_postfix_does_instead(signing: Relay) -> None:
    """Not asked, a spelling that ends smtpd, a silent milter, a filter of one service: each named, once for all."""
    signing.machine.run("postconf", "-X", "non_smtpd_milters")
    attempts = result(signing, "--via", "sendmail", code=1)["selftest"]["attempts"]
    assert {a["hint"] for a in attempts} == {
        "non_smtpd_milters = (empty) does not name the daemon: sudo dkimctl doctor"
    }
    signing.machine.run("postconf", "-M", "smtp/inet=smtp inet n - y - - smtpd")
    signing.machine.run("postconf", "-P", "smtp/inet/content_filter=scan:dummy")
    [note] = result(signing, "--via", "smtp")["selftest"]["notes"]
    assert note.startswith("not followed: content_filter = scan:dummy, because it hands mail back")
    signing.machine.run("chmod", "644", "/etc/opendkim/keys/domain.tld/mail.private")
    attempts = result(signing, "--via", "smtp", code=1)["selftest"]["attempts"]
    assert len({a["hint"] for a in attempts}) == 2, "the sender below the domain, and the others"
    assert "sudo dkimctl why" in attempts[0]["hint"]


def test_a_second_postfix_that_takes_no_mail(signing: Relay) -> None:
    """Why it does not: the word of Postfix that ended smtpd, or the milter that it waits for."""
    signing.machine.run("postconf", "-e", "smtpd_milters = inet:8891@127.0.0.1")
    ended = signing.machine.dkimctl("selftest", "--via", "smtp", check=False)
    assert (ended.returncode, "fatal: 8891@127.0.0.1" in ended.stderr) == (3, True), ended.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"inet:127.0.0.1:{silent.getsockname()[1]}"
        signing.machine.run("postconf", "-e", f"smtpd_milters = {place}")
        ended = signing.machine.dkimctl("selftest", "--via", "smtp", check=False)
    assert (ended.returncode, f"it waits for the milter {place}" in ended.stderr) == (3, True), ended.stderr


def test_no_header_check_leads_out(signing: Relay) -> None:
    """A FILTER action names a transport of its own: the probe ends there, and nobody else gets it."""
    with socket.create_server(("127.0.0.1", 0)) as outsider:
        outsider.setblocking(False)
        place = f"smtp:[127.0.0.1]:{outsider.getsockname()[1]}"
        signing.machine.write("/etc/postfix/checks", f"/^Subject:/ FILTER {place}\n")
        signing.machine.run("postconf", "-e", "header_checks = regexp:/etc/postfix/checks")
        ended = signing.machine.dkimctl("selftest", "domain.tld", "--via", "sendmail", "--json", check=False)
        with pytest.raises(BlockingIOError):
            outsider.accept()
    attempts = json.loads(ended.stdout)["selftest"]["attempts"]
    assert ended.returncode in (1, 3)
    assert {a["seen"] for a in attempts} == {"Postfix did not deliver it in time"}
    assert all(a["state"] != "signed" for a in attempts), attempts
