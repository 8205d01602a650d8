"""Getting a consumer key: ask, let a person validate, check what was granted, store.

Nothing is stored before the key is validated and has every right that was asked for.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.errors import CheckFailed, Refused, Unavailable, shell_word
from dkimctl.findings import Severity
from dkimctl.providers.ovh.calls import Calls
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.conffile import refuse_unstorable, store
from dkimctl.providers.ovh.credentials import Credentials, stored_credentials
from dkimctl.providers.ovh.grants import Rule, rules_for, uncovered, zones_of
from dkimctl.providers.ovh.identity import PATH, ConsumerKey, consumer_key
from dkimctl.providers.ovh.refusals import Kind, OvhError, lost
from dkimctl.providers.ovh.whoami import PATIENCE, Identity, judge, whoami

POLL = 3.0  # seconds between two looks: well below the 60 calls a minute that OVH calls fair
_NOTHING_STORED = "nothing was stored"


@dataclass(frozen=True, slots=True)
class Pending:
    """A consumer key that a person has to validate at `url`, within `timeout` seconds."""

    url: str
    rules: tuple[Rule, ...]
    timeout: float


@dataclass(frozen=True, slots=True)
class Login:
    """How it ended: `stored`, or `kept` when the key in the file has the rights already."""

    result: str
    path: Path
    zones: tuple[str, ...]
    backup: Path | None
    """The file as it was before, where it held another consumer key."""
    credential: Identity


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `target`: the `ovh.conf` to write; `replace`: whatever consumer key it holds; seconds.

    `named`: the file was named by whoever types, and hints name it too.
    """

    application: Credentials
    zones: tuple[str, ...]
    target: Path
    replace: bool
    timeout: float
    named: bool = False

    def command(self, zones: Iterable[str]) -> str:
        """What to type for these zones."""
        file = f" --credentials {shell_word(self.target)}" if self.named else ""
        return f"dkimctl ovh login {' '.join(map(shell_word, zones))}{file}"


def log_in(wish: Wish, clock: Clock, report: Callable[[Pending], None]) -> Login:
    """A consumer key with exactly the rights for these zones, validated by a person and stored with mode 0600.

    Raises Refused when the file holds a key with other rights, CheckFailed when fewer were granted, Unavailable when
    nobody validated it in time or the API could not do it, KeyboardInterrupt with what was not done.
    """
    stored = stored_credentials(wish.target, wish.application.endpoint)
    if stored is not None and not wish.replace:
        serving = _still_serving(stored, wish, clock)
        if serving is not None:
            return Login("kept", wish.target, wish.zones, None, serving)
    refuse_unstorable(wish.target, wish.application)
    fresh, url = _request(wish, clock)
    client = ApiClient(fresh)
    _look(client, wish)  # a wrong secret shows here, before anybody opens a page
    report(Pending(url, rules_for(wish.zones), wish.timeout))
    key = _validated(client, wish, clock)
    identity = judge(key, wish.zones, Calls(client, clock, PATIENCE), clock)
    _refuse_wrong(identity)
    backup = store(wish.target, fresh, clock)
    return Login("stored", wish.target, wish.zones, backup, identity)


def _still_serving(stored: Credentials, wish: Wish, clock: Clock) -> Identity | None:
    """The stored key when it has the rights; None when it may be replaced because nothing would be lost."""
    identity = whoami(stored, wish.zones, clock)
    if identity.status != "validated":
        return None
    if not any(zone.missing for zone in identity.zones):
        return identity
    lost_rights = uncovered(identity.rules, rules_for(wish.zones))
    if lost_rights:
        raise Refused(
            f"{wish.target} holds a consumer key with rights that the new one would not have: "
            + ", ".join(map(str, lost_rights[:3]))
            + (f" and {len(lost_rights) - 3} more" if len(lost_rights) > 3 else ""),
            hint=f"one key for all: {wish.command(_all_zones(identity, wish))}; "
            "or give the old rights up with --replace",
        )
    return None


def _all_zones(identity: Identity, wish: Wish) -> list[str]:
    return sorted({*wish.zones, *zones_of(identity.rules)})


def _request(wish: Wish, clock: Clock) -> tuple[Credentials, str]:
    """The new key, good for nothing yet, and the address at which it becomes valid."""
    rules = [{"method": rule.method, "path": rule.path} for rule in rules_for(wish.zones)]
    answer = Calls(ApiClient(wish.application), clock, PATIENCE).request_consumer_key(
        {"accessRules": rules, "redirection": None, "allowedIPs": None}
    )
    found = answer if isinstance(answer, dict) else {}
    key, url = str(found.get("consumerKey", "")), str(found.get("validationUrl", ""))
    if not re.fullmatch(r"[!-~]+", key) or not re.fullmatch(r"https?://[!-~]+", url):
        raise lost("answered something else than a consumer key", "POST", "/auth/credential")
    return replace(wish.application, consumer_key=key), url


def _look(client: ApiClient, wish: Wish) -> ConsumerKey | None:
    """What the API says about the key now; None while it is not valid, or when nobody could be asked."""
    try:
        return consumer_key(client.value("GET", PATH))
    except OvhError as error:
        if error.status == 400 and error.kind is Kind.REFUSED:
            raise OvhError(
                Kind.REFUSED,
                "OVH refused the signature: the application secret does not belong to the application key",
                hint=f"check OVH_APPLICATION_SECRET, or application_secret in {wish.target}",
                status=400,
                call=error.call,
            ) from None
        if error.kind is Kind.REFUSED and error.status == 403:
            raise Unavailable(
                f"OVH has dropped the consumer key: it was refused or withdrawn; {_NOTHING_STORED}", hint=_again(wish)
            ) from None
        if error.kind is not Kind.NOT_VALID and not error.is_transient:
            raise
    return None


def _validated(client: ApiClient, wish: Wish, clock: Clock) -> ConsumerKey:
    """The key once a person has validated it."""
    deadline = clock.monotonic() + wish.timeout
    try:
        while True:
            key = _look(client, wish)
            if key is not None and key.status == "validated":
                return key
            if key is not None and key.status in ("refused", "expired"):
                raise Unavailable(f"the consumer key was {key.status}; {_NOTHING_STORED}", hint=_again(wish))
            left = deadline - clock.monotonic()
            if left <= 0:
                raise Unavailable(
                    f"the consumer key was not validated within {wish.timeout:g} s, or it was refused; "
                    + _NOTHING_STORED,
                    hint=_again(wish),
                )
            clock.sleep(min(POLL, left))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted before the consumer key was validated: {_NOTHING_STORED}") from None


def _refuse_wrong(identity: Identity) -> None:
    """Raise CheckFailed for what would be wrong with the key for ever."""
    wrong = [found for found in identity.findings if found.severity is Severity.ERROR]
    if not wrong and not any(zone.missing for zone in identity.zones):
        return
    seen = [found.seen for found in wrong] or [f"it lacks {', '.join(zone.missing)}" for zone in identity.zones]
    raise CheckFailed(
        f"the new consumer key is of no use: {'; '.join(seen)}; {_NOTHING_STORED}",
        hint=wrong[0].fix if wrong else "validate it as it is asked for, with every right",
    )


def _again(wish: Wish) -> str:
    replace = " --replace" if wish.replace else ""
    return f"ask again: {wish.command(wish.zones)}{replace} --timeout {wish.timeout:g}"
