"""The milter client, against the real opendkim and against peers that are no milter."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl.errors import Unavailable
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.milter.client import Client, MilterVerdict, offer
from dkimctl.milter.message import probe_message
from dkimctl.milter.probe import probe
from dkimctl.milter.wire import NothingListens
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.record.model import record_for
from tests.conftest import needs

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
MESSAGE = probe_message("example.com", NOW)


@contextmanager
def opendkim(directory: Path, place: MilterSocket) -> Iterator[KeyPair]:
    """A real opendkim that signs for example.com with selector `mail`; ends with the block."""
    pair = generate(Algorithm.RSA, 2048)
    private = directory / "mail.private"
    private.write_bytes(pair.private_pem)
    private.chmod(0o600)
    (directory / "KeyTable").write_text(f"mail example.com:mail:{private}\n")
    (directory / "SigningTable").write_text("example.com mail\n.example.com mail\n")
    conf = directory / "opendkim.conf"
    lines = [
        "Mode s",
        "Syslog no",
        "Canonicalization relaxed/simple",
        "RequireSafeKeys no",
        f"KeyTable file:{directory}/KeyTable",
        f"SigningTable file:{directory}/SigningTable",
        f"Socket {place}",
    ]
    conf.write_text("\n".join(lines) + "\n")
    daemon = subprocess.Popen(["opendkim", "-f", "-x", conf], stderr=subprocess.PIPE)
    try:
        wait_until_open(daemon, place)
        yield pair
    finally:
        daemon.kill()
        daemon.communicate()


def wait_until_open(daemon: "subprocess.Popen[bytes]", place: MilterSocket) -> None:
    """Return when opendkim answers at its socket."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(NothingListens):
            offer(place, MESSAGE, job="READY")
            return
        assert daemon.poll() is None, daemon.communicate()[1]
        time.sleep(0.02)
    raise AssertionError(f"opendkim does not listen at {place}")


def unix(directory: Path) -> MilterSocket:
    """A unix socket below the directory."""
    return MilterSocket(path=f"{directory}/s")


@pytest.fixture
def any_socket(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> MilterSocket:
    """A socket of the kind that the test is parametrized with."""
    return unix(tmp_path) if request.param == "local" else MilterSocket(port=free_port(), host="127.0.0.1")


@needs("opendkim")
@pytest.mark.parametrize("any_socket", ["local", "inet"], indirect=True)
def test_signed_over_both_kinds_of_socket(tmp_path: Path, any_socket: MilterSocket) -> None:
    """A message offered over a unix or an inet socket comes back with a DKIM-Signature and is accepted."""
    with opendkim(tmp_path, any_socket):
        reply = offer(any_socket, MESSAGE, job="PROBE1")
    assert reply.verdict is MilterVerdict.ACCEPT
    assert reply.signature is not None
    assert "d=example.com" in reply.signature


@needs("opendkim")
@pytest.mark.parametrize(
    ("client", "signed"),
    [
        (Client(), True),
        (Client("::1"), True),
        (Client("203.0.113.9", "elsewhere.example"), False),
        (Client("2001:db8::1", "elsewhere.example"), False),
        (Client("203.0.113.9", "elsewhere.example", login="bob"), True),
    ],
)
def test_the_client_is_told_as_postfix_tells_it(tmp_path: Path, client: Client, signed: bool) -> None:
    """The daemon sees the client's address, IPv4 or IPv6, and SMTP AUTH: it signs for its own hosts and users only."""
    with opendkim(tmp_path, unix(tmp_path)):
        reply = offer(unix(tmp_path), MESSAGE, client=client, job="PROBE1")
    assert (reply.signature is not None) is signed
    assert reply.verdict is MilterVerdict.ACCEPT


@needs("opendkim")
def test_probe_verifies_with_the_key_record(tmp_path: Path) -> None:
    """The probe passes when what the daemon added verifies with the key record, for the domain and for a sub-domain."""
    with opendkim(tmp_path, unix(tmp_path)) as pair:
        record = record_for(pair.public, "rsa", Tags()).text
        for sender in ("example.com", "a.b.example.com"):
            seen = probe(unix(tmp_path), sender, "mail", "example.com", {OWNER: record}.get)
            assert seen.problem == ""
            assert [s.valid for s in seen.signatures] == [True]


OWNER = "mail._domainkey.example.com"


@needs("opendkim")
def test_probe_names_what_is_wrong(tmp_path: Path) -> None:
    """A wrong key in DNS, no key in DNS, another selector and an unsigned message are four different problems."""
    other = record_for(generate(Algorithm.RSA, 2048).public, "rsa", Tags()).text
    place = unix(tmp_path)
    with opendkim(tmp_path, place):
        wrong = probe(place, "example.com", "mail", "example.com", {OWNER: other}.get)
        absent = probe(place, "example.com", "mail", "example.com", {}.get)
        selector = probe(place, "example.com", "new", "example.com", {OWNER: other}.get)
        unsigned = probe(place, "example.org", "mail", "example.org", {OWNER: other}.get)
    assert "does not match this key" in wrong.problem
    assert absent.problem == "no key record at its name"
    assert selector.problem == "signed by mail of example.com, not by new of example.com"
    assert unsigned.problem == "the daemon let the message pass without a signature"


@needs("opendkim")
def test_probe_tells_a_daemon_that_cannot_sign(tmp_path: Path) -> None:
    """A daemon whose key file has gone answers with a temporary failure, and the probe says so."""
    place = unix(tmp_path)
    with opendkim(tmp_path, place):
        (tmp_path / "mail.private").unlink()
        seen = probe(place, "example.com", "mail", "example.com", {}.get)
    assert seen.verdict is MilterVerdict.TEMPFAIL
    assert seen.problem.startswith("the daemon answered tempfail")


def test_nothing_listens(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A socket without a daemon is an error of its own, with the command that tells how to start one."""
    for place in (unix(tmp_path), MilterSocket(port=free_port(), host="127.0.0.1"), MilterSocket(port=free_port())):
        with pytest.raises(NothingListens, match="no daemon answers at") as caught:
            offer(place, MESSAGE, job="X")
        assert "sudo dkimctl doctor" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"220 mail.example ESMTP\r\n", "does not speak the milter protocol"),
        (b"\0\0\0\x01Z", "does not speak the milter protocol"),
        (b"\0\0\0\0", "does not speak the milter protocol"),
        (b"", "closed the connection"),
        (b"\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\0\0\0\0\0\0\1?", "reply: b'\\?'"),
    ],
)
def test_peers_that_are_no_milter(answer: bytes, words: str) -> None:
    """Another program at the socket (an SMTP server, a daemon that crashes) is one clear error, never a hang."""
    with listening(answer) as place, pytest.raises(Unavailable, match=words):
        offer(place, MESSAGE, job="X")


def test_a_silent_peer_ends_at_the_timeout() -> None:
    """A peer that never answers costs the timeout and no more."""
    with listening(None) as place, pytest.raises(Unavailable, match="no answer in time"):
        offer(place, MESSAGE, job="X", timeout=0.2)


@contextmanager
def listening(answer: bytes | None) -> Iterator[MilterSocket]:
    """A server on loopback that reads one packet and sends `answer`; None: it never says anything."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            if answer is None:
                ended.wait(20)
            else:
                with suppress(OSError):  # the client may hang up at once, which is right
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield MilterSocket(port=server.getsockname()[1], host="127.0.0.1")
        finally:
            ended.set()
            thread.join(20)
