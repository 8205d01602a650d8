"""Answers of the API: read the value, or make an error of the refusal."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from dkimctl.errors import RUN_AGAIN
from dkimctl.providers.ovh.endpoint import is_url
from dkimctl.providers.ovh.refusals import OvhError, Refusal, explain, lost


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The HTTP answer to one call."""

    method: str
    path: str
    endpoint: str
    status: int
    content: bytes
    retry_after: str
    """The Retry-After header, or empty."""

    @property
    def is_success(self) -> bool:
        """Return whether the call was carried out."""
        return 200 <= self.status < 300

    def value(self) -> Any:
        """Return the value of the body; None for 204. Raises OvhError when the body is not JSON."""
        if self.status == 204:
            return None
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):  # not JSON, a number of thousands of digits, endless nesting
            what = f"answered {self._kind}, not JSON" if self.content else "answered with an empty body"
            raise lost(what, self.method, self.path, status=self.status, hint=strange_answer(self.endpoint)) from None

    def refusal(self, hide: tuple[str, ...], zones: tuple[str, ...] = ()) -> OvhError:
        """Return the error for this answer. `hide`: secrets to mask in it. `zones`: named in hints for a new key."""
        body: object = None
        with suppress(ValueError, RecursionError):
            body = json.loads(self.content)
        fields = body if isinstance(body, dict) else {"message": self._kind}
        details = fields.get("details")
        refusal = Refusal(
            status=self.status,
            message=without(hide, str(fields.get("message") or "")),
            missing_actions=_missing_actions(details) if isinstance(details, dict) else "",
            retry_after=_seconds(self.retry_after),
            zones=zones,
        )
        return explain(refusal, self.method, self.path, self.endpoint)

    @property
    def _kind(self) -> str:
        if not self.content:
            return "an empty body"
        return "HTML" if b"<html" in self.content[:400].lower() else "something unreadable"


def without(hidden: tuple[str, ...], text: str) -> str:
    """Return `text` with `***` for each hidden value; values of up to 3 letters are parts of words, not secrets."""
    for secret in hidden:
        text = text.replace(secret, "***") if len(secret) > 3 else text
    return text


def strange_answer(endpoint: str) -> str:
    """Return the hint for an answer that does not come from an API."""
    return RUN_AGAIN if is_url(endpoint) else "if it happens again, look for a proxy or a portal on the way to the API"


def _missing_actions(details: dict[str, object]) -> str:
    names = ("unauthorizedActionsByIAM", "unauthorizedActionsByAuthentication")
    return ", ".join(actions for name in names if (actions := str(details.get(name) or "")))


def _seconds(header: str) -> float | None:
    """Return Retry-After in seconds, from a number or a date (RFC 9110 §10.2.3)."""
    with suppress(ValueError):
        seconds = float(header.strip())
        return max(0.0, seconds) if isfinite(seconds) else None
    from email.utils import parsedate_to_datetime

    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    return None
