"""Check a credential: its rights, its expiry, and the needed rights that it lacks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dkimctl.catalogue import ovh_credential as catalogue
from dkimctl.clock import Clock, timestamp
from dkimctl.errors import UsageError, shell_word
from dkimctl.findings import Finding, finding
from dkimctl.names import DOMAINKEY, first_few
from dkimctl.providers.ovh.calls import Calls
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.grants import Rule, excess, rules_for, uncovered, zones_of
from dkimctl.providers.ovh.identity import PATH, ConsumerKey, consumer_key
from dkimctl.providers.ovh.records import zone_path
from dkimctl.providers.ovh.refusals import Kind, OvhError
from dkimctl.providers.ovh.rights import ACTIONS, OPTIONAL

PATIENCE = 6.0  # seconds for the retries of one call: a person is waiting
ENDS_SOON = 14  # days
_ABOUT_ALL_OF_IT = (catalogue.NOT_USABLE.code, catalogue.ENDS_SOON.code)
_BAD_CREDENTIAL = (Kind.NOT_VALID, Kind.REFUSED)
_NEEDED_TO_READ = "dnsZone:apiovh:record/get"
_PROBES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("", "dnsZone:apiovh:get", {}),
    ("/record", _NEEDED_TO_READ, {"subDomain": DOMAINKEY}),
    ("/status", "dnsZone:apiovh:status/get", {}),
)


@dataclass(frozen=True, slots=True)
class ZoneRights:
    """The rights that a credential lacks on one zone: rules, or the IAM actions of a service account."""

    zone: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """A credential's data from the API. Times are RFC 3339 in UTC; None where the API gives none."""

    endpoint: str
    kind: str
    """`consumer key` or `service account`."""
    status: str
    """`validated`, or `not usable` with the reason among the findings."""
    id: int | None = None
    created: str | None = None
    expires: str | None = None
    days_left: int | None = None
    last_use: str | None = None
    allowed_ips: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    zones: tuple[ZoneRights, ...] = ()
    findings: tuple[Finding, ...] = ()


def whoami(credentials: Credentials, zones: Sequence[str], clock: Clock, *, look: bool = True) -> Identity:
    """Check the credential for these zones; without any, for the zones named in its rules.

    `look`: check that the account of a consumer key has the zones, with one call for each.
    Raises OvhError when the API cannot be reached.
    """
    calls = Calls(ApiClient(credentials, zones=zones), clock, PATIENCE)
    try:
        if credentials.is_oauth2:
            return _service_account(calls, zones)
        return judge(consumer_key(calls.get(PATH)), zones, calls, clock, look=look)
    except OvhError as error:
        if error.kind not in _BAD_CREDENTIAL or error.status is None:
            raise
        bad = finding(catalogue.NOT_USABLE, calls.endpoint, error.message, fix=error.hint)
        kind = "service account" if credentials.is_oauth2 else "consumer key"
        return Identity(calls.endpoint, kind, "not usable", findings=(bad,))


def credential_findings(credentials: Credentials, clock: Clock) -> tuple[Finding, ...]:
    """Check with one call that a credential is valid and does not expire soon. An unreachable API is a finding.

    A service account is not checked: it does not expire, and its rights can only be tried zone by zone.
    """
    if credentials.is_oauth2:
        return ()
    try:
        identity = whoami(credentials, (), clock, look=False)
    except OvhError as error:
        return (finding(catalogue.NOT_ASKED, credentials.endpoint, error.message, fix=error.hint),)
    return tuple(found for found in identity.findings if found.code in _ABOUT_ALL_OF_IT)


def judge(key: ConsumerKey, zones: Sequence[str], calls: Calls, clock: Clock, *, look: bool = True) -> Identity:
    """Check a consumer key for each zone. `look`: also check that the account has the zones."""
    if key.status != "validated":
        again = " ".join(map(shell_word, zones or zones_of(key.rules))) or "ZONE"
        fix = f"dkimctl ovh login {again}"
        bad = finding(catalogue.NOT_USABLE, f"consumer key {key.id}", f"its status is {key.status}", fix=fix)
        return Identity(calls.endpoint, "consumer key", "not usable", id=key.id, rules=key.rules, findings=(bad,))
    zones = tuple(zones) or zones_of(key.rules)
    lacking = {zone: uncovered(rules_for([zone]), key.rules) for zone in zones}
    days = None if key.expires is None else (key.expires - clock.now()).days
    found = [*_expiry(key, days), *_missing(key, lacking), *_excess(key, zones)]
    found += _zones_not_in_account(zones, lacking, calls) if look else ()
    return Identity(
        endpoint=calls.endpoint,
        kind="consumer key",
        status=key.status,
        id=key.id,
        created=timestamp(key.created) if key.created else None,
        expires=timestamp(key.expires) if key.expires else None,
        days_left=days,
        last_use=timestamp(key.last_use) if key.last_use else None,
        allowed_ips=key.allowed_ips,
        rules=key.rules,
        zones=tuple(ZoneRights(zone, tuple(map(str, missing))) for zone, missing in lacking.items()),
        findings=tuple(found),
    )


def _expiry(key: ConsumerKey, days: int | None) -> Iterable[Finding]:
    if key.expires is not None and days is not None and days < ENDS_SOON:
        left = "less than a day" if days < 1 else f"{days} day{'s' if days > 1 else ''}"
        zones = " ".join(map(shell_word, zones_of(key.rules))) or "ZONE"
        yield finding(
            catalogue.ENDS_SOON,
            f"consumer key {key.id}",
            f"it ends at {timestamp(key.expires)}, in {left}",
            fix=f"dkimctl ovh login {zones} --replace",
        )


def _missing(key: ConsumerKey, lacking: dict[str, tuple[Rule, ...]]) -> Iterable[Finding]:
    for zone, missing in lacking.items():
        fix = f"dkimctl ovh login {' '.join(map(shell_word, sorted({zone, *zones_of(key.rules)})))}"
        if set(missing) == set(rules_for([zone])):
            yield finding(catalogue.LACKS, zone, f"none of its rules is for {zone}", fix=fix)
            continue
        optional = [Rule(method, path.format(zone=zone)) for method, path in OPTIONAL]
        for entry, rules in (
            (catalogue.LACKS, [rule for rule in missing if rule not in optional]),
            (catalogue.LACKS_COMFORT, [rule for rule in missing if rule in optional]),
        ):
            if rules:
                yield finding(entry, zone, f"on {zone} it lacks {', '.join(map(str, rules))}", fix=fix)


def _excess(key: ConsumerKey, wanted: Sequence[str]) -> Iterable[Finding]:
    more = excess(key.rules)
    if more:
        seen = first_few([*map(str, more)], 4)
        zones = " ".join(map(shell_word, sorted({*zones_of(key.rules), *wanted}))) or "ZONE"
        yield finding(
            catalogue.MORE, f"consumer key {key.id}", f"it may {seen}", fix=f"dkimctl ovh login {zones} --replace"
        )


def _zones_not_in_account(
    zones: Iterable[str], lacking: dict[str, tuple[Rule, ...]], calls: Calls
) -> Iterable[Finding]:
    """Return findings for the zones that the account does not have, of those that the key may read."""
    for zone in zones:
        if Rule("GET", f"/domain/zone/{zone}") not in lacking[zone]:
            try:
                calls.get(zone_path(zone))
            except OvhError as error:
                yield _about(zone, error)


def _about(zone: str, error: OvhError) -> Finding:
    """Return the finding for an error of a call on a zone."""
    kinds = {Kind.NO_ZONE: catalogue.NO_ZONE, Kind.NOT_GRANTED: catalogue.LACKS}
    entry = catalogue.NOT_ASKED if error.is_transient else kinds.get(error.kind, catalogue.NOT_USABLE)
    return finding(entry, zone, error.message, fix=error.hint)


def _service_account(calls: Calls, zones: Sequence[str]) -> Identity:
    """Check a service account without changing anything: try the reading calls on each zone."""
    if not zones:
        raise UsageError(
            "the rights of a service account can only be tried zone by zone",
            hint="name the zones: dkimctl ovh whoami example.com",
        )
    rights: list[ZoneRights] = []
    findings: list[Finding] = []
    for zone in zones:
        missing, found = _probed(zone, calls)
        rights.append(ZoneRights(zone, missing))
        findings += found
    untried = [action for action in ACTIONS if action not in [probed for _, probed, _ in _PROBES]]
    seen = f"only reading was tried; its policy must also allow {', '.join(untried)}"
    findings.append(finding(catalogue.WRITING_UNKNOWN, "service account", seen))
    return Identity(calls.endpoint, "service account", "validated", zones=tuple(rights), findings=tuple(findings))


def _probed(zone: str, calls: Calls) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the IAM actions that were refused on a zone, and the findings."""
    missing: list[str] = []
    found: list[Finding] = []
    for suffix, action, query in _PROBES:
        try:
            calls.get(zone_path(zone, suffix, **query))
        except OvhError as error:
            if error.status in (401, 403) and error.kind is not Kind.NOT_GRANTED:
                raise  # the account is refused, not only the call
            about = _about(zone, error)
            if error.kind is Kind.NOT_GRANTED:
                missing.append(action)
                optional = action != _NEEDED_TO_READ
                about = finding(catalogue.LACKS_COMFORT, zone, error.message, fix=error.hint) if optional else about
            found.append(about)
            if error.kind is not Kind.NOT_GRANTED:
                break
    return tuple(missing), found
