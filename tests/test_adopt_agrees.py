"""`adopt`: what its plan shows with exit 0 can be installed on the machine where the real opendkim runs."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.real.machine import Machine
from tests.test_adopt_live import ASK

pytestmark = needs("opendkim", "opendkim-genkey", "postfix", "postconf", root=True, namespaces=True)

KEYS, SIGNING = "/etc/opendkim/key.table", "/etc/opendkim/signing.table"


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    """Where opendkim listens."""
    return free_port()


@pytest.fixture
def machine(tmp_path: Path, port: int) -> Iterator[Machine]:
    """Tables with lower-case names, as Ansible roles make them, one row of which matches nothing; no daemon yet."""
    with Machine(tmp_path) as running:
        running.run("mkdir", "-p", "/etc/dkimkeys")
        running.run(*["opendkim-genkey", "-d", "domain.tld", "-D", "/etc/dkimkeys", "--bits=2048", "--selector=mail"])
        running.run("sh", "-c", "chown opendkim:opendkim /etc/dkimkeys/*; chmod 600 /etc/dkimkeys/*")
        running.run("mkdir", "-p", "/etc/opendkim")
        running.write(KEYS, "main domain.tld:mail:/etc/dkimkeys/mail.private\n")
        running.write(SIGNING, "*@domain.tld main\n.domain.tld main\n")
        running.write("/etc/opendkim/TrustedHosts", "127.0.0.1\n::1\n*.example.com\n")
        running.run("postconf", "-e", f"smtpd_milters = inet:127.0.0.1:{port}")
        yield running


def conf(port: int, hosts: str) -> str:
    """opendkim.conf with these lines about hosts."""
    tables = f"KeyTable refile:{KEYS}\nSigningTable refile:{SIGNING}\n"
    start = "AutoRestart yes\nPidFile /run/opendkim/opendkim.pid\nUserID opendkim\nUMask 002\n"
    return f"Syslog yes\nMode s\n{start}Socket inet:{port}@127.0.0.1\n{tables}{hosts}"


@pytest.mark.parametrize(
    "hosts",
    [
        "InternalHosts refile:/etc/opendkim/TrustedHosts\n",
        "InternalHosts 127.0.0.1,10.0.0.0/8\n",
        "InternalHosts -\nMTA ORIGINATING\n",
    ],
)
def test_what_the_plan_shows_is_installed(machine: Machine, port: int, hosts: str) -> None:
    """Rows that match nothing, patterns of hosts, and `MTA` alone: the plan's exit 0 is the installation's.

    The table stays `refile:`, for a panel that goes on writing patterns, and metadata has README's owner and mode.
    """
    machine.write("/etc/opendkim.conf", conf(port, hosts))
    machine.start_opendkim()
    plan = machine.dkimctl("adopt", check=False)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    ran = machine.dkimctl("adopt", "--install", "--json", check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "opendkim signs mail from domain.tld" in json.loads(ran.stdout)["adoption"]["change"]["proof"]
    toml = machine.read("/etc/dkimctl/dkimctl.toml")
    assert 'tables = "refile"' in toml
    mode = machine.run("stat", "-c", "%a %U:%G", "/etc/opendkim/keys/domain.tld/mail.json").stdout.split()
    assert mode == ["600", "opendkim:opendkim"]
    header = machine.run(sys.executable, "-c", ASK, f"inet:{port}@localhost", "domain.tld").stdout
    assert bool(header.strip()) == ("MTA" not in hosts)  # ASK names no such daemon
    assert "UserID" not in machine.dkimctl("render-config", check=False).stderr


def test_a_table_that_a_panel_rewrote(machine: Machine, port: int) -> None:
    """doctor names the domains that lost their rows, and `render-config --install` brings them back."""
    machine.write("/etc/opendkim.conf", conf(port, "InternalHosts 127.0.0.1\n"))
    machine.start_opendkim()
    machine.dkimctl("adopt", "--install")
    machine.run("sh", "-c", "echo 'theirs theirs.example:mail:/etc/dkimkeys/mail.private' >> /etc/opendkim/KeyTable")
    machine.run("sh", "-c", "echo '*@theirs.example theirs' >> /etc/opendkim/SigningTable")
    machine.dkimctl("genkey", "new.example")
    machine.dkimctl("render-config", "--install", "--allow-unproven")  # keeps the rows of others, and a copy of them
    machine.write("/etc/opendkim/SigningTable", "*@next.example next\n")
    told = machine.dkimctl("doctor", "--no-dns", "--json", check=False)
    found = [f for f in json.loads(told.stdout)["findings"] if f["code"] == "DKIM776"]
    assert found, told.stdout
    assert "domain.tld" in found[0]["seen"]
    assert any("theirs.example" in f["seen"] for f in found), found
    assert found[0]["fix"] == "dkimctl render-config --install"
    machine.run("sh", "-c", "echo 'next next.example:mail:/etc/dkimkeys/mail.private' >> /etc/opendkim/KeyTable")
    ran = machine.dkimctl("render-config", "--install", check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for domain in ("domain.tld", "next.example"):
        header = machine.run(sys.executable, "-c", ASK, f"inet:{port}@localhost", domain).stdout
        assert f"d={domain}" in header, f"{machine.read('/etc/opendkim/SigningTable')}{machine.log}"
