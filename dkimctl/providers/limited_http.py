"""HTTP sessions for untrusted answers: limited in size, and without redirects to another origin.

A signed request, with its credentials, goes only to the host for which it was signed.
"""

import zlib
from functools import partial
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from dkimctl.names import printable

MOST_OCTETS = 64 * 1024 * 1024
"""The limit for one answer, as received and decompressed: a zone of 100,000 key records as text has 45 MiB."""
_PIECE = 64 * 1024
_GZIP_OR_ZLIB = 47  # zlib's window size that recognises both headers
_COMPRESSED = ("gzip", "x-gzip", "deflate")


class UnusableAnswer(requests.RequestException):
    """Raised for an answer that is not read to its end. The message completes `the API …`."""


class Redirected(UnusableAnswer):
    """Raised for a redirect that is not followed."""


class BoundedAdapter(HTTPAdapter):
    """An adapter that reads each answer at once, up to a limit."""

    def __init__(self, *, follows: bool, most: int = MOST_OCTETS, max_retries: Any = 0) -> None:
        """Set the limits. `follows`: let the session follow redirects within one origin; `most`: octets."""
        super().__init__(max_retries=max_retries)
        self._follows = follows
        self._most = most

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send the request and read the whole answer. Raises UnusableAnswer, and the errors of requests."""
        request.headers["Accept-Encoding"] = "identity"
        response = super().send(request, *arguments, **{**options, "stream": True})
        try:
            if 300 <= response.status_code < 400:
                self._check_redirect(response)
            response._content = self._body(response)
            response._content_consumed = True  # type: ignore[attr-defined]
        except BaseException:
            response.close()
            raise
        return response

    def _check_redirect(self, response: requests.Response) -> None:
        here = str(response.url)
        there = urljoin(here, response.headers.get("Location", ""))
        if not self._follows or _origin(here) != _origin(there):
            where = printable("{}://{}:{}".format(*_origin(there)), 100)
            raise Redirected(f"answers with a redirect to {where} (HTTP {response.status_code}), which is not followed")

    def _body(self, response: requests.Response) -> bytes:
        encoding = (
            str(response.raw.headers.pop("Content-Encoding", "")).strip().lower()
        )  # or urllib3 would decompress it
        content = bytearray()
        for piece in response.iter_content(_PIECE):
            content += piece
            self._check_size(len(content))
        if encoding in ("", "identity") or not content:
            return bytes(content)
        if encoding not in _COMPRESSED:
            raise UnusableAnswer(f"answers in the encoding {printable(encoding, 40)}, which was not asked for")
        return self._expanded(bytes(content))

    def _expanded(self, content: bytes) -> bytes:
        try:
            expanded = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(content, self._most + 1)
        except zlib.error:
            raise UnusableAnswer("answers with compressed data that is damaged") from None
        self._check_size(len(expanded))
        return expanded

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise UnusableAnswer(f"answers with more than {self._most // 1024} KiB, which is not read")


def bound(session: requests.Session, *, follows: bool = False, most: int = MOST_OCTETS) -> None:
    """Limit a session. `follows`: redirects that stay at the same scheme, host and port are followed."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter(follows=follows, most=most))


class BoundedSession(requests.Session):
    """A session with limits that stay when other code mounts an adapter of its own, whose retries are kept.

    Redirects within one origin are followed.
    """

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        """Mount an adapter; any but a BoundedAdapter is replaced by one."""
        if not isinstance(adapter, BoundedAdapter):
            adapter = BoundedAdapter(follows=True, max_retries=getattr(adapter, "max_retries", 0))
        super().mount(prefix, adapter)


class _BoundedRequests:
    """A replacement for the module `requests` whose functions and sessions are limited."""

    Session = session = BoundedSession

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        with BoundedSession() as session:
            return session.request(method, url, **options)

    def __getattr__(self, name: str) -> Any:
        if name in ("get", "options", "head", "post", "put", "patch", "delete"):
            return partial(self.request, name)
        return getattr(requests, name)


def bound_module(module: ModuleType) -> None:
    """Limit the HTTP requests of another library's module that calls `requests` itself."""
    for name, limited in (("requests", _BoundedRequests()), ("Session", BoundedSession)):
        if hasattr(module, name):
            setattr(module, name, limited)


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port; an invalid URL has an empty origin, equal to no valid one."""
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80}.get(parts.scheme, 443)
    except ValueError:
        return "", "", 0
