"""Get a consumer key: request it, let a person validate it, check the granted rights, store it.

Nothing is stored before the key is validated and has every requested right.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.errors import CheckFailed, Refused, Unavailable, shell_word
from dkimctl.findings import Severity
from dkimctl.names import first_few
from dkimctl.providers.ovh.calls import Calls
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.credentials import Credentials, stored_credentials
from dkimctl.providers.ovh.credentials_store import refuse_unstorable, store
from dkimctl.providers.ovh.grants import Rule, rules_for, uncovered, zones_of
from dkimctl.providers.ovh.identity import PATH, ConsumerKey, consumer_key
from dkimctl.providers.ovh.refusals import Kind, OvhError, lost
from dkimctl.providers.ovh.whoami import PATIENCE, Identity, judge, whoami

POLL = 3.0  # seconds between two checks: well below the 60 calls a minute that OVH calls fair
_NOTHING_STORED = "nothing was stored"


@dataclass(frozen=True, slots=True)
class Pending:
    """A consumer key that a person has to validate at `url`, within `timeout` seconds."""

    url: str
    rules: tuple[Rule, ...]
    timeout: float


@dataclass(frozen=True, slots=True)
class Login:
    """The result of a login: `stored`, or `kept` when the key in the file already has the rights."""

    result: str
    path: Path
    zones: tuple[str, ...]
    backup: Path | None
    """The copy of the previous file, if it held another consumer key."""
    credential: Identity

    @property
    def is_change(self) -> bool:
        """Return whether the file was written."""
        return self.result == "stored"


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """The requested consumer key. `target`: the `ovh.conf` to write; `timeout`: seconds to wait for validation.

    `replace`: replace any consumer key in that file. `named`: the user named the file, so hints name it too.
    """

    application: Credentials
    zones: tuple[str, ...]
    target: Path
    replace: bool
    timeout: float
    named: bool = False

    def command(self, zones: Iterable[str]) -> str:
        """Return the login command for these zones."""
        file = f" --credentials {shell_word(self.target)}" if self.named else ""
        return f"dkimctl ovh login {' '.join(map(shell_word, zones))}{file}"


def log_in(request: LoginRequest, clock: Clock, report: Callable[[Pending], None]) -> Login:
    """Get a consumer key with exactly the rights for these zones, validated by a person, and store it (mode 0600).

    Raises Refused when the file holds a key with other rights, CheckFailed when fewer were granted, Unavailable when
    nobody validated it in time or the API failed, KeyboardInterrupt saying that nothing was stored.
    """
    stored = stored_credentials(request.target, request.application.endpoint)
    if stored is not None and not request.replace:
        sufficient = _if_sufficient(stored, request, clock)
        if sufficient is not None:
            return Login("kept", request.target, request.zones, None, sufficient)
    refuse_unstorable(request.target, request.application)
    fresh, url = _request(request, clock)
    client = ApiClient(fresh)
    _check_key(client, request)  # a wrong secret fails here, before a person opens the page
    report(Pending(url, rules_for(request.zones), request.timeout))
    key = _validated(client, request, clock)
    identity = judge(key, request.zones, Calls(client, clock, PATIENCE), clock)
    _refuse_insufficient(identity)
    backup = store(request.target, fresh, clock)
    return Login("stored", request.target, request.zones, backup, identity)


def _if_sufficient(stored: Credentials, request: LoginRequest, clock: Clock) -> Identity | None:
    """Return the stored key if it has the rights; None if it can be replaced without losing rights."""
    identity = whoami(stored, request.zones, clock)
    if identity.status != "validated":
        return None
    if not any(zone.missing for zone in identity.zones):
        return identity
    lost_rights = uncovered(identity.rules, rules_for(request.zones))
    if lost_rights:
        raise Refused(
            f"{request.target} holds a consumer key with rights that the new one would not have: "
            + first_few([*map(str, lost_rights)]),
            hint=f"request one key for all: {request.command(_all_zones(identity, request))}; "
            "or drop the old rights with --replace",
        )
    return None


def _all_zones(identity: Identity, request: LoginRequest) -> list[str]:
    return sorted({*request.zones, *zones_of(identity.rules)})


def _request(request: LoginRequest, clock: Clock) -> tuple[Credentials, str]:
    """Request a key. Return it, still unusable, and the URL at which a person validates it."""
    rules = [{"method": rule.method, "path": rule.path} for rule in rules_for(request.zones)]
    answer = Calls(ApiClient(request.application), clock, PATIENCE).request_consumer_key(
        {"accessRules": rules, "redirection": None, "allowedIPs": None}
    )
    found = answer if isinstance(answer, dict) else {}
    key, url = str(found.get("consumerKey", "")), str(found.get("validationUrl", ""))
    if not re.fullmatch(r"[!-~]+", key) or not re.fullmatch(r"https?://[!-~]+", url):
        raise lost("answered with something other than a consumer key", "POST", "/auth/credential")
    return replace(request.application, consumer_key=key), url


def _check_key(client: ApiClient, request: LoginRequest) -> ConsumerKey | None:
    """Return the key's data from the API; None while it is not valid, or when the API cannot be reached."""
    try:
        return consumer_key(client.value("GET", PATH))
    except OvhError as error:
        if error.status == 400 and error.kind is Kind.REFUSED:
            raise OvhError(
                Kind.REFUSED,
                "OVH refused the signature: the application secret does not belong to the application key",
                hint=f"check OVH_APPLICATION_SECRET, or application_secret in {request.target}",
                status=400,
                call=error.call,
            ) from None
        if error.kind is Kind.REFUSED and error.status == 403:
            raise Unavailable(
                f"OVH no longer knows the consumer key: it was refused or revoked; {_NOTHING_STORED}",
                hint=_again(request),
            ) from None
        if error.kind is not Kind.NOT_VALID and not error.is_transient:
            raise
    return None


def _validated(client: ApiClient, request: LoginRequest, clock: Clock) -> ConsumerKey:
    """Wait until a person has validated the key, and return it. Raises Unavailable."""
    deadline = clock.monotonic() + request.timeout
    try:
        while True:
            key = _check_key(client, request)
            if key is not None and key.status == "validated":
                return key
            if key is not None and key.status in ("refused", "expired"):
                raise Unavailable(f"the consumer key was {key.status}; {_NOTHING_STORED}", hint=_again(request))
            left = deadline - clock.monotonic()
            if left <= 0:
                raise Unavailable(
                    f"the consumer key was not validated within {request.timeout:g} s, or it was refused; "
                    + _NOTHING_STORED,
                    hint=_again(request),
                )
            clock.sleep(min(POLL, left))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted before the consumer key was validated: {_NOTHING_STORED}") from None


def _refuse_insufficient(identity: Identity) -> None:
    """Raise CheckFailed for a key that lacks rights or has errors that waiting does not fix."""
    wrong = [found for found in identity.findings if found.severity is Severity.ERROR]
    if not wrong and not any(zone.missing for zone in identity.zones):
        return
    seen = [found.seen for found in wrong] or [f"it lacks {', '.join(zone.missing)}" for zone in identity.zones]
    raise CheckFailed(
        f"the new consumer key cannot be used: {'; '.join(seen)}; {_NOTHING_STORED}",
        hint=wrong[0].fix if wrong else "validate it with every requested right",
    )


def _again(request: LoginRequest) -> str:
    replace = " --replace" if request.replace else ""
    return f"request it again: {request.command(request.zones)}{replace} --timeout {request.timeout:g}"
