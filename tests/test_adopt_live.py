"""`adopt` on a machine where the article's opendkim runs: taken over, proven by a message, and put back."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.real.machine import Machine
from tests.rendering import ARTICLE_CONF, ARTICLE_KEY_TABLE, ARTICLE_SIGNING_TABLE, ARTICLE_TRUSTED_HOSTS

pytestmark = needs("opendkim", "opendkim-genkey", "postfix", "postconf", root=True, namespaces=True)

ASK = """
import sys, time
from datetime import UTC, datetime
from dkimctl.errors import Unavailable
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.milter.message import probe_message
from dkimctl.milter.client import offer
for attempt in range(100):
    try:
        reply = offer(parse_socket(sys.argv[1]), probe_message(sys.argv[2], datetime.now(UTC)), job="ADOPT")
        break
    except Unavailable:
        time.sleep(0.1)
print(reply.signature or "")
"""


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    """Where opendkim listens."""
    return free_port()


@pytest.fixture
def machine(tmp_path: Path, port: int) -> Iterator[Machine]:
    """The article's installation, typed as it says, and its opendkim running."""
    with Machine(tmp_path) as running:
        running.run("mkdir", "-p", "/etc/opendkim/keys")
        genkey = "opendkim-genkey --subdomains -r -d domain.tld -D /etc/opendkim/keys --bits=2048 --selector=mail"
        running.run(*genkey.split())
        running.run("sh", "-c", "chown opendkim:opendkim -R /etc/opendkim/keys/*; chmod 600 /etc/opendkim/keys/*")
        running.write("/etc/opendkim.conf", ARTICLE_CONF.replace("8891", str(port)))
        running.write("/etc/opendkim/KeyTable", ARTICLE_KEY_TABLE)
        running.write("/etc/opendkim/SigningTable", ARTICLE_SIGNING_TABLE)
        running.write("/etc/opendkim/TrustedHosts", ARTICLE_TRUSTED_HOSTS)
        running.start_opendkim()
        yield running


def signed(machine: Machine, port: int) -> list[str]:
    """d= and s= of what the running daemon makes for the domain and below it."""
    found = []
    for domain in ("domain.tld", "sub.domain.tld", "example.org"):
        header = machine.run(sys.executable, "-c", ASK, f"inet:{port}@localhost", domain).stdout
        found.append("; ".join(t.strip() for t in header.split(";") if t.strip().startswith(("d=", "s="))))
    return found


def sums(machine: Machine) -> str:
    """The checksums of everything that an adoption may touch."""
    places = "/etc/opendkim /etc/opendkim.conf /etc/postfix /etc/dkimctl /etc/tmpfiles.d"
    command = f"find {places} -type f -not -name .lock -exec md5sum {{}} + 2>/dev/null | sort"
    return machine.run("sh", "-c", command).stdout


def test_the_running_daemon_signs_the_same_and_it_is_proven(machine: Machine, port: int) -> None:
    """No restart: dry run, reload, messages for the domain and below it; then undone, and the same again."""
    before, files = signed(machine, port), sums(machine)
    assert before == ["d=domain.tld; s=mail", "d=domain.tld; s=mail", ""]
    pid = machine.read("/var/run/opendkim/opendkim.pid")
    change = json.loads(machine.dkimctl("adopt", "--install", "--json").stdout)["adoption"]["change"]
    assert change["switched"]["dry_run"] == "dry run: opendkim signs for domain.tld"
    assert change["switched"]["daemon"]["step"] == "reload"
    assert "opendkim signs mail from domain.tld" in change["proof"]
    assert signed(machine, port) == before
    undone = json.loads(machine.dkimctl("adopt", "--undo", "--json").stdout)["undone"]
    assert [daemon["step"] for daemon in undone["daemons"]] == ["reload"]
    assert signed(machine, port) == before
    assert (sums(machine), machine.read("/var/run/opendkim/opendkim.pid")) == (files, pid)


def test_render_config_goes_on_from_there(machine: Machine, port: int) -> None:
    """What was carried over keeps socket and policy; the key is managed, and undoing is refused after that."""
    machine.run("postconf", "-e", f"smtpd_milters = inet:localhost:{port}", "milter_default_action = accept")
    before = signed(machine, port)
    machine.dkimctl("adopt", "--install")
    waits = machine.dkimctl("render-config", "--install", check=False)
    assert waits.returncode == 3 and "hint: restart it:" in waits.stderr  # its settings count after a restart by hand
    assert signed(machine, port) == before
    assert machine.run("postconf", "-h", "milter_default_action").stdout == "accept\n"
    machine.dkimctl("genkey", "second.tld")
    machine.dkimctl("render-config", "--install", "--allow-unproven")
    refused = machine.dkimctl("adopt", "--undo", check=False)
    assert refused.returncode == 1
    assert "was changed after the adoption" in refused.stderr


def test_an_ordinary_user_is_told_what_cannot_be_read(machine: Machine) -> None:
    """Exit 3: the key belongs to the daemon alone, and what cannot be read is never taken to be right."""
    command = (sys.executable, "-m", "dkimctl", "adopt", "--json")
    ended = machine.run(*command, user="nobody", check=False)
    assert ended.returncode == 3, ended.stderr
    said = json.loads(ended.stdout)["adoption"]
    assert said["taken"] == []
    assert "permission denied" in said["unread"][0]["why"]
