"""From one configuration to the next with the real opendkim: dry run, installation, reload, restart."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs
from tests.milters import saying
from tests.real.machine import START, Machine

pytestmark = needs("opendkim", "postfix", "postconf", root=True, namespaces=True)

ASK = """
import sys, time
from datetime import UTC, datetime
from dkimctl.errors import Unavailable
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.milter.message import probe_message
from dkimctl.milter.client import offer
for attempt in range(100):
    try:
        reply = offer(parse_socket(sys.argv[1]), probe_message(sys.argv[2], datetime.now(UTC)), job="SWITCH")
        break
    except Unavailable:
        time.sleep(0.1)
print(reply.signature or "")
"""
SOCKET = "local:/var/spool/postfix/opendkim/opendkim.sock"
CONF = "/etc/opendkim.conf"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with Debian's opendkim and Postfix, a key for domain.tld, and no daemon running."""
    with Machine(tmp_path) as running:
        running.dkimctl("genkey", "-s", "mail", "domain.tld")
        yield running


def install(machine: Machine, *options: str, code: int = 0) -> Any:
    """`render-config --install`, which ends with this exit code: its JSON document."""
    done = machine.dkimctl("render-config", "--install", "--allow-unproven", "--json", *options, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)["installed"]


def signature(machine: Machine, domain: str, socket: str = SOCKET) -> str:
    """Return the signature that the running daemon adds to a message from that domain; empty for none."""
    return machine.run(sys.executable, "-c", ASK, socket, domain).stdout.strip()


def daemon_id(machine: Machine) -> str:
    """The process that wrote the pid file."""
    return machine.read("/run/opendkim/opendkim.pid").strip()


def test_before_the_first_start_it_is_proven_and_told(machine: Machine) -> None:
    """The dry run signs with the new files; no daemon runs, which is a warning with the command and no error."""
    done = install(machine)
    assert done["dry_run"] == "dry run: opendkim signs for domain.tld"
    assert (done["daemon"]["step"], done["daemon"]["done"]) == ("start", False)
    assert done["daemon"]["hint"] == "start it: opendkim -x /etc/opendkim.conf"
    assert machine.run("stat", "-c", "%a %U:%G", "/var/spool/postfix/opendkim").stdout == "2750 opendkim:postfix\n"
    machine.start_opendkim()
    assert "d=domain.tld; s=mail" in signature(machine, "sub.domain.tld")


def test_a_new_domain_is_a_reload_without_a_restart(machine: Machine) -> None:
    """SIGUSR1: the same process signs for the new domain; an installation that changes nothing sends none."""
    install(machine)
    machine.start_opendkim()
    before = daemon_id(machine)
    assert signature(machine, "example.org") == ""
    machine.dkimctl("genkey", "-s", "new", "example.org")
    done = install(machine)
    assert (done["daemon"]["step"], done["daemon"]["done"]) == ("reload", True)
    signature(
        machine, "example.org"
    )  # the daemon takes the reload up at a connection, and may answer it with the old one
    assert "d=example.org; s=new" in signature(machine, "example.org")
    assert daemon_id(machine) == before
    assert install(machine)["daemon"]["step"] == "none"


def test_another_socket_needs_a_restart_and_that_is_told_until_it_is_done(
    machine: Machine, free_port: Callable[[], int]
) -> None:
    """A reload would not move the socket. Each run reports it and ends with 3, until the daemon listens there."""
    port = free_port()
    install(machine)
    machine.start_opendkim()
    option = f"--socket=inet:{port}@localhost"
    for _ in range(2):
        done = install(machine, option, code=3)
        assert (done["daemon"]["step"], done["daemon"]["done"]) == ("restart", False)
        assert "restart it: kill" in done["daemon"]["hint"]
    assert done["installed"]["backup"] == "", "nothing was changed, so nothing was kept"
    machine.run("sh", "-c", "kill -9 $(cat /run/opendkim/opendkim.pid); rm /run/opendkim/opendkim.pid")
    machine.start_opendkim()
    assert "d=domain.tld" in signature(machine, "domain.tld", f"inet:{port}@localhost")
    assert install(machine, option)["daemon"]["step"] == "none"


def refused(machine: Machine, *options: str) -> str:
    """Return the error of an installation that must fail with exit 1 and change nothing."""
    before = files(machine)
    ended = machine.dkimctl("render-config", "--install", "--allow-unproven", *options, check=False)
    assert ended.returncode == 1, ended.stderr
    assert files(machine) == before, ended.stderr
    return ended.stderr


def files(machine: Machine) -> str:
    """The checksums of everything an installation may touch, and any leftovers beside it."""
    places = "/etc/opendkim /etc/opendkim.conf /etc/postfix /etc/tmpfiles.d"
    return machine.run("sh", "-c", f"find {places} -type f -not -name .lock -exec md5sum {{}} + | sort").stdout


@needs("strace")
def test_a_run_that_ended_before_the_daemon_was_told(machine: Machine) -> None:
    """The files are right and the daemon has not read them: the same command again has it do so, and proves it."""
    install(machine)
    machine.start_opendkim()
    assert signature(machine, "domain.tld")
    machine.dkimctl("genkey", "-s", "new", "example.org")
    killed = ("strace", "-qq", "-o", "/dev/null", "-e", "trace=kill", "-e", "inject=kill:signal=SIGKILL:retval=0")
    command = (sys.executable, "-c", START, machine.programs, "render-config", "--install", "--allow-unproven")
    assert machine.run(*killed, *command, check=False).returncode != 0, "killed instead of sending the signal"
    assert signature(machine, "example.org") == ""
    assert install(machine)["daemon"]["step"] == "reload"
    assert "d=example.org; s=new" in signature(machine, "example.org")


KEY = "/etc/opendkim/keys/domain.tld/mail.private"
DAMAGE = (
    (f"chmod 644 {KEY}", f"chmod 600 {KEY}", "DKIM606"),
    ("chmod 777 /etc/opendkim/keys", "chmod 755 /etc/opendkim/keys", "chmod 0755 /etc/opendkim/keys"),
    (f"chown root:root {KEY}", f"chown opendkim:opendkim {KEY}", f"chown -h opendkim:opendkim {KEY}"),
    (f"mv {KEY} /root/key; echo nonsense > {KEY}", f"mv /root/key {KEY}", KEY),
    (f"cp {CONF} /root; printf 'Syslog yes\\nNo yes\\n' > {CONF}", f"mv /root/opendkim.conf {CONF}", "line 2"),
    ("chmod 700 /etc/opendkim", "chmod 755 /etc/opendkim", "/etc/opendkim"),
)
"""What is done, how it is undone, and a part of what is said about it."""


def test_a_socket_that_another_program_has(machine: Machine) -> None:
    """opendkim could not start there: nothing is installed, and the daemon that runs goes on."""
    install(machine)
    machine.start_opendkim()
    with saying(b"220 mail.example.com ESMTP\r\n") as place:
        said = refused(machine, "--socket", str(place))
    assert f"something else listens at {place}" in said
    assert "d=domain.tld" in signature(machine, "domain.tld")


def test_what_would_not_sign_is_not_installed(machine: Machine) -> None:
    """Each of these passes `opendkim -n` or fails only later: the checks on the new files find it before."""
    for damage, repair, reason in DAMAGE:
        machine.run("sh", "-c", damage)
        said = refused(machine)
        assert "nothing was installed" in said, damage
        assert reason in said, damage
        machine.run("sh", "-c", repair)
    assert install(machine)["dry_run"] == "dry run: opendkim signs for domain.tld"


def test_what_is_not_signed_after_the_switch_is_put_back(machine: Machine) -> None:
    """The new files are right, but the daemon runs with others: exit 1, everything is as it was, and it signs on."""
    install(machine)
    machine.run("cp", "-a", "/etc/opendkim/KeyTable", "/etc/opendkim/SigningTable", "/run/opendkim/")
    conf = machine.read(CONF).replace("file:/etc/opendkim/KeyTable", "file:/run/opendkim/KeyTable")
    machine.write(
        "/run/opendkim.conf", conf.replace("file:/etc/opendkim/SigningTable", "file:/run/opendkim/SigningTable")
    )
    machine.start_opendkim("-x", "/run/opendkim.conf")
    machine.dkimctl("genkey", "-s", "new", "example.org")
    said = refused(machine)
    assert "mail from example.org: the daemon let the message pass without a signature" in said
    assert "everything was put back as it was before" in said
    assert "d=domain.tld; s=mail" in signature(machine, "domain.tld")


def test_a_person_s_configuration_is_part_of_the_dry_run(machine: Machine) -> None:
    """Their file with our settings included is what is tried, and what the daemon then reads."""
    machine.write(CONF, "# mine\nSyslog yes\nUMask 000\nReportAddress postmaster@domain.tld\n")
    assert install(machine)["dry_run"] == "dry run: opendkim signs for domain.tld"
    assert machine.read(CONF).endswith("postmaster@domain.tld\nInclude /etc/opendkim/dkimctl.conf\n")
    values = {name: machine.run("opendkim", "-e", name).stdout for name in ("UMask", "ReportAddress", "Socket")}
    assert values["ReportAddress"] == "postmaster@domain.tld\n"
    assert values["UMask"].split() == ["7", "0"], "the first is the one that counts"
    assert values["Socket"] == f"{SOCKET}\n"


def test_the_package_s_own_file_is_known_by_dpkg(machine: Machine) -> None:
    """Debian's opendkim.conf as it was installed is replaced whole; the copy is in the backup."""
    done = install(machine)
    assert "dkimctl-sha256" in machine.read(CONF)
    assert "basic configuration" in machine.read(f"{done['installed']['backup']}/etc/opendkim.conf")


def test_trusting_only_others_does_not_fail_the_dry_run(machine: Machine) -> None:
    """The dry run's client is 127.0.0.1: an admin who does not trust loopback can install all the same."""
    machine.run("mkdir", "/etc/dkimctl")
    machine.write("/etc/dkimctl/dkimctl.toml", '[signing]\ntrusted_hosts = ["192.0.2.0/24"]\n')
    assert install(machine)["dry_run"] == "dry run: opendkim signs for domain.tld"


@needs("systemd-tmpfiles")
def test_tmpfiles_makes_the_directory_again(machine: Machine) -> None:
    """What is rendered for systemd-tmpfiles gives the socket's directory its owner and mode."""
    install(machine)
    machine.run("rmdir", "/var/spool/postfix/opendkim")
    machine.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/dkimctl.conf")
    assert machine.run("stat", "-c", "%a %U:%G", "/var/spool/postfix/opendkim").stdout == "2750 opendkim:postfix\n"


ARTICLE = """
mkdir -p /etc/opendkim
cat > /etc/opendkim.conf <<X
UMask 002
Syslog yes
LogWhy Yes
InternalHosts refile:/etc/opendkim/TrustedHosts
KeyTable refile:/etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable
Mode s
PidFile /var/run/opendkim/opendkim.pid
UserID opendkim:opendkim
Socket local:/var/spool/postfix/opendkim/opendkim.sock
SOCKET inet:{port}@localhost
X
printf '127.0.0.1\\n0.0.0.0/0\\n' > /etc/opendkim/TrustedHosts
printf '*@domain.tld k\\n*@*.domain.tld k\\n' > /etc/opendkim/SigningTable
printf 'k domain.tld:mail:/etc/opendkim/keys/domain.tld/mail.private\\n' > /etc/opendkim/KeyTable
postconf -e 'smtpd_milters = inet:localhost:{port}' 'milter_default_action = accept'
opendkim
"""


def test_a_host_made_after_a_guide(machine: Machine, free_port: Callable[[], int]) -> None:
    """Its patterns, which do nothing in the new table, stop nothing; Postfix moves when the daemon has moved."""
    port = free_port()
    machine.run("sh", "-c", ARTICLE.format(port=port))
    before = machine.run("postconf", "-h", "smtpd_milters").stdout
    ended = machine.dkimctl("render-config", "--install", "--allow-unproven", check=False)
    assert (ended.returncode, "Postfix is left as it is until opendkim answers" in ended.stderr) == (3, True)
    assert machine.run("postconf", "-h", "smtpd_milters").stdout == before
    assert "d=domain.tld; s=mail" in signature(machine, "domain.tld", f"inet:{port}@localhost")
    machine.run("sh", "-c", "kill -9 $(cat /run/opendkim/opendkim.pid); rm /run/opendkim/opendkim.pid; opendkim")
    assert "d=domain.tld; s=mail" in signature(machine, "sub.domain.tld")
    assert machine.dkimctl("render-config", "--install", "--allow-unproven").returncode == 0
    assert machine.run("postconf", "-h", "smtpd_milters").stdout == "unix:opendkim/opendkim.sock\n"
    found = json.loads(machine.dkimctl("doctor", "--no-dns", "--json").stdout)["findings"]
    for finding in found:
        if finding["code"] in ("DKIM755", "DKIM757"):
            machine.run("sh", "-c", finding["fix"])
    again = json.loads(machine.dkimctl("doctor", "--no-dns", "--json").stdout)["findings"]
    assert {"DKIM755"} <= {f["code"] for f in found}
    assert not {"DKIM755", "DKIM757"} & {f["code"] for f in again}
    assert machine.dkimctl("render-config", "--check").returncode == 0
