"""rspamd and dkimpy-milter told by `render-config --install`: real signatures, verified with the keys from DNS."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dkimctl.dkim.signature import FIELD, Signature
from dkimctl.errors import Unavailable
from dkimctl.milter.client import Client, greet, offer
from dkimctl.milter.message import probe_message
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.ports import free_port_everywhere
from tests.real.machine import Machine
from tests.real.test_message import signatures
from tests.real.test_setup import SYSTEMCTL

pytestmark = needs("rspamd", "dkimpy-milter", "opendkim", "postfix", "postconf", root=True, namespaces=True)

PATIENCE = 300.0
"""Seconds after which what has not come will not: no test waits so long, but on a machine that hangs."""
ZONES = ["domain.tld", "second.tld"]
BOTH = {("rsa-sha256", "mail", True), ("ed25519-sha256", "ed", True)}


@dataclass
class Host:
    """A machine with one of the signers and keys in DNS: domain.tld has two, second.tld an RSA one."""

    machine: Machine
    sandbox: Sandbox
    socket: MilterSocket

    def install(self, *options: str) -> Any:
        """`render-config --install`, its JSON document; returns when no process with the old configuration is left."""
        before = self.workers()
        done = json.loads(
            self.machine.dkimctl("render-config", "--install", "--allow-unproven", "--json", *options).stdout
        )["installed"]
        deadline = time.monotonic() + PATIENCE
        while done["daemon"]["step"] == "reload" and before & self.workers():
            assert time.monotonic() < deadline, "the old processes go on"
            time.sleep(0.1)
        return done

    def workers(self) -> set[str]:
        """The processes of rspamd that talk to others; none of another signer."""
        script = "pid=$(cat /run/rspamd/rspamd.pid) && cat /proc/$pid/task/$pid/children"
        return set(self.machine.run("sh", "-c", script, check=False).stdout.split())

    def sign(self, domain: str, client: Client | None = None) -> tuple[Signature, ...]:
        """Return the signatures that the daemon adds to a message of that domain, verified with the keys in DNS."""
        message = probe_message(domain, datetime.now(UTC))
        found: tuple[Signature, ...] = ()
        for value in offer(self.socket, message, client=client, job="SIGNERS", timeout=PATIENCE).signatures:
            found += signatures(message.with_header(FIELD, value).raw, self.sandbox.dns_address[1])
        return found

    def seen(self, domain: str, client: Client | None = None) -> set[tuple[str, str, bool]]:
        """Algorithm, selector and whether it holds, of each signature."""
        return {(s.algorithm, s.selector, s.valid) for s in self.sign(domain, client)}


def equipped(machine: Machine, sandbox: Sandbox, configuration: str) -> None:
    """Keys that DNS serves, and the systemctl of a machine without systemd."""
    machine.environment.update(sandbox.environment())
    machine.run("mkdir", "-p", "/etc/dkimctl", "/run/systemd/system", "/run/bin")
    machine.programs = "/run/bin"
    machine.dkimctl("genkey", "-s", "mail", "domain.tld", "second.tld")
    machine.dkimctl("genkey", "-s", "ed", "--algorithm", "ed25519", "domain.tld")
    machine.dkimctl("publish", "--provider", "ovh", "--timeout", "20")
    machine.write("/etc/dkimctl/dkimctl.toml", configuration)  # last: the keys are opendkim's, as on a host that had it


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """rspamd runs as Debian starts it; its milter's port is a person's choice."""
    port = free_port_everywhere("127.0.0.1")
    with Sandbox(zones=ZONES) as sandbox, Machine(tmp_path_factory.mktemp("rspamd")) as machine:
        equipped(machine, sandbox, f'[signing]\nsigner = "rspamd"\nsocket = "inet:{port}@localhost"\n')
        machine.run("sh", "-c", PREPARE_RSPAMD)
        for name, text in RSPAMD_FILES.items():
            text = text.replace("DNS", str(sandbox.dns_address[1])).replace("PORT", str(port))
            machine.write(f"/etc/rspamd/local.d/{name}", text)
        machine.write("/run/bin/systemctl", RSPAMD_SYSTEMCTL)
        machine.run("chmod", "755", "/run/bin/systemctl")
        machine.run("/run/bin/systemctl", "start")
        host = Host(machine, sandbox, parse_socket(f"inet:{port}@localhost"))
        wait_for(host.socket)
        yield host


def wait_for(place: MilterSocket) -> None:
    """Wait until a milter answers there: rspamd needs up to half a minute to start, and minutes on a busy machine."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(Unavailable):
            greet(place, PATIENCE)
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing answers at {place}")


PREPARE_RSPAMD = """
mount -t tmpfs -o mode=755 tmpfs /var/lib/rspamd && chown _rspamd:_rspamd /var/lib/rspamd
mkdir -p /run/rspamd && chown _rspamd:_rspamd /run/rspamd
"""
RSPAMD_SYSTEMCTL = """#!/bin/sh
pid() { cat /run/rspamd/rspamd.pid 2>/dev/null; }
running() { test -n "$(pid)" && test -d "/proc/$(pid)"; }
start() { rspamd -c /etc/rspamd/rspamd.conf -u _rspamd -g _rspamd >/run/rspamd/out 2>&1; }
case $1 in
    is-active) running ;;
    start) start ;;
    reload) kill -HUP $(pid) ;;
    restart) kill $(pid); while running; do sleep 0.1; done; start ;;
esac
"""
RSPAMD_FILES = {
    "options.inc": """dns { nameserver = ["127.0.0.1:DNS"]; timeout = 1s; retransmits = 1; }
url_tld = "/etc/rspamd/local.d/suffixes";
""",
    "suffixes": "com\nnet\norg\n",  # compiling all of Debian's takes 20 s of processor time
    "logging.inc": 'filename = "/run/rspamd/log";\n',
    "worker-normal.inc": "enabled = false;\n",
    "worker-controller.inc": "enabled = false;\n",
    "worker-proxy.inc": 'bind_socket = "127.0.0.1:PORT";\nupstream "local" { default = yes; self_scan = yes; }\n',
    **{f"{name}.conf": "enabled = false;\n" for name in ("fuzzy_check", "rbl", "surbl", "neural", "phishing")},
}


def test_rspamd_signs_twice_and_for_what_is_below(rspamd: Host) -> None:
    """A running rspamd takes the files up, is proven, and only then Postfix is told."""
    done = rspamd.install()
    assert done["daemon"]["done"]
    assert "rspamd signs mail from domain.tld, second.tld" in done["proof"]
    assert f"inet:127.0.0.1:{rspamd.socket.port}" in rspamd.machine.run("postconf", "-h", "smtpd_milters").stdout
    assert rspamd.seen("domain.tld") == rspamd.seen("deep.sub.domain.tld") == BOTH
    assert {s.domain for s in rspamd.sign("sub.domain.tld")} == {"domain.tld"}
    assert rspamd.seen("second.tld") == {("rsa-sha256", "mail", True)}


def test_rspamd_signs_nothing_else(rspamd: Host) -> None:
    """A sender that is not managed, and a client that is not trusted, get no signature."""
    rspamd.install()
    assert rspamd.seen("example.org") == rspamd.seen("otherdomain.tld") == set()
    assert rspamd.seen("domain.tld", Client("192.0.2.1", "outside.example.org")) == set()
    assert rspamd.seen("domain.tld", Client("10.1.2.3", "private.example.org")) == set()
    assert rspamd.seen("domain.tld", Client("192.0.2.1", "client.example.org", login="bob")) == BOTH


def test_rspamd_takes_a_new_domain_up_without_a_restart(rspamd: Host) -> None:
    """SIGHUP is enough for keys and domains; only another socket takes a restart, because a reload would end it."""
    rspamd.install()
    before = rspamd.machine.read("/run/rspamd/rspamd.pid")
    rspamd.machine.dkimctl("genkey", "-s", "new", "third.tld")
    done = rspamd.install()
    assert (done["daemon"]["step"], done["daemon"]["done"]) == ("reload", True)
    assert "rspamd signs mail from third.tld" in done["proof"]
    assert rspamd.machine.read("/run/rspamd/rspamd.pid") == before
    rspamd.machine.run("rm", "-r", "/etc/opendkim/keys/third.tld")
    rspamd.install()


def test_rspamd_is_known_to_doctor_and_selftest(rspamd: Host) -> None:
    """All look at its socket; nobody asks opendkim, or tells what opendkim lacks."""
    rspamd.install()
    assert json.loads(rspamd.machine.dkimctl("selftest", "domain.tld", "--json").stdout)["selftest"]["via"] == "milter"
    found = json.loads(rspamd.machine.dkimctl("doctor", "--no-dns", "--json").stdout)["findings"]
    assert {f["code"] for f in found} - {"DKIM910"} == {"DKIM818", "DKIM900", "DKIM993"}
    assert "signed" in rspamd.machine.dkimctl("why", "a@domain.tld", "--no-dns").stdout


def test_rspamd_the_second_time_nothing_changes(rspamd: Host) -> None:
    """No file, no reload; what people wrote in local.d stays, and the copies of the keys are rspamd's alone."""
    rspamd.install()
    done = rspamd.install()
    assert not any(done["installed"]["changed"].values())
    assert done["daemon"]["step"] == "none"
    assert rspamd.machine.read("/etc/rspamd/local.d/worker-proxy.inc").startswith('bind_socket = "127.0.0.1:')
    modes = rspamd.machine.run("sh", "-c", "stat -c '%a %U' /var/lib/dkimctl/rspamd /var/lib/dkimctl/rspamd/*").stdout
    assert modes.splitlines()[0] == "750 root"
    assert set(modes.splitlines()[1:]) == {"600 _rspamd"}


def test_what_rspamd_cannot_read_is_not_installed(rspamd: Host) -> None:
    """A person's slip in local.d is found by rspamd's own parser before anything is written."""
    rspamd.install()
    rspamd.machine.write("/etc/rspamd/local.d/dkim_signing.conf", "path = {;\n")
    ended = rspamd.machine.dkimctl("render-config", "--install", "--allow-unproven", check=False)
    assert ended.returncode == 1, ended.stderr
    assert "nothing was installed: rspamd cannot read the new configuration" in ended.stderr
    assert rspamd.machine.read("/etc/rspamd/local.d/dkim_signing.conf") == "path = {;\n"
    rspamd.machine.run("rm", "/etc/rspamd/local.d/dkim_signing.conf")
    rspamd.install()


DKIMPY = "dkimpy-milter"
DKIMPY_SYSTEMCTL = (
    SYSTEMCTL.replace("/run/opendkim/opendkim.pid", "/run/dkimpy-milter/dkimpy-milter.pid")
    .replace("stop; opendkim", "stop; start")
    .replace("$(cat /proc/$(pid)/task/$(pid)/children)", "")
    .replace("case $1 in", 'start() { setsid dkimpy-milter "$CONF" >/dev/null 2>&1 </dev/null & }\ncase $1 in', 1)
    .replace("case $1 in", "CONF=/etc/dkimpy-milter/dkimpy-milter.conf\ncase $1 in\n    start) start ;;", 1)
)


@pytest.fixture
def dkimpy(short_path: Path) -> Iterator[Host]:
    """dkimpy-milter runs as Debian leaves it after the installation, signing nothing."""
    with Sandbox(zones=ZONES) as sandbox, Machine(short_path) as machine:
        equipped(machine, sandbox, '[signing]\nsigner = "dkimpy-milter"\n')
        machine.write("/run/bin/systemctl", DKIMPY_SYSTEMCTL)
        machine.run("chmod", "755", "/run/bin/systemctl")
        machine.run("/run/bin/systemctl", "start")
        inside = f"{machine.directory}/spool/dkimpy-milter/dkimpy-milter.sock"
        yield Host(machine, sandbox, MilterSocket(path=inside))


def test_dkimpy_milter_signs_twice_and_for_what_is_below(dkimpy: Host) -> None:
    """It is restarted, proven, and only then Postfix is told; a name without an Ed25519 key is signed once."""
    done = dkimpy.install()
    assert (done["daemon"]["step"], done["daemon"]["done"]) == ("restart", True)
    assert "dkimpy-milter signs mail from domain.tld, second.tld" in done["proof"]
    assert dkimpy.machine.run("postconf", "-h", "smtpd_milters").stdout == "unix:dkimpy-milter/dkimpy-milter.sock\n"
    assert dkimpy.seen("domain.tld") == dkimpy.seen("deep.sub.domain.tld") == BOTH
    assert {s.domain for s in dkimpy.sign("sub.domain.tld")} == {"domain.tld"}
    assert dkimpy.seen("second.tld") == {("rsa-sha256", "mail", True)}
    assert dkimpy.seen("example.org") == dkimpy.seen("otherdomain.tld") == set()
    again = dkimpy.install()
    assert not any(again["installed"]["changed"].values())
    assert again["daemon"]["step"] == "none"


def test_a_signer_that_fails_leaves_postfix_with_the_one_before(dkimpy: Host) -> None:
    """opendkim signs; dkimpy-milter is told and cannot: everything is put back, and Postfix was never told."""
    machine = dkimpy.machine
    machine.run("sh", "-c", "mv /etc/dkimctl/dkimctl.toml /root/; rmdir /run/systemd/system")
    machine.dkimctl("render-config", "--install", "--allow-unproven")
    machine.start_opendkim()
    machine.run("sh", "-c", "mv /root/dkimctl.toml /etc/dkimctl/; mkdir -p /run/systemd/system")
    before = machine.read("/etc/postfix/main.cf")
    machine.write(
        "/run/bin/systemctl",
        DKIMPY_SYSTEMCTL.replace("stop; start", "stop; test ! -e /etc/dkimpy-milter/KeyTable && start"),
    )
    ended = machine.dkimctl("render-config", "--install", "--allow-unproven", check=False)
    assert ended.returncode in (1, 3), ended.stderr
    assert "everything was put back as it was before" in ended.stderr
    assert machine.read("/etc/postfix/main.cf") == before
    assert machine.run("ls", "/etc/dkimpy-milter").stdout.split() == ["dkimpy-milter.conf", "keys"]
    opendkim = MilterSocket(path=f"{machine.directory}/spool/opendkim/opendkim.sock")
    assert Host(machine, dkimpy.sandbox, opendkim).seen("domain.tld") == {("rsa-sha256", "mail", True)}
