"""`doctor` and `why` on a running machine: Postfix and opendkim in a namespace of their own, installed by dkimctl."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.real.relay import Relay, running_relay

pytestmark = needs("opendkim", "postfix", root=True, namespaces=True)
SOCKET = "/var/spool/postfix/opendkim/opendkim.sock"
SILENT = f"""
import socket, time, os
os.path.exists("{SOCKET}") and os.unlink("{SOCKET}")
s = socket.socket(socket.AF_UNIX); s.bind("{SOCKET}"); s.listen(); os.chmod("{SOCKET}", 0o777)
os.fork() and os._exit(0)
[os.dup2(os.open(os.devnull, os.O_RDWR), n) for n in range(3)]
c, _ = s.accept(); time.sleep(60)
"""


@pytest.fixture
def relay(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Relay]:
    """A relay that signs for domain.tld."""
    with running_relay(tmp_path, free_port()) as running:
        running.machine.dkimctl("genkey", "domain.tld")
        running.machine.dkimctl("render-config", "--install", "--allow-unproven")
        running.machine.run("postfix", "reload")
        running.start_signing()
        yield running


def codes(relay: Relay) -> tuple[int, dict[str, str]]:
    """Exit code and findings of doctor."""
    ran = relay.machine.dkimctl("doctor", "--no-dns", "--json", check=False)
    return ran.returncode, {f["code"]: f["severity"] for f in json.loads(ran.stdout)["findings"]}


def test_what_dkimctl_installs_is_sound(relay: Relay) -> None:
    """A machine that dkimctl set up has no finding; `why` and the outgoing mail agree."""
    code, found = codes(relay)
    # whether the clock of the machine that runs the tests is kept is not for us to say
    assert (
        code,
        {c for c, severity in found.items() if severity in ("error", "unknown", "warning")} - {"DKIM910"},
    ) == (
        0,
        set(),
    )
    assert "signed" in relay.machine.dkimctl("why", "contact@domain.tld", "--no-dns").stdout
    assert b"DKIM-Signature:" in relay.send("contact@domain.tld")


def test_daemon_down_and_changed(relay: Relay) -> None:
    """No daemon, a daemon with another socket than configured, and a silent program at the socket: three findings."""
    relay.machine.run("sh", "-c", "echo 'Socket local:/var/spool/postfix/opendkim/other.sock' >> /etc/opendkim.conf")
    code, found = codes(relay)
    assert (code, "DKIM903" in found) == (1, True)
    relay.machine.run("sed", "-i", "$d", "/etc/opendkim.conf")
    relay.stop_signing()
    code, found = codes(relay)
    assert (code, "DKIM901" in found) == (1, True)
    relay.machine.run("python3", "-c", SILENT)
    code, found = codes(relay)
    assert (code, "DKIM902" in found) == (1, True)


def test_another_milter_that_is_down(relay: Relay, free_port: Callable[[], int]) -> None:
    """Its mail is deferred, or passes it by: an error, or a warning with `accept`; alone it is an error in any case."""
    ours = relay.machine.run("postconf", "-h", "smtpd_milters").stdout.strip()
    dead = f"inet:127.0.0.1:{free_port()}"
    relay.machine.run("postconf", "-e", f"smtpd_milters = {dead}, {ours}")
    assert codes(relay)[1].get("DKIM901") == "error"
    relay.machine.run("postconf", "-e", f"smtpd_milters = {{ {dead}, default_action=accept }}, {ours}")
    assert codes(relay)[1].get("DKIM901") == "warning"
    relay.machine.run("postconf", "-e", f"smtpd_milters = {ours}")
    assert "DKIM901" not in codes(relay)[1]


def test_tables_that_the_daemon_has_not_read(relay: Relay) -> None:
    """A new row is an error until the daemon is reloaded, because its mail goes unsigned; then nothing is wrong."""
    run = relay.machine.run
    name = run("awk", '$1 == "domain.tld" { print $2 }', "/etc/opendkim/SigningTable").stdout.strip()
    run("sh", "-c", f"sleep 1; echo 'new.tld {name}' >> /etc/opendkim/SigningTable")
    code, found = codes(relay)
    assert (code, found.get("DKIM905")) == (1, "error")
    run("sh", "-c", "kill -USR1 $(cat /run/opendkim/opendkim.pid); touch /run/opendkim/opendkim.pid; sleep 1")
    assert "DKIM905" not in codes(relay)[1]


AS_NOBODY = """
import contextlib, io, os, sys
from dkimctl.entry import main
sys.argv = ["dkimctl", "doctor", "--no-dns", "--json"]
with contextlib.redirect_stdout(io.StringIO()):
    main()  # everything is imported now: this Python may lie where others may not look
os.setgroups([]); os.setegid(65534); os.seteuid(65534)
sys.exit(main())
"""


def test_a_user_who_may_not_see_the_daemon(relay: Relay) -> None:
    """Debian's /run/opendkim is closed to others: doctor names what it cannot check, and reports the rest."""
    ran = relay.machine.run(sys.executable, "-c", AS_NOBODY, check=False)
    found = {f["subject"]: f["code"] for f in json.loads(ran.stdout)["findings"]}
    assert (ran.returncode, ran.stderr) == (3, "")
    assert found["/run/opendkim/opendkim.pid"] == "DKIM990"
    assert "DKIM619" in found.values()
    assert "DKIM900" not in found.values()


NEWER = """#!/bin/sh
case "$*" in *CheckSigningTable*) echo no; exit 0 ;; esac
exec /run/opendkim.real "$@"
"""


def test_a_newer_opendkim(relay: Relay) -> None:
    """Where the installed one knows the algorithm of a row, the row is right; with Debian's it is an error."""
    run = relay.machine.run
    key = "/etc/opendkim/keys/domain.tld/ed.private"
    relay.machine.dkimctl("genkey", "-s", "ed", "--algorithm", "ed25519", "second.tld")
    run("sh", "-c", f"mv /etc/opendkim/keys/second.tld/ed.private {key}; rm -r /etc/opendkim/keys/second.tld")
    run("sh", "-c", f"echo 'ed second.tld:ed:{key}:ed25519-sha256' >> /etc/opendkim/KeyTable")
    run("sh", "-c", "echo 'second.tld ed' >> /etc/opendkim/SigningTable")
    code, found = codes(relay)
    assert (code, "DKIM752" in found) == (1, True)
    assert "deferred" in relay.machine.dkimctl("why", "a@second.tld", "--no-dns", check=False).stdout
    relay.machine.write("/run/newer", NEWER)
    run("sh", "-c", "cp /usr/sbin/opendkim /run/opendkim.real; chmod 755 /run/newer")
    run("mount", "--bind", "/run/newer", "/usr/sbin/opendkim")
    code, found = codes(relay)
    # the rows are right; the daemon that still runs is Debian's, and has not read them
    assert (code, {c for c, severity in found.items() if severity == "error"}) == (1, {"DKIM905"})
    assert "ed25519 256 bits, ed25519-sha256" in relay.machine.dkimctl("why", "a@second.tld", "--no-dns").stdout
