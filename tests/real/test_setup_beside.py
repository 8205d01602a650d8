"""`dkimctl setup` where something signs already: it signs in the same way afterwards, or nothing is installed.

The real opendkim runs in each of the ways in which people start it, and other signers listen at the milter's socket.
"""

import json
import sys
from collections.abc import Callable, Iterator

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.milters import milter, with_field
from tests.real.relay import Relay
from tests.test_adopt_live import ASK

pytestmark = needs("opendkim", "opendkim-genkey", "postfix", "postconf", root=True, namespaces=True)

SETUP = ("setup", "new.tld", "--provider", "ovh", "--timeout", "20")
BASE = """\
Syslog yes
AutoRestart yes
UserID opendkim
UMask 002
Canonicalization relaxed/simple
PidFile /run/opendkim/opendkim.pid
Mode s
"""
TABLES = "KeyTable refile:/etc/opendkim/KeyTable\nSigningTable refile:/etc/opendkim/SigningTable\n"


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with the zone of the domain that is set up."""
    with Sandbox(zones=["new.tld"]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


@pytest.fixture
def port(relay: Relay, free_port: Callable[[], int]) -> int:
    """The port of this host's milter; old.tld has a key, and Postfix asks there and accepts without it."""
    number = free_port()
    machine = relay.machine
    machine.run("mkdir", "-p", "/etc/opendkim/keys")
    machine.run(*["opendkim-genkey", "-d", "old.tld", "-D", "/etc/opendkim/keys", "--bits=2048", "--selector=mail"])
    machine.run("sh", "-c", "chown -R opendkim:opendkim /etc/opendkim/keys/*; chmod 600 /etc/opendkim/keys/*")
    machine.write("/etc/opendkim/KeyTable", "old old.tld:mail:/etc/opendkim/keys/mail.private\n")
    machine.write("/etc/opendkim/SigningTable", "*@old.tld old\n")
    machine.run("postconf", "-e", f"smtpd_milters = inet:127.0.0.1:{number}", "milter_default_action = accept")
    return number


def configure(relay: Relay, port: int, more: str = "", path: str = "/etc/opendkim.conf") -> None:
    """Write a hand-made opendkim.conf."""
    relay.machine.write(path, f"{BASE}{TABLES}Socket inet:{port}@127.0.0.1\n{more}")


def signed(relay: Relay, port: int, domain: str = "old.tld") -> str:
    """The s= and d= that the running daemon gives mail from a domain; empty when it is not signed."""
    header = relay.machine.run(sys.executable, "-c", ASK, f"inet:{port}@localhost", domain).stdout
    return "; ".join(sorted(t.strip() for t in header.split(";") if t.strip().startswith(("c=", "d=", "s="))))


def installed(relay: Relay) -> str:
    """The present settings of Postfix and opendkim."""
    names = "/etc/opendkim.conf /etc/opendkim/*Table /etc/opendkim/dkimctl.conf /etc/postfix/main.cf"
    return relay.machine.run("sh", "-c", f"cat {names} 2>/dev/null", check=False).stdout


def assert_refused(relay: Relay, *words: str) -> None:
    """Setup ends with 1 and these words, and nothing is installed."""
    before = installed(relay)
    ran = relay.machine.dkimctl(*SETUP, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    told = " ".join(ran.stderr.split())
    assert all(word in told for word in words), ran.stderr
    assert installed(relay) == before


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ("InternalHosts 127.0.0.1,10.0.0.0/8\n", "InternalHosts loses 10.0.0.0/8"),
        ("InternalHosts 127.0.0.1\nCanonicalization simple/simple\n", "Canonicalization simple/simple becomes"),
    ],
)
def test_a_setup_beside_what_was_not_adopted(relay: Relay, ovh: Sandbox, port: int, more: str, word: str) -> None:
    """What would change how mail is signed today is refused, the hint is adopt; after adopt the setup completes."""
    configure(relay, port, more)
    relay.machine.start_opendkim()
    before = signed(relay, port)
    assert before
    assert_refused(relay, word, "dkimctl adopt --install")
    assert relay.machine.dkimctl("adopt", "--install").returncode == 0
    ran = relay.machine.dkimctl(*SETUP, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert signed(relay, port) == before
    assert signed(relay, port, "new.tld")
    assert signed(relay, port, "sub.old.tld") == ""


@pytest.mark.parametrize("how", ["-x", "options"])
def test_a_daemon_that_was_started_otherwise(relay: Relay, ovh: Sandbox, port: int, how: str) -> None:
    """`-x OTHER` and a daemon of options only are recognised by setup, adopt and why, and its mail stays signed."""
    options = ("-x", "/etc/other.conf")
    if how == "-x":
        configure(relay, port, path="/etc/other.conf")
        relay.machine.run("sed", "-i", "/PidFile/d", "/etc/other.conf")
    else:
        signing = f"-d old.tld -s mail -k /etc/opendkim/keys/mail.private -p inet:{port}@127.0.0.1"
        options = ("-x", "/dev/null", "-u", "opendkim", "-l", *signing.split())
    relay.machine.run("opendkim", *options)
    before = signed(relay, port)
    assert before
    assert_refused(relay, "adopt")
    why = relay.machine.dkimctl("why", "a@old.tld", "--no-dns", check=False)
    assert why.returncode == 0, why.stdout + why.stderr
    assert "d=old.tld s=mail /etc/opendkim/keys/mail.private" in " ".join(why.stdout.split())
    adopted = relay.machine.dkimctl("adopt", "--install", check=False)
    if how == "options":
        assert adopted.returncode == 2
        assert "command line" in adopted.stderr
        return
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert 'opendkim_conf = "/etc/other.conf"' in relay.machine.read("/etc/dkimctl/dkimctl.toml")
    ran = relay.machine.dkimctl(*SETUP, check=False)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "restart it: kill" in ran.stdout  # the PidFile that it did not have counts from a start
    assert signed(relay, port) == before


def test_another_signer_is_said_and_postfix_not_touched(relay: Relay, ovh: Sandbox, port: int) -> None:
    """A milter elsewhere that Postfix asks is named; while no opendkim runs, Postfix stays as it is, exit 3, not 0."""
    relay.machine.run("postconf", "-e", "smtpd_milters = inet:signer.test:8891, inet:127.0.0.1:11332")
    before = relay.machine.read("/etc/postfix/main.cf")
    adopt = relay.machine.dkimctl("adopt", check=False)
    assert adopt.returncode == 2
    assert "opendkim on signer.test" in " ".join(adopt.stderr.split())
    assert "begin with: dkimctl setup" not in adopt.stderr
    why = relay.machine.dkimctl("why", "a@old.tld", "--no-dns", check=False)
    assert why.returncode == 3
    assert "opendkim on signer.test" in " ".join(why.stdout.split())
    doctor = relay.machine.dkimctl("doctor", "--no-dns", check=False)
    assert "opendkim on signer.test" in " ".join(doctor.stdout.split())
    assert "render-config --install" not in doctor.stdout
    ran = relay.machine.dkimctl(*SETUP, "--json", check=False)
    assert ran.returncode == 3, ran.stderr
    steps = json.loads(ran.stdout)["steps"]
    told = " ".join(step["proof"] for step in steps)
    assert "opendkim on signer.test" in told
    assert "rspamd" in told
    assert max(step["exit_code"] for step in steps) == 3
    assert relay.machine.read("/etc/postfix/main.cf") == before


def test_a_milter_that_is_taken_for_opendkim_and_is_not_is_not_replaced(relay: Relay, ovh: Sandbox, port: int) -> None:
    """Something else answers at opendkim's usual port: mail that it signs would go unsigned; nothing is installed."""
    relay.machine.run("postconf", "-e", "smtpd_milters = inet:127.0.0.1:8891")
    with milter(with_field("X-Signed", "by another program"), port=8891):
        assert_refused(relay, "is not the opendkim of this host", "a setup would replace it")
