"""Requests, answers and errors of the API, independent of HTTP connections."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from dkimctl.sandbox.switches import Switches

VOID: Final = object()
"""The return value of routes whose answer the API describes as void."""

_CLASSES = {
    400: "Client::BadRequest",
    401: "Client::Unauthorized",
    403: "Client::Forbidden",
    404: "Client::NotFound",
    405: "Client::MethodNotAllowed",
    409: "Client::Conflict",
    429: "Client::TooManyRequests",
    460: "Client::Expired",
}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `path` has no version prefix, query or trailing slash.

    `urls`: the URLs that the client may have signed, the one without TLS first. `origin`: scheme and host at which
    it reaches this server, as far as the headers say.
    """

    method: str
    path: str
    query: str
    urls: tuple[str, ...]
    headers: Mapping[str, str]
    body: str
    origin: str

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return values[-1] if values else None

    def json(self) -> Any:
        """Return the body's value, None without a body. Raises ErrorAnswer 400 when it is not JSON."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ErrorAnswer(400, "Invalid JSON received") from None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer without the headers that every answer has."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class ErrorAnswer(Exception):
    """Raised for an error answer: HTTP status, message, `errorCode` of the legacy format, IAM details."""

    def __init__(self, status: int, message: str, code: str = "", details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.details = details

    def answer(self, switches: Switches) -> HttpAnswer:
        """Return the answer in the format chosen by the switches."""
        body: dict[str, Any]
        if switches.error_format == "legacy":
            phrase = _phrase(self.status)
            body = {
                "errorCode": self.code or phrase.upper().replace(" ", "_"),
                "httpCode": f"{self.status} {phrase}",
            }
        else:
            body = {"class": _CLASSES.get(self.status, "Server::InternalServerError")}
        body["message"] = self.message
        if self.details:
            body["details"] = dict(self.details)
        return HttpAnswer(self.status, json.dumps(body, separators=(",", ":")).encode())


def value_answer(value: object, switches: Switches) -> HttpAnswer:
    """Return 200 with the value as JSON; for VOID, the form chosen by the switches."""
    if value is not VOID:
        return HttpAnswer(200, json.dumps(value, separators=(",", ":")).encode())
    if switches.void == "204":
        return HttpAnswer(204, b"")
    return HttpAnswer(200, b"null" if switches.void == "null" else b"")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Expired"
