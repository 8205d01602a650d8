"""A hostile API, or proxy in its place: every call ends in time and memory, with an ordinary error."""

import gzip
import os
import socket
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from dkimctl.providers.ovh import calls
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.provider import OvhProvider
from dkimctl.providers.ovh.refusals import Kind, OvhError
from dkimctl.publish.apply import apply
from dkimctl.publish.plan import Wanted, plan
from tests.conftest import REPOSITORY, DkimctlInside
from tests.hostile_http import (
    HostileServer,
    Respond,
    after_time,
    answer,
    dripping,
    fixed,
    flooding,
    hostile_server,
)
from tests.publishing import NAME, ZONE, invented_record, manual_clock, sandbox

KEYS = {"application_key": "k" * 16, "application_secret": "s" * 32, "consumer_key": "c" * 32}
ACCOUNT = {"client_id": "EU.0123456789", "client_secret": "t" * 32}
REDIRECTS = ("301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def client(server: HostileServer, keys: dict[str, str] = KEYS, deadline: float = 20) -> ApiClient:
    """Return an account at the server."""
    return ApiClient(Credentials(server.url, **keys), timeout=(5, 5), deadline=deadline)


def failure(server: HostileServer, deadline: float = 20, keys: dict[str, str] = KEYS) -> OvhError:
    """Return the error of one signed call."""
    with pytest.raises(OvhError) as caught:
        client(server, keys, deadline).value("GET", f"/domain/zone/{ZONE}")
    assert caught.value.exit_code == 3
    assert not any(secret in caught.value.message + caught.value.hint for secret in (*KEYS.values(), *ACCOUNT.values()))
    return caught.value


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("where", ["elsewhere", "the same server", "nowhere"])
@pytest.mark.parametrize("call", ["signed", "clock", "token"])
def test_no_redirect_is_followed(status: str, where: str, call: str) -> None:
    """For every status and target: no signed request and no key is sent to another host."""
    with hostile_server(lambda _: fixed(b"null")) as other:
        place = {"elsewhere": f"Location: {other.url}/x", "the same server": "Location: /1.0/x", "nowhere": "X: y"}

        def behave(_: HostileServer) -> Respond:
            redirect = fixed(b"", place[where], status=status)
            return after_time(redirect) if call == "signed" else redirect

        with hostile_server(behave) as server:
            error = failure(server, keys=ACCOUNT if call == "token" else KEYS)
            asked = len(server.heads)
    assert f"redirect to http://127.0.0.1:{other.port if where == 'elsewhere' else server.port}" in error.message
    assert error.kind is Kind.REFUSED
    assert other.heads == []
    assert asked == (2 if call == "signed" else 1)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "https://[", "//\x85\x9b31m", "gopher://x:99999/"])
def test_a_redirect_to_nonsense_is_an_ordinary_error(place: str) -> None:
    """Its text is shown without control characters."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    with hostile_server(lambda _: lambda connection, _: connection.sendall(head)) as server:
        assert failure(server).message.isprintable()


def bomb(layers: int = 1) -> bytes:
    """Return some 65 KiB that expand to 70 MB, or much less in two layers."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(70)) + packer.flush()
    return packed if layers == 1 else gzip.compress(packed)


@pytest.mark.parametrize(
    ("respond", "words"),
    [
        (lambda _: answer(bomb(), "Content-Encoding: gzip"), "more than 65536 KiB"),
        (lambda _: answer(bomb(), "Content-Encoding: gzip", status="502 Bad Gateway"), "more than 65536 KiB"),
        (lambda _: answer(bomb(2), "Content-Encoding: gzip, gzip"), "encoding gzip, gzip"),
        (lambda _: answer(b"x" * 100, "Content-Encoding: gzip"), "damaged"),
        (lambda _: answer(b"x" * 100, "Content-Encoding: br"), "encoding br"),
        (lambda s: after_time(flooding(s, b"HTTP/1.1 200 OK\r\n\r\n")), "more than 65536 KiB"),
        (lambda s: flooding(s, b"HTTP/1.1 200 OK\r\n\r\n"), "more than 65536 KiB"),
    ],
    ids=["bomb", "bomb in an error", "bomb in a bomb", "damaged", "unknown", "endless", "endless clock"],
)
def test_an_answer_is_limited_in_size(respond: object, words: str) -> None:
    """The limit applies as received and decompressed; nothing larger is ever in memory."""
    with hostile_server(respond) as server:  # type: ignore[arg-type]
        assert words in failure(server).message


def test_an_answer_compressed_by_a_proxy_is_read() -> None:
    """Compression that was not requested is decompressed."""
    with hostile_server(lambda _: answer(gzip.compress(b'{"name":"x"}'), "Content-Encoding: gzip")) as server:
        assert client(server).value("GET", "/domain/zone/x") == {"name": "x"}
        assert "Accept-Encoding: identity" in server.heads[-1]


NONSENSE = {
    "deep lists": b"[" * 300_000,
    "deep objects": b'{"a":' * 300_000,
    "a number of a million digits": b"9" * 1_000_000,
    "many such numbers": b"[" + b",".join([b"1" * 4301] * 100) + b"]",
    "not UTF-8": b'"\xff\xfe"',
    "a number beyond floats": b"1e999",
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "500 Internal Server Error"])
@pytest.mark.parametrize("at", ["the call", "the clock", "the token"])
def test_hostile_json_is_an_ordinary_error(body: bytes, status: str, at: str) -> None:
    """Deep nesting and huge numbers are an ordinary error of the provider, exit code 3."""
    respond = answer(body, status=status) if at == "the call" else fixed(body, status=status)
    with hostile_server(lambda _: respond) as server:
        account = OvhProvider(Credentials(server.url, **(ACCOUNT if at == "the token" else KEYS)), manual_clock())
        with pytest.raises(OvhError) as caught:
            account.find(ZONE, [NAME])
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "record",
    [
        b'{"fieldType":"TXT","subDomain":"mail._domainkey","target":"x","ttl":%s,"id":1}' % ttl
        for ttl in (b'"x"', b"{}", b"1e999", b"-5", b"true", b"null", b"99999999999999999999")
    ]
    + [b"5", b"[]", b'{"fieldType":["TXT"]}', b'{"fieldType":"TXT","target":{"a":1},"subDomain":7}'],
)
def test_a_record_of_any_form_is_read_or_refused(record: bytes) -> None:
    """Fields of a wrong type cause no traceback."""

    def respond(connection: object, head: str) -> None:
        fixed(b"[1]" if "/record?" in head else record)(connection, head)  # type: ignore[arg-type]

    with hostile_server(lambda _: after_time(respond)) as server:
        try:
            found = OvhProvider(Credentials(server.url, **KEYS), manual_clock()).find(ZONE, [NAME])
        except OvhError as error:
            assert error.exit_code == 3
        else:
            assert all(0 <= one.ttl < 2**31 for one in found[NAME])


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (CHUNKED, b"1\r\n \r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "headers", "body", "chunks", "interim answers"],
)
@pytest.mark.parametrize("at", ["the call", "the clock", "the token"])
def test_a_call_ends_in_time_with_a_slow_answer(start: bytes, drop: bytes, at: str) -> None:
    """Each byte arrives within the library's timeouts; the whole answer does not arrive within the deadline."""

    def behave(server: HostileServer) -> Respond:
        drip = dripping(server, start, drop)
        return after_time(drip) if at == "the call" else drip

    with hostile_server(behave) as server:
        error = failure(server, deadline=0.7, keys=ACCOUNT if at == "the token" else KEYS)
    assert "no complete answer within 0.7 s" in error.message
    assert error.kind is Kind.LOST


@pytest.mark.parametrize("wish", ["1e999", "nan", "-1", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 -9999", "x"])
def test_an_absurd_retry_after_is_not_honoured(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An infinite pause ends as an ordinary error, for the next call as well."""
    monkeypatch.setattr(calls, "MOST_WAITS", 2)
    clock = manual_clock()
    with hostile_server(lambda _: answer(b"{}", f"Retry-After: {wish}", status="429 Too Many")) as server:
        account = OvhProvider(Credentials(server.url, **KEYS), clock)
        for _ in range(2):
            with pytest.raises(OvhError):
                account.find(ZONE, [NAME])
    assert sum(clock.slept) < 1000


def test_a_proxy_that_wants_a_login_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """407 is not an unreachable proxy: the error says that it requires a login."""
    with hostile_server(lambda _: fixed(b"", "Proxy-Authenticate: Basic", status="407 Proxy Auth")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(OvhError) as caught:
            ApiClient(Credentials("ovh-eu", **KEYS)).value("GET", "/domain/zone/x")
    assert "the proxy requires a login" in caught.value.message
    assert "NAME:PASSWORD@HOST:PORT" in caught.value.hint
    assert caught.value.kind is Kind.REFUSED


# --- files of the current directory


def fifo(place: Path) -> None:
    """Create a pipe without a writer."""
    os.mkfifo(place)


TRAPS = {
    "a pipe": fifo,
    "zeros without end": lambda place: place.symlink_to("/dev/zero"),
    "binary": lambda place: place.write_bytes(b"\x7fELF\xff\xfe\x00" * 100),
    "damaged": lambda place: place.write_text("[[[\nno option"),
    "a directory": lambda place: place.mkdir(),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_no_file_of_the_current_directory_is_read(trap: str, tmp_path: Path) -> None:
    """The library would read ./ovh.conf on import."""
    TRAPS[trap](tmp_path / "ovh.conf")
    ran = _in(tmp_path, "load()")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_deleted_current_directory_does_not_matter(tmp_path: Path) -> None:
    """The library asks for its name on import."""
    ran = _in(tmp_path, "import os; os.rmdir(os.getcwd()); load()")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_other_code_in_the_same_program_can_use_the_librarys_files(tmp_path: Path) -> None:
    """For other users of the library it is as if dkimctl had never loaded it."""
    (tmp_path / "ovh.conf").write_text("[default]\nendpoint=ovh-ca\n")
    ran = _in(tmp_path, "print(load().client.config.ConfigurationManager().get('default', 'endpoint'))")
    assert (ran.stdout, ran.stderr) == ("ovh-ca\n", "")


def _in(directory: Path, code: str) -> "subprocess.CompletedProcess[str]":
    whole = f"from dkimctl.providers.ovh.client_library import load; {code}"
    environment = {"PYTHONPATH": str(REPOSITORY), "HOME": str(directory), "PATH": os.defpath}
    return subprocess.run(
        [sys.executable, "-P", "-c", whole], cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )


MODULES = ("json.py", "ovh.py", "click.py", "sitecustomize.py", "gc.py", "logging.py", "re.py", "string.py")


def test_python_m_runs_nothing_of_the_current_directory(tmp_path: Path) -> None:
    """`python -m dkimctl`, started in another user's directory."""
    for name in MODULES:
        (tmp_path / name).write_text("import os; os.write(2, b'trapped\\n')")
    environment = {"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path), "PATH": os.defpath}
    for arguments in (["--help"], ["--version"], ["status"], ["inspect", "DKIM101"]):
        for options in ([], ["-P"]):
            command = [sys.executable, *options, "-m", "dkimctl", *arguments]
            ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
            assert "trapped" not in ran.stderr
            assert ran.returncode in (0, 2)


def test_the_command_ends_with_exit_code_3(dkimctl_inside: DkimctlInside) -> None:
    """A redirect is reported with one error and one hint."""
    dkimctl_inside("genkey", ZONE, "-s", "mail")
    with hostile_server(lambda _: answer(b"", "Location: http://192.0.2.1/", status="307 Temporary")) as server:
        variables = {f"OVH_{name.upper()}": value for name, value in KEYS.items()}
        variables["OVH_ENDPOINT"] = server.url
        ran = dkimctl_inside("publish", ZONE, "--provider", "ovh", "--no-wait", env=variables)
    assert ran.code == 3
    assert "redirect to http://192.0.2.1:80 (HTTP 307), which is not followed" in ran.err
    assert not any(key in ran.err for key in KEYS.values())


# --- optional calls that save others


@pytest.mark.parametrize("call", ["/export", "/status", ""])
@pytest.mark.parametrize("fault", ["a 404", "HTML", "a number", "an object", "null", "no answer"])
def test_a_failed_optional_call_does_not_fail_the_run(call: str, fault: str) -> None:
    """Records are read one by one, the zone is found by its records, and the zone is refreshed."""
    answers = {
        "a 404": fixed(b'{"class":"Client::NotFound","message":"This service does not exist"}', status="404 Not Found"),
        "HTML": fixed(b"<html>portal</html>"),
        "a number": fixed(b"7"),
        "an object": fixed(b'{"a":[1,{"b":null}]}'),
        "null": fixed(b"null"),
        "no answer": lambda *_: None,
    }
    with sandbox() as running:
        api = running.api_url
        base = int(api.split(":")[2].split("/")[0])

        def respond(connection: socket.socket, head: str) -> None:
            target = head.split(" ")[1]
            if target == f"/1.0/domain/zone/{ZONE}{call}" and head.startswith("GET"):
                answers[fault](connection, head)
            else:
                _hand_on(connection, head, base)

        with hostile_server(lambda _: respond) as server:
            keys = {name: running.environment()[f"OVH_{name.upper()}"] for name in KEYS}
            provider = OvhProvider(Credentials(server.url, **keys), manual_clock())
            wanted = [Wanted(ZONE, f"s{n}", f"s{n}._domainkey.{ZONE}", invented_record(n)) for n in range(5)]
            if call:
                assert provider.zone_of(NAME) == ZONE
            result = apply(provider, plan(provider, ZONE, wanted), clock=manual_clock())
            assert [name.error for name in result.names] == [None] * 5
            again = apply(provider, plan(provider, ZONE, wanted), clock=manual_clock())
            assert [name.error for name in again.names] == [None] * 5
        assert running.zone(ZONE).refreshes >= 1
        assert len([r for r in running.zone(ZONE).served if r.field_type == "DKIM"]) == 5


def _hand_on(connection: socket.socket, head: str, port: int) -> None:
    """Forward a request to the sandbox; its `Host` names our own port, which the client signed."""
    length = int(next((line[16:] for line in head.split("\r\n") if line.lower().startswith("content-length:")), "0"))
    whole = head.encode("latin-1")
    start = whole.index(b"\r\n\r\n") + 4
    while len(whole) - start < length:
        whole += connection.recv(65536)
    whole = whole.replace(b"Connection: keep-alive", b"Connection: close")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as inner:
        inner.sendall(whole)
        while piece := inner.recv(65536):
            connection.sendall(piece)
