"""Host lists: the one spelling that the daemon finds, checked against a real daemon with real client addresses."""

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.errors import UsageError
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.milter.client import Client, offer
from dkimctl.milter.message import probe_message
from dkimctl.opendkim.hosts import canonical_host, host_problem
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.opendkim.tables import rows
from tests.conftest import needs

ADDRESS = st.ip_addresses().map(str)
NETWORK = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
).map(lambda pair: f"{pair[0]}/{pair[1]}")


@given(st.one_of(ADDRESS, NETWORK, st.sampled_from(["mail.example.com", ".example.com", "localhost"])), st.booleans())
def test_the_canonical_spelling_is_stable_and_read_back(host: str, negated: bool) -> None:
    """It is its own canonical form, is alone on its line, and means the network it came from."""
    canonical = canonical_host("!" + host if negated else host)
    assert canonical_host(canonical) == canonical
    assert host_problem(canonical) == ""
    [row] = rows([f"{canonical}\n".encode()], patterns=False)
    assert row.key == canonical
    if "/" in host:
        assert ip_interface(canonical.lstrip("!")).network == ip_interface(host).network


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("203.0.113.9/24", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("2001:0db8::/32", "2001:db8::/32"),
        ("2001:db8:0:0::/32", "2001:db8::/32"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:c000:201", "::ffff:192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("Mail.Example.COM", "mail.example.com"),
    ],
)
def test_spellings_that_never_fit_are_put_right(written: str, canonical: str) -> None:
    """Each of these is passed by `opendkim -n` and then never matches anybody."""
    assert canonical_host(written) == canonical


@pytest.mark.parametrize(
    "text", ["", "0/0", "*", "*.example.com", "1.2.3", "1.2.3.4/33", "a b", "a..b", "user@host", "-x"]
)
def test_nonsense_is_refused(text: str) -> None:
    """What is neither an address nor a network nor a name is a usage error with examples."""
    with pytest.raises(UsageError, match="not an address, network or host"):
        canonical_host(text)
    assert host_problem(text)


CASES = {
    "192.0.2.1": ["192.0.2.1"],
    "198.51.100.0/25": ["198.51.100.9/25"],
    "2001:db8::/47": ["2001:db8:1::/47"],
    "::ffff:203.0.113.5": ["::ffff:cb00:7105"],
}
CLIENTS = {
    "192.0.2.1": True,
    "192.0.2.2": False,
    "198.51.100.127": True,
    "198.51.100.128": False,
    "2001:db8:1:ffff::1": True,
    "2001:db8:2::1": False,
    "::ffff:203.0.113.5": True,
    "203.0.113.5": False,
}


@needs("opendkim")
def test_the_daemon_finds_what_is_rendered(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A real daemon signs for exactly the clients that the list means: single addresses and networks, v4 and v6."""
    hosts = [canonical_host(written) for spellings in CASES.values() for written in spellings]
    assert hosts == list(CASES)
    socket = MilterSocket(port=free_port(), host="127.0.0.1")
    (tmp_path / "key").write_bytes(generate(Algorithm.RSA).private_pem)
    (tmp_path / "hosts").write_text("".join(f"{host}\n" for host in hosts))
    (tmp_path / "conf").write_text(
        f"Domain example.com\nSelector s\nKeyFile {tmp_path}/key\nInternalHosts file:{tmp_path}/hosts\n"
        f"Socket {socket}\nMode s\nRequireSafeKeys no\nSyslog no\n"
    )
    daemon = subprocess.Popen(["opendkim", "-f", "-x", tmp_path / "conf"])
    try:
        signed = {client: _is_signed(socket, client) for client in CLIENTS}
    finally:
        daemon.kill()
        daemon.wait()
    assert signed == CLIENTS


def _is_signed(socket: MilterSocket, address: str) -> bool:
    message = probe_message("example.com", datetime.now(UTC))
    deadline = time.monotonic() + 20
    while True:
        try:
            return offer(socket, message, client=Client(address, "unknown"), job="HOSTS").signature is not None
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
