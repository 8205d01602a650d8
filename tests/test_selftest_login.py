"""selftest --to with STARTTLS and a login: what goes over the wire, and what is refused."""

import base64
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dkimctl.selftest.person import PASSWORD
from tests.conftest import Dkimctl, needs

pytestmark = needs("openssl")
SECRET = "correct horse"


class Relay(socketserver.ThreadingTCPServer):
    """An SMTP server on loopback that wants STARTTLS and AUTH PLAIN before it takes mail."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.messages: list[bytes] = []
        self.clear: list[bytes] = []
        """What was said before TLS."""

    @property
    def place(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.server_address[1]}"


class Session(socketserver.StreamRequestHandler):
    """One conversation."""

    server: Relay

    def handle(self) -> None:
        with suppress(OSError):
            self._say("220 relay ESMTP")
            self._converse()

    def finish(self) -> None:
        """Close what STARTTLS made, too."""
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def _converse(self) -> None:
        encrypted = logged_in = False
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if not encrypted:
                self.server.clear.append(line)
            if verb == b"EHLO":
                self._say("250-relay\r\n250 " + ("AUTH PLAIN" if encrypted else "STARTTLS"))
            elif verb == b"STAR":
                self._say("220 go on")
                self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                encrypted = True
            elif verb == b"AUTH":
                logged_in = base64.b64decode(line.split()[2]) == f"\0me\0{SECRET}".encode()
                self._say("235 welcome" if logged_in else "535 5.7.8 no")
            elif verb == b"DATA":
                self._say("354 go on")
                self.server.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self._say("250 2.0.0 Ok: queued as 1")
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok" if logged_in else "530 5.7.0 log in first")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """The relay, running, with a certificate that nobody vouches for."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=relay -keyout {key} -out {certificate}"
    subprocess.run(["openssl", *make.split()], check=True, capture_output=True)
    with Relay(certificate, key) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(dkimctl: Dkimctl, relay: Relay, *more: str, password: str = SECRET) -> tuple[int, str]:
    """`selftest --to` through it; exit code and everything that was said."""
    dkimctl("genkey", "example.com", "-s", "mail", "--if-missing")
    kept = dkimctl.root / "password"
    kept.write_text(password + "\n")
    kept.chmod(0o600)
    env = {f"{PASSWORD}_FILE": str(kept)}
    ended = dkimctl("selftest", "example.com", "--to", "me@example.org", "--relay", relay.place, *more, env=env)
    return ended.code, ended.out + ended.err


def test_encrypted_and_logged_in(dkimctl_inside: Dkimctl, relay: Relay) -> None:
    """The message goes out after STARTTLS and AUTH, and nothing but the greeting went in the clear."""
    code, told = send(dkimctl_inside, relay, "--starttls", "--auth", "me")
    assert code == 0, told
    assert ", encrypted" in " ".join(told.split())
    assert "queued as 1" in told
    assert len(relay.messages) == 1
    assert [line[:4].upper() for line in relay.clear] == [b"EHLO", b"STAR"]


def test_a_wrong_password(dkimctl_inside: Dkimctl, relay: Relay) -> None:
    """A refusal by the relay is exit code 1, and no message contains the password."""
    code, told = send(dkimctl_inside, relay, "--starttls", "--auth", "me", password="wrong battery")
    assert code == 1, told
    assert "refuses the user or the password" in told
    assert "battery" not in told
    assert relay.messages == []


def test_without_login(dkimctl_inside: Dkimctl, relay: Relay) -> None:
    """The relay's refusal of a client without a login is shown."""
    code, told = send(dkimctl_inside, relay, "--starttls")
    assert code == 1
    assert "530 5.7.0 log in first" in told
