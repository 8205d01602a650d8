"""The data of a consumer key from `GET /auth/currentCredential`, which needs no rule."""

from dataclasses import dataclass
from datetime import UTC, datetime

from dkimctl.providers.ovh.grants import Rule
from dkimctl.providers.ovh.refusals import lost

PATH = "/auth/currentCredential"


@dataclass(frozen=True, slots=True)
class ConsumerKey:
    """A consumer key without the key itself."""

    id: int | None
    status: str
    """`validated`, `pendingValidation`, `refused` or `expired`."""
    rules: tuple[Rule, ...]
    allowed_ips: tuple[str, ...]
    """Empty when any address may use it."""
    created: datetime | None
    expires: datetime | None
    """None when it never expires."""
    last_use: datetime | None


def consumer_key(value: object) -> ConsumerKey:
    """Parse the API's answer. Raises OvhError when it is not a credential."""
    try:
        return _read(value if isinstance(value, dict) else {})
    except (KeyError, TypeError, ValueError):
        raise lost("answered with something other than a credential", "GET", PATH) from None


def _read(value: dict[str, object]) -> ConsumerKey:
    rules, ips, number = value["rules"], value.get("allowedIPs") or [], value.get("credentialId")
    if not isinstance(rules, list) or not isinstance(ips, list):
        raise TypeError
    return ConsumerKey(
        id=number if isinstance(number, int) else None,
        status=str(value["status"]),
        rules=tuple(Rule(str(rule["method"]), str(rule["path"])) for rule in rules),
        allowed_ips=tuple(map(str, ips)),
        created=_moment(value.get("creation")),
        expires=_moment(value.get("expiration")),
        last_use=_moment(value.get("lastUse")),
    )


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
