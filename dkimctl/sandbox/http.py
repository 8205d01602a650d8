"""The HTTP server of the API: HTTP/1.1 with keep-alive, faults, latency, and the log."""

import ipaddress
import re
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import cast
from urllib.parse import unquote

from dkimctl.sandbox.answers import HttpAnswer, Request
from dkimctl.sandbox.api import PREFIXES, Api
from dkimctl.sandbox.calls import CallLog, LoggedCall
from dkimctl.sandbox.faults import AFTER, Fault, Faults
from dkimctl.sandbox.listening import ConnectionServer
from dkimctl.sandbox.switches import Switches

SLOW_PIECES = 20
"""The number of pieces in which a slow body is sent."""

MOST_OCTETS = 16 * 1024 * 1024
"""The limit for the body of a request: enough to import a zone of some 30,000 key records."""
PATIENCE = 300.0
"""Seconds after which an idle connection is closed."""

_DIGITS = 10
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_SECRET_FORM = re.compile(r"(client_secret=)[^&]*")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Backend:
    """The objects with which a connection answers requests."""

    api: Api
    calls: CallLog
    faults: Faults
    switches: Switches


class ApiServer(ConnectionServer):
    """The listening socket of the API."""

    def __init__(self, address: tuple[str, int], backend: Backend) -> None:
        self.backend = backend
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "dkimctl-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = PATIENCE
    wbufsize = -1

    def serve(self) -> None:
        """Read one request, carry it out, and send the answer."""
        refusal = self._refusal()
        if refusal:
            self.close_connection = True  # what follows may be the body
            self.send_error(refusal)
            return
        server = cast(ApiServer, self.server)
        backend = server.backend
        length = int(self.headers.get("Content-Length", "0"))
        request, versioned = self._request(self.rfile.read(length).decode(errors="replace"))
        shown_path = request.path + (f"?{request.query}" if request.query else "")
        number, complete = backend.calls.arrive()

        def log(status: int) -> None:
            body = _SECRET_FORM.sub(r"\1***", request.body)
            complete(LoggedCall(request.method, shown_path, body, status))

        fault = backend.faults.take(number, request.method, request.path)
        server.stopping.wait(backend.switches.latency)
        if fault and fault.kind not in AFTER:
            answer = fault.instead(backend.switches)
        else:
            answer = backend.api.answer(request, versioned=versioned)
        self._deliver(answer, fault, log)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def log_message(self, format: str, *args: object) -> None:
        """Do nothing: calls are logged in `CallLog`."""

    def _refusal(self) -> HTTPStatus | None:
        """Return the status with which this request is refused; None when it is accepted.

        A web page whose name resolves to 127.0.0.1 sends that name as `Host` (RFC 9110 §7.4: 421).
        """
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1:
            return HTTPStatus.BAD_REQUEST
        if not is_loopback_host(hosts[0]):
            return HTTPStatus.MISDIRECTED_REQUEST
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            return HTTPStatus.LENGTH_REQUIRED
        if len(length) > _DIGITS or int(length) > MOST_OCTETS:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None

    @property
    def _outer_host(self) -> str:
        """The host that the client knows, also behind a proxy that puts its own in `Host`."""
        forwarded = self.headers.get("X-Forwarded-Host", "")
        return forwarded if is_loopback_host(forwarded) else self.headers.get("Host", "")

    def _request(self, body: str) -> tuple[Request, bool]:
        """Return the request, and whether its path had a version prefix."""
        raw_path, _, query = self.path.partition("?")
        prefix = next((prefix for prefix in PREFIXES if raw_path.startswith(f"{prefix}/")), "")
        path = unquote(raw_path.removeprefix(prefix)).rstrip("/")
        scheme = "https" if self.headers.get("X-Forwarded-Proto", "") == "https" else "http"
        origin = f"{scheme}://{self._outer_host}"
        urls = signed_urls(self._outer_host, self.path)
        headers = {name.title(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, urls, headers, body, origin), bool(prefix)

    def _deliver(self, answer: HttpAnswer, fault: Fault | None, log: Callable[[int], None]) -> None:
        kind = fault.kind if fault else ""
        if fault:
            answer = fault.damage(answer)
        if kind in ("reset-before", "reset-after", "timeout"):
            log(0)
            self._hang() if kind == "timeout" else self._reset()
            return
        log(answer.status)
        self._send(answer, pause=fault.seconds / SLOW_PIECES if fault and kind == "slow-body" else 0)

    def _send(self, answer: HttpAnswer, pause: float) -> None:
        self.send_response(answer.status)
        self.send_header("X-OVH-QUERYID", _query_id())
        self.send_header("Cache-Control", "no-cache")
        for name, value in answer.headers.items():
            self.send_header(name, _CONTROLS.sub("", value))
        if answer.status != 204:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if pause:
            self._send_slowly(answer.body, pause)
        else:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _send_slowly(self, body: bytes, pause: float) -> None:
        size = max(1, len(body) // SLOW_PIECES)
        for start in range(0, len(body), size):
            self.wfile.flush()
            cast(ApiServer, self.server).stopping.wait(pause)
            self.wfile.write(body[start : start + size])

    def _hang(self) -> None:
        """Send no answer until the client closes the connection or the sandbox stops."""
        self.close_connection = True
        self.connection.recv(1)

    def _reset(self) -> None:
        """Close the connection with RST: with a linger time of zero nothing more is sent."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _query_id() -> str:
    return f"EU.ext-2.{secrets.token_hex(4)}.{secrets.randbelow(10000)}.{secrets.token_hex(16)}"


def is_loopback_host(host: str) -> bool:
    """Return whether a `Host` field names this machine: `localhost`, 127.0.0.0/8 or `[::1]`, with any port."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def signed_urls(host: str, target: str) -> tuple[str, ...]:
    """Return the URLs that a client may have signed for a request with this `Host` and target.

    With a TLS proxy the client uses https; some clients sign the host without its port.
    """
    match = _HOST.fullmatch(host)
    hosts = dict.fromkeys((host, match["name"] if match else host))
    return tuple(f"{scheme}://{name}{target}" for name in hosts for scheme in ("http", "https"))
