"""Service accounts: OAuth2 client credentials, access tokens, and the allowed IAM actions."""

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs

from dkimctl.sandbox.answers import HttpAnswer, Request


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A client and the IAM actions its policy allows (`dnsZone:apiovh:record/get`), None for all."""

    client_id: str
    client_secret: str
    actions: frozenset[str] | None

    def allows(self, action: str) -> bool:
        """Return whether the policy allows an action."""
        return self.actions is None or action in self.actions

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_id!r}, ***)"


class ServiceAccounts:
    """The service accounts and their access tokens."""

    def __init__(self, token_lifetime: float) -> None:
        self._lifetime = token_lifetime
        self._lock = threading.Lock()
        self._accounts: dict[str, ServiceAccount] = {}
        self._tokens: dict[str, tuple[ServiceAccount, float]] = {}

    def create(self, actions: Iterable[str] | None = None) -> ServiceAccount:
        """Create a service account."""
        allowed = None if actions is None else frozenset(actions)
        account = ServiceAccount(f"EU.{secrets.token_hex(8)}", secrets.token_hex(16), allowed)
        with self._lock:
            self._accounts[account.client_id] = account
        return account

    def find(self, token: str) -> ServiceAccount | None:
        """Return the account of a valid access token, or None."""
        with self._lock:
            account, end = self._tokens.get(token, (None, 0.0))
        return account if time.monotonic() < end else None

    def token_answer(self, request: Request) -> HttpAnswer:
        """Return the answer of the token endpoint (RFC 6749, sections 4.4 and 5)."""
        form = {name: values[-1] for name, values in parse_qs(request.body).items()}
        if form.get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        client_id, client_secret = _client(request, form)
        account = self._accounts.get(client_id)
        if account is None or not secrets.compare_digest(account.client_secret.encode(), client_secret.encode()):
            return _json(401, {"error": "invalid_client"})
        token = secrets.token_hex(32)
        with self._lock:
            self._tokens[token] = (account, time.monotonic() + self._lifetime)
        granted = {"access_token": token, "token_type": "Bearer", "expires_in": int(self._lifetime)}
        return _json(200, {**granted, "scope": form.get("scope", "all")})


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, client_secret


def _json(status: int, value: dict[str, object]) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode(), headers={"Cache-Control": "no-store"})
