"""Application keys, consumer keys and their rules, and the signature of a call."""

import hashlib
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from dkimctl.sandbox.patterns import glob

CredentialState = Literal["validated", "pendingValidation", "expired", "refused"]
METHODS = ("GET", "POST", "PUT", "DELETE")


def signature(application_secret: str, consumer_key: str, method: str, url: str, body: str, timestamp: str) -> str:
    """Return the value of X-Ovh-Signature: `$1$` and the SHA-1 of the six parts joined by `+`."""
    signed = "+".join((application_secret, consumer_key, method, url, body, timestamp))
    return "$1$" + hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Rule:
    """A right: an HTTP method and a path in which `*` matches anything, slashes included."""

    method: str
    path: str

    def covers(self, method: str, path: str) -> bool:
        """Return whether the rule grants a call."""
        return self.method == method and glob(self.path, path)


@dataclass(frozen=True, slots=True)
class Credential:
    """A consumer key with its state and rights."""

    id: int
    consumer_key: str = field(repr=False)
    state: CredentialState
    rules: tuple[Rule, ...]
    creation: datetime
    expiration: datetime | None
    token: str = field(repr=False)
    redirection: str | None = None
    allowed_ips: tuple[str, ...] | None = None

    @property
    def status(self) -> CredentialState:
        """The state, `expired` once the expiration has passed."""
        past = self.expiration is not None and self.expiration <= datetime.now(UTC)
        return "expired" if past else self.state

    def grants(self, method: str, path: str) -> bool:
        """Return whether one of the rules covers a call; `/auth` needs none."""
        return path.startswith("/auth/") or any(rule.covers(method, path) for rule in self.rules)

    def as_json(self) -> dict[str, Any]:
        """Return the object of `GET /auth/currentCredential`."""
        return {
            "credentialId": self.id,
            "applicationId": 1,
            "status": self.status,
            "rules": [{"method": rule.method, "path": rule.path} for rule in self.rules],
            "creation": self.creation.isoformat(timespec="seconds"),
            "expiration": self.expiration.isoformat(timespec="seconds") if self.expiration else None,
            "lastUse": datetime.now(UTC).isoformat(timespec="seconds"),
            "allowedIPs": list(self.allowed_ips) if self.allowed_ips else None,
            "ovhSupport": False,
        }


class Credentials:
    """The sandbox's application and its consumer keys; the first key may do everything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: dict[str, Credential] = {}
        self.application_key = secrets.token_hex(8)
        self.application_secret = secrets.token_hex(16)
        self.consumer_key = self.issue()

    def __repr__(self) -> str:
        return "Credentials(***)"

    def issue(
        self,
        rules: Iterable[tuple[str, str]] | None = None,
        state: CredentialState = "validated",
        expiration: datetime | None = None,
    ) -> str:
        """Issue a new consumer key; rules are pairs of method and path, None grants every call."""
        granted = [(method, "/*") for method in METHODS] if rules is None else rules
        return self.request(granted, state=state, expiration=expiration).consumer_key

    def request(
        self,
        rules: Iterable[tuple[str, str]],
        *,
        state: CredentialState = "pendingValidation",
        expiration: datetime | None = None,
        redirection: str | None = None,
        allowed_ips: tuple[str, ...] | None = None,
    ) -> Credential:
        """Create a credential as `POST /auth/credential` does."""
        with self._lock:
            credential = Credential(
                len(self._credentials) + 1,
                secrets.token_hex(16),
                state,
                tuple(Rule(method, path) for method, path in rules),
                datetime.now(UTC),
                expiration,
                secrets.token_hex(32),
                redirection,
                allowed_ips,
            )
            self._credentials[credential.consumer_key] = credential
            return credential

    def validate(self, consumer_key: str) -> None:
        """Validate a consumer key, as the account's owner does on the validation page."""
        self.set_state(consumer_key, "validated")

    def set_state(self, consumer_key: str, state: CredentialState) -> None:
        """Set the state of a consumer key. Raises KeyError for an unknown key."""
        with self._lock:
            self._credentials[consumer_key] = replace(self._credentials[consumer_key], state=state)

    def revoke(self, consumer_key: str) -> None:
        """Delete a consumer key."""
        with self._lock:
            self._credentials.pop(consumer_key, None)

    def find(self, consumer_key: str) -> Credential | None:
        """Return the credential of a consumer key, or None."""
        with self._lock:
            return self._credentials.get(consumer_key)

    def find_token(self, token: str) -> Credential | None:
        """Return the credential whose validation page has this token, or None."""
        with self._lock:
            return next((found for found in self._credentials.values() if found.token == token), None)
