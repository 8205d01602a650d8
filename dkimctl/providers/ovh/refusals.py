"""Explain error answers of the API in messages and hints that an admin can act on.

They are distinguished by HTTP status and by the message in the body; `errorCode` exists only in older answers.
"""

from dataclasses import dataclass
from enum import Enum, auto

from dkimctl.errors import RUN_AGAIN, ApiError, shell_word
from dkimctl.names import printable
from dkimctl.providers.ovh.rights import rule_for


class Kind(Enum):
    """The kinds of errors, by what the caller can do."""

    BUSY = auto()
    """Not done, try again later: 408, 409, 429."""
    LOST = auto()
    """No usable answer: the call may have been carried out or not."""
    OUT_OF_TIME = auto()
    """Not done: the time of the request was wrong."""
    NO_ZONE = auto()
    """The account has no such zone."""
    GONE = auto()
    """The record does not exist."""
    NOT_GRANTED = auto()
    """The credential lacks the right for this call."""
    NOT_VALID = auto()
    """The consumer key is not validated yet, was refused, or has expired; the API does not say which."""
    BAD_REQUEST = auto()
    """The API does not accept these values."""
    REFUSED = auto()
    """Any other error that a retry does not fix."""


class OvhError(ApiError):
    """An ApiError with its kind. `retry_after`: seconds that the API asks to wait."""

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        call: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, status=status, call=call)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        """Return whether the same call may succeed a little later."""
        return self.kind in (Kind.BUSY, Kind.LOST, Kind.OUT_OF_TIME)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with an error status. `message` and `missing_actions` come from its body, if it had a readable one."""

    status: int
    message: str
    missing_actions: str
    """Actions that a policy of OVH's access management does not allow."""
    retry_after: float | None
    zones: tuple[str, ...] = ()
    """The zones for which a new key would be requested; the call itself may name none."""


def explain(refusal: Refusal, method: str, path: str, endpoint: str) -> OvhError:
    """Return the error for an answer with this refusal."""
    call = f"{method} {path.partition('?')[0]}"
    kind, message, hint = _meaning(refusal, method, path, endpoint)
    return OvhError(kind, message, hint=hint, status=refusal.status, call=call, retry_after=refusal.retry_after)


def lost(what: str, method: str, path: str, *, status: int | None = None, hint: str = RUN_AGAIN) -> OvhError:
    """Return the error for a call without a usable answer."""
    call = f"{method} {path.partition('?')[0]}"
    return OvhError(Kind.LOST, f"the OVH API {what} ({call})", hint=hint, status=status, call=call)


def _meaning(refusal: Refusal, method: str, path: str, endpoint: str) -> tuple[Kind, str, str]:
    call = f"{method} {path.partition('?')[0]}"
    said = printable(refusal.message, 160)
    if refusal.status in (408, 409, 429):
        return Kind.BUSY, _busy(refusal, call, said), RUN_AGAIN
    if refusal.status >= 500:
        return Kind.LOST, f"the OVH API failed: {said or 'no reason given'} (HTTP {refusal.status}, {call})", RUN_AGAIN
    if refusal.status in (401, 403):
        return _forbidden(refusal, method, path, endpoint)
    if refusal.status == 404:
        return _not_found(path, said, endpoint)
    if refusal.status == 460:
        return (
            Kind.REFUSED,
            f"the OVH service of {_zone(path)} has expired",
            "renew it in OVH's control panel, then run the command again",
        )
    if refusal.status == 400:
        return _bad_request(call, said, endpoint)
    return Kind.REFUSED, f"the OVH API answered HTTP {refusal.status} {said} to {call}", RUN_AGAIN


def _busy(refusal: Refusal, call: str, said: str) -> str:
    if refusal.status == 429:
        wait = f"; it asks to wait {refusal.retry_after:g} s" if refusal.retry_after else ""
        return f"the OVH API accepts no more requests for now{wait} (HTTP 429, {call})"
    return f"the OVH API cannot do it now: {said or 'no reason given'} (HTTP {refusal.status}, {call})"


def _forbidden(refusal: Refusal, method: str, path: str, endpoint: str) -> tuple[Kind, str, str]:
    said = refusal.message.lower()
    if refusal.missing_actions:
        return (
            Kind.NOT_GRANTED,
            f"the OVH account's policies do not allow {refusal.missing_actions} on {_zone(path)}",
            f"add the action {refusal.missing_actions} for the zone to the service account's IAM policy",
        )
    if "not been granted" in said or "not granted" in said:
        rule = rule_for(method, path)
        return (
            Kind.NOT_GRANTED,
            f"the OVH consumer key has no right to {method} {path.partition('?')[0]}",
            f"get a key with the rule {rule}: dkimctl ovh login {shell_word(_zone(path))}",
        )
    if "credential does not exist" in said:
        return (
            Kind.REFUSED,
            "OVH does not know this consumer key: it is wrong or was revoked",
            _new_key(path, refusal.zones),
        )
    if "credential is not valid" in said:
        return (
            Kind.NOT_VALID,
            "the OVH consumer key is not valid: never validated, refused, or expired",
            f"open the validation page of this key, or {_new_key(path, refusal.zones)}",
        )
    if "application key" in said:
        return (
            Kind.REFUSED,
            "OVH does not know this application key",
            f"check the key and the endpoint: {endpoint} does not know the keys of other regions",
        )
    return (
        Kind.REFUSED,
        f"OVH refused the credentials: {printable(refusal.message, 160) or f'HTTP {refusal.status}'}",
        "check them, and that they belong to this endpoint: " + endpoint,
    )


def _not_found(path: str, said: str, endpoint: str) -> tuple[Kind, str, str]:
    parts = path.partition("?")[0].split("/")
    if "service" not in said.lower() and len(parts) > 5 and parts[4] == "record":
        return Kind.GONE, f"record {parts[5]} of {_zone(path)} no longer exists", RUN_AGAIN
    return (
        Kind.NO_ZONE,
        f"the zone {_zone(path)} is not in this OVH account",
        f"check the name, the account and the endpoint ({endpoint}); "
        'name the zone with [domains."NAME"] zone = "…" where it differs',
    )


def _bad_request(call: str, said: str, endpoint: str) -> tuple[Kind, str, str]:
    lower = said.lower()
    if "signature" in lower:
        return (
            Kind.REFUSED,
            "OVH refused the signature: the application secret or the consumer key is wrong",
            f"check that secret and consumer key belong to the application key, at endpoint {endpoint}",
        )
    if "out of time" in lower:
        return (
            Kind.OUT_OF_TIME,
            "OVH refused the time of the request: this machine's clock jumped, or theirs is wrong",
            "set this machine's clock (timedatectl), then run the command again",
        )
    if call.startswith("GET "):  # it sent no values
        return Kind.REFUSED, f"the OVH API refused {call}: {said}", RUN_AGAIN
    return (
        Kind.BAD_REQUEST,
        f"OVH refused the values of {call}: {said}",
        "see the record with: dkimctl record --format ovh",
    )


def _new_key(path: str, zones: tuple[str, ...]) -> str:
    named = [_zone(path)] if path.startswith("/domain/zone/") else ["ZONE"]
    return f"request a new one: dkimctl ovh login {' '.join(map(shell_word, zones or named))}"


def _zone(path: str) -> str:
    parts = path.partition("?")[0].split("/")
    return parts[3] if len(parts) > 3 else path
