"""`dkimctl setup` where daemons run: the probe, a daemon that reloads, and the way back when a signature fails."""

import json
from collections.abc import Iterator

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.real.relay import Relay
from tests.real.test_message import signatures

pytestmark = needs("opendkim", "postfix", "postconf", root=True, namespaces=True)

SETUP = ("setup", "--provider", "ovh", "--timeout", "20")


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with three zones."""
    with Sandbox(zones=["domain.tld", "second.tld", "third.tld"]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


def states(relay: Relay, *arguments: str) -> dict[str, str]:
    """Run setup; step → state."""
    steps = json.loads(relay.machine.dkimctl(*SETUP, "--json", *arguments, check=False).stdout)["steps"]
    return {step["name"]: step["state"] for step in steps}


def phase(relay: Relay, domain: str) -> str:
    """The phase of the domain's only key."""
    return str(json.loads(relay.machine.run("sh", "-c", f"cat /etc/opendkim/keys/{domain}/*.json").stdout)["phase"])


def tables(relay: Relay) -> str:
    """The installed tables and configuration."""
    names = ("/etc/opendkim.conf", "/etc/opendkim/KeyTable", "/etc/opendkim/SigningTable", "/etc/postfix/main.cf")
    return relay.machine.run("sh", "-c", f"cat {' '.join(names)} 2>/dev/null", check=False).stdout


def test_from_nothing_to_a_signed_mail(relay: Relay, ovh: Sandbox) -> None:
    """Without a daemon it says what to type, exit 3, and Postfix is not touched; with it the same command completes.

    The third run changes nothing and says so.
    """
    postfix = relay.machine.read("/etc/postfix/main.cf")
    first = relay.machine.dkimctl(*SETUP, "domain.tld", check=False)
    assert first.returncode == 3
    assert "no opendkim runs yet" in first.stdout
    assert "-> start it: opendkim" in first.stdout
    assert "Postfix is left as it is until opendkim answers" in " ".join(first.stdout.split())
    assert relay.machine.read("/etc/postfix/main.cf") == postfix
    assert phase(relay, "domain.tld") == "verified"
    relay.start_signing()
    assert states(relay, "domain.tld")["signature"] == "done"
    assert phase(relay, "domain.tld") == "active"
    before = tables(relay)
    assert set(states(relay, "domain.tld").values()) == {"already"}
    assert tables(relay) == before
    (seen,) = signatures(relay.send("contact@domain.tld"), ovh.dns_address[1])
    assert seen.valid, seen.why


def test_a_running_daemon_signs_for_the_next_domain(relay: Relay, ovh: Sandbox) -> None:
    """A second domain is added without a restart: the running daemon reloads, and the probe waits for it."""
    states(relay, "domain.tld")
    relay.start_signing()
    told = states(relay, "second.tld")
    assert (told["opendkim"], told["signature"]) == ("done", "done")
    port = ovh.dns_address[1]
    for domain in ("domain.tld", "second.tld"):
        (seen,) = signatures(relay.send(f"a@{domain}"), port)
        assert (seen.domain, seen.valid) == (domain, True)


@pytest.fixture
def spoilt(relay: Relay, ovh: Sandbox) -> Relay:
    """domain.tld signs; a person's line in the SigningTable, before ours, gives its key to second.tld as well."""
    states(relay, "domain.tld")
    relay.start_signing()
    assert states(relay, "domain.tld")["signature"] == "done"
    ours = relay.machine.read("/etc/opendkim/SigningTable")
    (name,) = [line.split()[1] for line in ours.splitlines() if line.startswith("domain.tld ")]
    relay.machine.write("/etc/opendkim/SigningTable", f"second.tld {name}\n{ours}")
    return relay


def test_a_signature_that_does_not_verify_is_taken_back(spoilt: Relay, ovh: Sandbox) -> None:
    """When the daemon signs a new domain with a wrong key the old configuration comes back, exit 1; others sign on."""
    before = tables(spoilt)
    run = spoilt.machine.dkimctl(*SETUP, "second.tld", check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "not by" in run.stderr
    assert "put back as it was before" in run.stdout
    assert tables(spoilt) == before
    assert phase(spoilt, "second.tld") == "verified"
    (seen,) = signatures(spoilt.send("contact@domain.tld"), ovh.dns_address[1])
    assert seen.valid, seen.why


def test_of_two_new_domains_only_the_wrong_one_is_taken_back(spoilt: Relay, ovh: Sandbox) -> None:
    """A domain whose signature fails does not take the other new one with it: that one is set up and proven."""
    run = spoilt.machine.dkimctl(*SETUP, "second.tld", "third.tld", check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert (phase(spoilt, "second.tld"), phase(spoilt, "third.tld")) == ("verified", "active")
    assert "second.tld" not in spoilt.machine.read("/etc/opendkim/KeyTable")
    (seen,) = signatures(spoilt.send("contact@third.tld"), ovh.dns_address[1])
    assert (seen.domain, seen.valid) == ("third.tld", True)


def test_a_daemon_at_another_socket_is_no_proof(relay: Relay, ovh: Sandbox) -> None:
    """A daemon that was started with another socket on its command line is found out: nothing is called signed."""
    states(relay, "domain.tld")
    relay.machine.start_opendkim("-p", "local:/run/opendkim/elsewhere.sock")
    told = states(relay, "domain.tld")
    assert told["opendkim"] == "to do"
    assert "signature" not in told
    assert phase(relay, "domain.tld") == "verified"


def test_what_went_wrong_since_is_told_again(relay: Relay, ovh: Sandbox) -> None:
    """A domain that signed and whose mail is signed wrongly now fails, though this run has nothing to change."""
    states(relay, "domain.tld", "second.tld")
    relay.start_signing()
    assert states(relay, "domain.tld", "second.tld")["signature"] == "done"
    ours = relay.machine.read("/etc/opendkim/SigningTable")
    (name,) = [line.split()[1] for line in ours.splitlines() if line.startswith("domain.tld ")]
    relay.machine.write("/etc/opendkim/SigningTable", f"second.tld {name}\n{ours}")
    relay.start_signing()
    run = relay.machine.dkimctl(*SETUP, "second.tld", check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "not by" in run.stderr


def test_postfix_waits_for_the_restart(relay: Relay, ovh: Sandbox) -> None:
    """Without systemd a daemon listens elsewhere until a person restarts it: until then Postfix stays, and it is told.

    Afterwards the same command leads Postfix to the new socket.
    """
    relay.start_signing()
    before = relay.machine.run("postconf", "-h", "smtpd_milters").stdout
    ran = relay.machine.dkimctl(*SETUP, "domain.tld", check=False)
    assert ran.returncode == 3
    assert "Postfix is left as it is until opendkim answers" in " ".join(ran.stdout.split())
    assert "until then Postfix keeps" not in ran.stdout
    assert relay.machine.run("postconf", "-h", "smtpd_milters").stdout == before
    relay.start_signing()
    after = states(relay, "domain.tld")
    assert (after["Postfix"], after["signature"]) == ("done", "done")
    (seen,) = signatures(relay.send("contact@domain.tld"), ovh.dns_address[1])
    assert seen.valid, seen.why


# Replaces systemd's own, which cannot run here: the unit's commands and nothing else.
SYSTEMCTL = """#!/bin/sh
pid() { cat /run/opendkim/opendkim.pid 2>/dev/null; }
running() { test -d "/proc/$(pid)"; }
stop() { running && kill -9 $(pid) $(cat /proc/$(pid)/task/$(pid)/children); rm -f /run/opendkim/opendkim.pid; }
case $1 in
    is-active) running ;;
    reload) kill -USR1 $(pid) ;;
    restart) stop; opendkim ;;
esac
"""


@pytest.fixture
def fresh(relay: Relay) -> Relay:
    """A relay as Debian leaves it after the installation: opendkim runs, at a socket where no Postfix reaches it."""
    relay.machine.run("mkdir", "-p", "/run/systemd/system", "/run/bin")
    relay.machine.write("/run/bin/systemctl", SYSTEMCTL)
    relay.machine.run("chmod", "755", "/run/bin/systemctl")
    relay.machine.programs = "/run/bin"
    relay.start_signing()
    return relay


def test_a_fresh_debian_in_one_command(fresh: Relay, ovh: Sandbox) -> None:
    """With the packages just installed, one command ends with a daemon that signs and mail that verifies."""
    told = states(fresh, "domain.tld")
    assert (told["opendkim"], told["Postfix"], told["signature"]) == ("done", "done", "done")
    (seen,) = signatures(fresh.send("contact@domain.tld"), ovh.dns_address[1])
    assert seen.valid, seen.why


def test_a_daemon_that_does_not_listen_is_taken_back(fresh: Relay, ovh: Sandbox) -> None:
    """A daemon that cannot listen with the new configuration runs with the old one again, and mail still flows.

    Here because it shall listen at an address that this machine does not have; its start says nothing of it.
    """
    before = tables(fresh)
    fresh.machine.run("mkdir", "-p", "/etc/dkimctl")
    fresh.machine.write("/etc/dkimctl/dkimctl.toml", '[signing]\nsocket = "inet:8891@192.0.2.1"\n')
    run = fresh.machine.dkimctl(*SETUP, "domain.tld", check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "no daemon answers at inet:8891@192.0.2.1" in run.stderr
    assert_all_is_back(fresh, before, run.stdout)


def test_a_daemon_that_does_not_start_again_is_taken_back(fresh: Relay, ovh: Sandbox) -> None:
    """A daemon that the init system cannot start with the new configuration is started again with the old one."""
    script = SYSTEMCTL.replace("stop; opendkim", "stop; test ! -e /etc/opendkim/KeyTable && opendkim")
    fresh.machine.write("/run/bin/systemctl", script)
    before = tables(fresh)
    run = fresh.machine.dkimctl(*SETUP, "domain.tld", check=False)
    assert run.returncode == 3, run.stdout + run.stderr
    assert "systemctl restart opendkim failed" in run.stderr
    assert_all_is_back(fresh, before, run.stdout)


def assert_all_is_back(relay: Relay, before: str, told: str) -> None:
    """The files are those of before, the daemon runs with them, and mail flows, unsigned as before."""
    assert "put back as it was before" in told
    assert tables(relay) == before
    assert relay.machine.run("/run/bin/systemctl", "is-active", "opendkim").returncode == 0
    assert b"DKIM-Signature" not in relay.send("contact@domain.tld")
