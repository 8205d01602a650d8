"""Hostile requests, such as those of a web page, have no effect on the sandbox."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from dkimctl.sandbox import Sandbox, http
from dkimctl.sandbox.credentials import signature
from dkimctl.sandbox.http import is_loopback_host, signed_urls
from tests.sandbox_clients import RECORDS, ZONE, library, raw, raw_json


def exchange(sandbox: Sandbox, request: bytes) -> bytes:
    """Send these bytes. Return the answer until the connection ends."""
    address = urlsplit(sandbox.api_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80", "127.9.8.7:65535", "[::1]", "[::1]:8080", "a.localhost"],
)
def test_names_of_this_machine_are_served(host: str) -> None:
    """Any port is accepted: there may be a proxy."""
    assert is_loopback_host(host)
    with Sandbox([ZONE]) as sandbox:
        assert exchange(sandbox, f"GET /1.0/auth/time HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).startswith(
            b"HTTP/1.1 200"
        )


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:80", "192.0.2.1", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example",
        "evil@localhost", "localhost:", "[::2]", "[::1", "2130706433", "0.0.0.0", "", " ", "127.1", "::1",
    ],
)  # fmt: skip
def test_no_other_name_is_served(host: str) -> None:
    """A web page's name may resolve to this machine (DNS rebinding): 421, and the call is not even logged."""
    with Sandbox([ZONE]) as sandbox:
        got = exchange(sandbox, f"GET /1.0/auth/time HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 421")
        assert sandbox.calls == []


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_a_request_has_one_host(hosts: bytes) -> None:
    """No or several `Host` fields are a bad request (RFC 9112 §3.2)."""
    with Sandbox([ZONE]) as sandbox:
        assert exchange(sandbox, b"GET /1.0/auth/time HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400")


def test_no_page_may_read_an_answer() -> None:
    """No answer lets another origin read it, errors included."""
    with Sandbox([ZONE]) as sandbox:
        for path in ("/1.0/auth/time", "/1.0/domain/zone", "/nothing", "/auth/?credentialToken=x"):
            _, headers, _ = raw(sandbox, "GET", path, {"Origin": "http://evil.example"})
            assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "redirection",
    [
        "http://x/\r\nSet-Cookie: a=b", "http://x/\n\nbody", "\r\nX: y", "javascript:alert(1)", "file:///etc/passwd",
        "http://x/\x85y", "http://x/\u2028", "http://", " http://x", {"a": 1}, ["http://x"], 5, "http://" + "x" * 3000,
    ],
)  # fmt: skip
def test_a_redirection_is_an_address(redirection: object) -> None:
    """A value that ends a header or starts another is refused, as is anything but a URL."""
    with Sandbox([ZONE]) as sandbox:
        key = {"X-Ovh-Application": sandbox.credentials.application_key}
        body = {"accessRules": [{"method": "GET", "path": "/*"}], "redirection": redirection}
        status, value = raw_json(sandbox, "POST", "/1.0/auth/credential", headers=key, body=json.dumps(body))
        assert (status, value["message"]) == (400, "Invalid redirection")


@pytest.mark.parametrize("length", [http.MOST_OCTETS + 1, 10**12, int("9" * 4000)])
def test_a_body_is_limited(length: int) -> None:
    """A body that is too long is not read: 413."""
    with Sandbox([ZONE]) as sandbox:
        head = f"POST {RECORDS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        assert exchange(sandbox, head.encode()).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, '{"fieldType":["TXT"],"target":"x"}', '{"fieldType":{},"target":1}'],
)
def test_a_body_of_any_depth_is_a_bad_request(body: str) -> None:
    """The answer is 400, not a failure of the sandbox."""
    with Sandbox([ZONE]) as sandbox:
        assert _signed(sandbox, "POST", RECORDS, body) == 400


def _signed(sandbox: Sandbox, method: str, path: str, body: str) -> int:
    keys = sandbox.credentials
    now = str(raw_json(sandbox, "GET", "/1.0/auth/time")[1])
    url = f"{sandbox.api_url}{path}"
    headers = {
        "X-Ovh-Application": keys.application_key,
        "X-Ovh-Consumer": keys.consumer_key,
        "X-Ovh-Timestamp": now,
        "X-Ovh-Signature": signature(keys.application_secret, keys.consumer_key, method, url, body, now),
    }
    return raw(sandbox, method, f"/1.0{path}", headers, body)[0]


def test_accepted_signed_urls() -> None:
    """Both schemes are accepted, with and without the port."""
    assert signed_urls("localhost:8443", "/1.0/x?y=1") == (
        "http://localhost:8443/1.0/x?y=1",
        "https://localhost:8443/1.0/x?y=1",
        "http://localhost/1.0/x?y=1",
        "https://localhost/1.0/x?y=1",
    )
    assert signed_urls("[::1]", "/x") == ("http://[::1]/x", "https://[::1]/x")


def test_a_number_of_any_length_in_a_path_is_not_found() -> None:
    """The answer is 404, not a failure of the sandbox."""
    with Sandbox([ZONE]) as sandbox:
        assert _signed(sandbox, "GET", f"{RECORDS}/{'9' * 5000}", "") == 404


def test_history() -> None:
    """Each refresh is a version: listed by date, shown with the URL of its text, and restored."""
    with Sandbox([ZONE]) as sandbox, library(sandbox) as client:
        client.post(RECORDS, fieldType="TXT", subDomain="a", target="one")
        client.post(f"/domain/zone/{ZONE}/refresh")
        [record] = client.get(RECORDS, fieldType="TXT")
        client.delete(f"{RECORDS}/{record}")
        client.post(f"/domain/zone/{ZONE}/refresh")
        first, second = client.get(f"/domain/zone/{ZONE}/history")
        assert client.get(f"/domain/zone/{ZONE}/history", **{"creationDate.from": second}) == [second]
        shown = client.get(f"/domain/zone/{ZONE}/history/{first}")
        assert shown["creationDate"] == first
        path = urlsplit(shown["zoneFileUrl"]).path
        assert b'IN TXT    "one"' in raw(sandbox, "GET", path)[2]
        assert raw(sandbox, "GET", path + "x")[0] == 404
        task = client.post(f"/domain/zone/{ZONE}/history/{first}/restore")
        assert (task["function"], task["status"]) == ("ZoneRestore", "done")
        assert len(client.get(RECORDS, fieldType="TXT")) == 1


def test_service_infos() -> None:
    """The answer has the fields of every service of an account."""
    with Sandbox([ZONE]) as sandbox, library(sandbox) as client:
        infos = client.get(f"/domain/zone/{ZONE}/serviceInfos")
    assert infos["domain"] == ZONE
    assert infos["status"] == "ok"
    assert set(infos["renew"]) == {"automatic", "deleteAtExpiration", "forced", "manualPayment", "period"}
