"""`dkimctl adopt` of an rspamd that was configured by hand: its keys are copied into the store, and it signs on."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dkimctl.opendkim.sockets import parse_socket
from tests.conftest import needs
from tests.host_tree import key_pair
from tests.real.machine import Machine
from tests.real.test_signers import PREPARE_RSPAMD, RSPAMD_FILES, RSPAMD_SYSTEMCTL, wait_for

pytestmark = needs("rspamd", "rspamadm", "postfix", "postconf", root=True, namespaces=True)
FULL = bool(os.environ.get("DKIMCTL_TEST_FULL"))
SIGNING = """\
path = "/var/lib/rspamd/dkim/$domain.$selector.key";
selector_map = "/etc/rspamd/selectors";
sign_networks = ["192.0.2.0/24"];
"""
SELECTORS = "example.com s1\nexample.org s2\nexample.net s3\n"


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    """Where rspamd's milter listens."""
    return free_port()


@pytest.fixture
def machine(tmp_path: Path, port: int) -> Iterator[Machine]:
    """Two domains with keys in a map, and a row whose key is missing."""
    with Machine(tmp_path) as running:
        running.run("mkdir", "-p", "/etc/dkimctl", "/etc/rspamd/local.d", "/run/systemd/system", "/run/bin")
        running.programs = "/run/bin"
        running.run("sh", "-c", PREPARE_RSPAMD)
        running.run("mkdir", "/var/lib/rspamd/dkim")
        for name, text in RSPAMD_FILES.items():
            running.write(f"/etc/rspamd/local.d/{name}", text.replace("DNS", "53").replace("PORT", str(port)))
        running.write("/etc/rspamd/local.d/dkim_signing.conf", SIGNING)
        running.write("/etc/rspamd/selectors", SELECTORS)
        for name in ("example.com.s1", "example.org.s2"):
            running.write(f"/var/lib/rspamd/dkim/{name}.key", key_pair().private_pem.decode())
        running.run("sh", "-c", "chown -R _rspamd: /var/lib/rspamd/dkim; chmod 600 /var/lib/rspamd/dkim/*")
        running.write("/run/bin/systemctl", RSPAMD_SYSTEMCTL)
        running.run("chmod", "755", "/run/bin/systemctl")
        running.write("/etc/dkimctl/dkimctl.toml", f'[signing]\nsigner = "rspamd"\nsocket = "inet:{port}@127.0.0.1"\n')
        yield running


def rspamds_files(machine: Machine) -> str:
    """Everything that rspamd reads."""
    return machine.run("sh", "-c", "cd /etc/rspamd && find . -type f | sort | xargs cat").stdout


def test_what_would_be_taken_over_is_shown(machine: Machine) -> None:
    """The keys of the map with their files, the missing one with the reason, what dkimctl.toml must say; no change."""
    before = rspamds_files(machine)
    shown = machine.dkimctl("adopt", check=False)
    said = " ".join((shown.stdout + shown.stderr).split())
    assert shown.returncode == 0, said
    for word in ("example.com and all below it: s1 (rsa 2048)", "example.org and all below it: s2"):
        assert f"{word}" in said
    assert "there is no file /var/lib/rspamd/dkim/example.net.s3.key" in said
    assert '"192.0.2.0/24"' in said  # to be written into dkimctl.toml
    assert rspamds_files(machine) == before
    assert not machine.run("ls", "/etc/opendkim/keys", check=False).stdout


def test_what_dkimctl_cannot_keep_to_is_refused(machine: Machine) -> None:
    """Where something else than From decides, nothing is taken over, and the setting is named."""
    for setting in ('use_domain = "envelope";', "use_redis = true;", 'use_domain_sign_local = "auth";'):
        machine.write("/etc/rspamd/local.d/dkim_signing.conf", f"{SIGNING}{setting}\n")
        ran = machine.dkimctl("adopt", "--install", check=False)
        assert ran.returncode == 2
        assert setting.partition(" ")[0] in ran.stderr


@pytest.mark.skipif(not FULL, reason="rspamd takes half a minute to start and to reload: DKIMCTL_TEST_FULL=1")
def test_a_running_rspamd_signs_on(machine: Machine, port: int) -> None:
    """The adoption is proven by a signature, leaves rspamd's files alone, and can be undone; then the same keys sign.

    Once render-config has installed dkimctl's own configuration of rspamd, that is.
    """
    before = rspamds_files(machine)
    machine.run("/run/bin/systemctl", "start")
    wait_for(parse_socket(f"inet:{port}@localhost"))
    for again in (False, True):
        done = machine.dkimctl("adopt", "--install", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "rspamd signs mail from example.com, example.org" in " ".join((done.stdout + done.stderr).split())
        owners = machine.run("sh", "-c", "stat -c '%U %a' /etc/opendkim/keys/*/*").stdout.split("\n")
        assert {line for line in owners if line} == {"_rspamd 600"}
        assert rspamds_files(machine) == before
        if not again:
            assert machine.dkimctl("adopt", "--undo", check=False).returncode == 0
            assert not machine.run("sh", "-c", "ls /etc/opendkim/keys/*/*", check=False).stdout
    assert machine.dkimctl("status", check=False).stdout.count(" active ") == 2
    installed = machine.dkimctl("render-config", "--install", check=False)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert "rspamd signs mail from" in " ".join((installed.stdout + installed.stderr).split())
