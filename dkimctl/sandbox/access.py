"""Authentication and authorisation of a call: the checks in a fixed order, each with its own error."""

import hmac
import time
from dataclasses import dataclass

from dkimctl.sandbox.answers import ErrorAnswer, Request
from dkimctl.sandbox.credentials import Credential, Credentials, signature
from dkimctl.sandbox.oauth2 import ServiceAccount, ServiceAccounts
from dkimctl.sandbox.switches import Switches

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Access:
    """The checks before a call: identity, then rights. Each failure raises an ErrorAnswer."""

    credentials: Credentials
    accounts: ServiceAccounts
    switches: Switches

    def now(self) -> float:
        """Return the API's time, in seconds since 1970."""
        return time.time() + self.switches.clock_skew

    def check(self, request: Request, action: str) -> Credential | ServiceAccount:
        """Return the caller after all checks, including the rule for the path or the IAM action."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._check_bearer(token, action)
        self.check_application(request)
        credential = self._signed_by(request)
        if credential.status != "validated" and not self._readable(credential, request):
            raise ErrorAnswer(403, "This credential is not valid", "INVALID_CREDENTIAL")
        if not credential.grants(request.method, request.path):
            raise ErrorAnswer(403, "This call has not been granted", "NOT_GRANTED_CALL")
        return credential

    def origin(self, request: Request) -> str:
        """Return where the client reaches this server: with TLS when it signed such a URL."""
        consumer_key = request.headers.get("X-Ovh-Consumer", "")
        with_tls = (url for url in request.urls if url.startswith("https:"))
        if any(self._is_signed(request, consumer_key, url) for url in with_tls):
            return f"https://{request.origin.partition('://')[2]}"
        return request.origin

    def check_application(self, request: Request) -> None:
        """Check that the application key is the sandbox's."""
        key = request.headers.get("X-Ovh-Application")
        if key is None:
            raise ErrorAnswer(401, "You must login first", "NOT_LOGGED_IN")
        if key != self.credentials.application_key:
            raise ErrorAnswer(403, "This application key is invalid", "INVALID_KEY")

    def _signed_by(self, request: Request) -> Credential:
        consumer_key = request.headers.get("X-Ovh-Consumer")
        if consumer_key is None:
            raise ErrorAnswer(401, "You must login first", "NOT_LOGGED_IN")
        credential = self.credentials.find(consumer_key)
        if credential is None:
            raise ErrorAnswer(403, "This credential does not exist", "NOT_CREDENTIAL")
        timestamp = request.headers.get("X-Ovh-Timestamp", "")
        if (
            not timestamp.isdecimal()
            or len(timestamp) > _DIGITS
            or abs(self.now() - int(timestamp)) > self.switches.timestamp_window
        ):
            raise ErrorAnswer(400, "Query out of time", "QUERY_TIME_OUT")
        if not any(self._is_signed(request, consumer_key, url) for url in request.urls):
            raise ErrorAnswer(400, "Invalid signature", "INVALID_SIGNATURE")
        return credential

    def _is_signed(self, request: Request, consumer_key: str, url: str) -> bool:
        given, timestamp = (request.headers.get(f"X-Ovh-{name}", "") for name in ("Signature", "Timestamp"))
        secret = self.credentials.application_secret
        expected = signature(secret, consumer_key, request.method, url, request.body, timestamp)
        return hmac.compare_digest(given.encode(), expected.encode())

    def _readable(self, credential: Credential, request: Request) -> bool:
        return (
            self.switches.pending_credential_readable
            and credential.status == "pendingValidation"
            and request.path == "/auth/currentCredential"
        )

    def _check_bearer(self, token: str, action: str) -> ServiceAccount:
        account = self.accounts.find(token)
        if account is None:
            raise ErrorAnswer(401, "You must login first", "NOT_LOGGED_IN")
        if not account.allows(action):
            details = {"unauthorizedActionsByAuthentication": "", "unauthorizedActionsByIAM": action}
            raise ErrorAnswer(403, "User not granted for this request", "FORBIDDEN", details)
        return account
