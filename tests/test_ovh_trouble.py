"""Problems on the way to the API: no route, an untrusted certificate, clocks that differ, two credentials."""

import re
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dkimctl.output.log import notes_shown
from dkimctl.output.terminal import Terminal
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.provider import OvhProvider
from dkimctl.providers.ovh.refusals import OvhError
from tests.conftest import DkimctlInside
from tests.publishing import ZONE, account, manual_clock, sandbox


def provider(endpoint: str) -> OvhProvider:
    """Return an account at this endpoint."""
    keys = Credentials(endpoint, application_key="k" * 16, application_secret="s" * 32, consumer_key="c" * 32)
    return OvhProvider(keys, manual_clock(), timeout=(2, 2))


def test_a_certificate_that_does_not_verify_is_never_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is sent or retried, and the error says what to check."""
    import ovh.client

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(ovh.client.ENDPOINTS, "ovh-eu", f"https://127.0.0.1:{server.server_port}/1.0")
    with pytest.raises(OvhError) as caught:
        provider("ovh-eu").zone_of(ZONE)
    server.shutdown()
    server.server_close()
    assert "certificate of the OVH API does not verify" in caught.value.message
    assert "CA certificates" in caught.value.hint
    assert seen == []


def test_a_noticeable_pause_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """A service that is down for long is reported once during the retries, also without -v."""
    unreachable = provider("http://127.0.0.1:9/1.0")
    with notes_shown(Terminal()):
        for zone in (ZONE, "other.example"):
            with pytest.raises(OvhError):
                unreachable.find(zone, [f"mail._domainkey.{zone}"])
    [told] = set(capsys.readouterr().err.splitlines())
    assert told == ("dkimctl: the OVH API cannot be reached: connection refused (GET /auth/time); retrying for a while")


@pytest.mark.parametrize(
    ("address", "words"),
    [("http://[::1]:9/1.0", "cannot be reached"), ("http://127.0.0.1:9/1.0", "connection refused")],
)
def test_an_unreachable_api_is_reported_as_such(address: str, words: str) -> None:
    """Over either protocol, with exit code 3."""
    with pytest.raises(OvhError) as caught:
        provider(address).zone_of(ZONE)
    assert words in caught.value.message
    assert caught.value.exit_code == 3


def test_no_route_names_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint for an address without a route, such as that of an API with IPv6 only."""
    import ovh.client

    monkeypatch.setitem(ovh.client.ENDPOINTS, "ovh-eu", "https://[100::1]/1.0")
    monkeypatch.setattr("socket.socket.connect", _no_route)
    with pytest.raises(OvhError) as caught:
        provider("ovh-eu").zone_of(ZONE)
    assert "no route" in caught.value.message
    assert "IPv4" in caught.value.hint


def _no_route(*_: object) -> None:
    raise OSError(101, "Network is unreachable")


def test_a_refused_time_says_how_far_the_clocks_are_apart() -> None:
    """The error names the difference measured with `/auth/time`."""
    with sandbox(clock_skew=3600, timestamp_window=-1) as running:
        with pytest.raises(OvhError) as caught:
            account(running).zone_of(ZONE)
        said = caught.value.message
        assert re.search(r"this machine's is (3600|35[5-9]\d) s slow compared to theirs", said)  # time passes meanwhile
        assert "timedatectl" in caught.value.hint


def test_different_clocks_do_not_matter() -> None:
    """Requests carry the API's time, not this machine's."""
    with sandbox(clock_skew=-7200) as running:
        assert account(running).zone_of(ZONE) == ZONE


def test_two_values_for_one_credential_are_refused(dkimctl_inside: DkimctlInside) -> None:
    """With a variable and a file for the same value it is unknown which is meant."""
    with sandbox() as running:
        dkimctl_inside("genkey", ZONE, "-s", "mail", "--algorithm", "ed25519", env=running.environment())
        environment = {**running.environment(), "OVH_CONSUMER_KEY_FILE": "/etc/other"}
        run = dkimctl_inside("publish", "--provider", "ovh", env=environment)
        assert run.code == 2
        assert "OVH_CONSUMER_KEY and OVH_CONSUMER_KEY_FILE are both set" in run.err
        assert running.calls == []
