"""`ovh whoami`: a credential's rights, expiry and missing rights; and the findings for other checks."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from dkimctl.cli.app import App
from dkimctl.findings import Severity
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.grants import Rule, excess, rules_for, zones_of
from dkimctl.providers.ovh.refusals import OvhError
from dkimctl.providers.ovh.rights import ACTIONS, OPTIONAL, RULES
from dkimctl.providers.ovh.whoami import Identity, credential_findings, whoami
from dkimctl.sandbox import Fault, Sandbox
from tests.conftest import DkimctlInside
from tests.ovh_people import ZONE, Person, application
from tests.publishing import sandbox

EXACT = [(rule.method, rule.path) for rule in rules_for([ZONE])]


def look(running: Sandbox, *zones: str, key: str | None = None, **credentials: str) -> Identity:
    """Return the identity of a consumer key."""
    own = application(running, consumer_key=key or running.credentials.consumer_key)
    if credentials:
        own = Credentials(running.api_url, **credentials)
    return whoami(own, zones, Person())


def codes(identity: Identity) -> list[str]:
    """Return the codes of the findings."""
    return [found.code for found in identity.findings]


def test_the_rules_of_login_are_exactly_enough() -> None:
    """A key with exactly the rules of `ovh login` has no finding, and its zone is known from the rules."""
    with sandbox() as running:
        identity = look(running, key=running.credentials.issue(EXACT))
        assert identity.findings == ()
        assert [(zone.zone, zone.missing) for zone in identity.zones] == [(ZONE, ())]
        assert (identity.status, identity.expires, identity.days_left) == ("validated", None, None)
        assert identity.created is not None


@pytest.mark.parametrize("rule", RULES)
def test_each_missing_rule_is_named(rule: tuple[str, str]) -> None:
    """Without it publishing fails (DKIM952), or works with more calls (DKIM953)."""
    missing = rule[0], rule[1].format(zone=ZONE)
    with sandbox() as running:
        identity = look(running, key=running.credentials.issue([one for one in EXACT if one != missing]))
        assert [zone.missing for zone in identity.zones] == [(" ".join(missing),)]
        assert codes(identity) == ["DKIM953" if rule in OPTIONAL else "DKIM952"]
        assert " ".join(missing) in identity.findings[0].seen


def test_wider_rules_cover_narrower_ones_and_are_reported() -> None:
    """A key for everything (`*`) lacks nothing, and is reported to have more rights than needed."""
    with sandbox() as running:
        identity = look(running, ZONE)
        assert [zone.missing for zone in identity.zones] == [()]
        assert codes(identity) == ["DKIM954"]


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/domain/zone/domain.tld/*", True),
        ("/domain/zone/*", True),
        ("/domain/zone/*/record/*", True),
        ("/domain/zone/domain.tld", False),
        ("/domain/zone/domain.tld/record", False),
        ("/domain/zone/domainxtld/record/*", False),
        ("/domain/zone/domain.tld/record/12", False),
    ],
)
def test_which_rule_covers_which(path: str, covered: bool) -> None:
    """Rules match as at OVH: `*` spans slashes, everything else is literal, and the method must be the same."""
    wanted = Rule("PUT", "/domain/zone/domain.tld/record/*")
    assert Rule("PUT", path).covers(wanted) is covered
    assert not Rule("GET", path).covers(wanted)


def test_rules_name_their_zones_and_their_excess() -> None:
    """Zones are read from the rules; rules beyond the needed ones are listed."""
    rules = [*rules_for([ZONE]), Rule("GET", "/domain/zone"), Rule("GET", "/me"), Rule("GET", "/domain/zone/*")]
    assert zones_of(rules) == (ZONE,)
    assert list(map(str, excess(rules))) == ["GET /domain/zone", "GET /me", "GET /domain/zone/*"]


@pytest.mark.parametrize(("days", "found"), [(13.9, ["DKIM951"]), (14.1, []), (0.5, ["DKIM951"])])
def test_a_key_that_ends_within_14_days_is_a_finding(days: float, found: list[str]) -> None:
    """A warning with the date, early enough to act."""
    with sandbox() as running:
        ends = datetime.now(UTC) + timedelta(days=days)
        identity = look(running, key=running.credentials.issue(EXACT, expiration=ends))
        assert (codes(identity), identity.days_left) == (found, int(days))
        assert identity.expires == ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        if found:
            [finding] = identity.findings
            assert (finding.severity, finding.fix) == (Severity.WARNING, f"dkimctl ovh login {ZONE} --replace")


@pytest.mark.parametrize("state", ["pendingValidation", "refused", "expired"])
def test_a_key_that_is_not_valid(state: str) -> None:
    """An invalid key is an error of the key, not of the network."""
    with sandbox() as running:
        identity = look(running, ZONE, key=running.credentials.issue(EXACT, state=state))  # type: ignore[arg-type]
        assert (identity.status, codes(identity)) == ("not usable", ["DKIM950"])
        assert "dkimctl ovh login" in identity.findings[0].fix


def test_a_zone_that_the_account_does_not_have() -> None:
    """The rules exist, the zone does not: a typing mistake when the key was requested."""
    with sandbox() as running:
        rules = [(rule.method, rule.path) for rule in rules_for(["domian.tld"])]
        assert codes(look(running, key=running.credentials.issue(rules))) == ["DKIM955"]


def test_allowed_addresses_are_shown() -> None:
    """A key restricted to one address explains many refusals."""
    with sandbox() as running:
        asked = running.credentials.request(EXACT, state="validated", allowed_ips=("192.0.2.1", "198.51.100.0/24"))
        assert look(running, key=asked.consumer_key).allowed_ips == ("192.0.2.1", "198.51.100.0/24")


def service_account(running: Sandbox, without: Iterable[str] = ()) -> dict[str, str]:
    """Return a service account with all needed actions except some."""
    made = running.accounts.create(set(ACTIONS) - set(without))
    return {"client_id": made.client_id, "client_secret": made.client_secret}


def test_a_service_account_is_recognised() -> None:
    """The report names the kind, the readable zones, and that writing cannot be tried; nothing is changed."""
    with sandbox() as running:
        identity = look(running, ZONE, **service_account(running))
        assert (identity.kind, codes(identity)) == ("service account", ["DKIM957"])
        assert "dnsZone:apiovh:record/create" in identity.findings[0].seen
        assert {call.method for call in running.calls if "/zone/" in call.path} == {"GET"}


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("dnsZone:apiovh:get", "DKIM953"),
        ("dnsZone:apiovh:record/get", "DKIM952"),
        ("dnsZone:apiovh:status/get", "DKIM953"),
    ],
)
def test_a_refusal_by_policy_names_the_action(action: str, code: str) -> None:
    """The action is named as in the policy editor."""
    with sandbox() as running:
        identity = look(running, ZONE, **service_account(running, without=[action]))
        assert [zone.missing for zone in identity.zones] == [(action,)]
        assert codes(identity) == [code, "DKIM957"]
        assert action in identity.findings[0].seen
        assert "IAM policy" in identity.findings[0].fix


def test_a_service_account_with_a_wrong_secret() -> None:
    """The account is refused, not unreachable."""
    with sandbox() as running:
        account = service_account(running)
        assert codes(look(running, ZONE, **{**account, "client_secret": "x"})) == ["DKIM950"]


def test_findings_for_other_checks_never_raise() -> None:
    """`doctor` and `status` continue for every fault of the API; an unreachable API is a finding of its own."""
    with sandbox() as running:
        own = application(running, consumer_key=running.credentials.issue(EXACT))
        assert credential_findings(own, Person()) == ()
        assert [call.path for call in running.calls if "zone" in call.path] == []
        running.faults.add(Fault("502-html", times=None))
        [found] = credential_findings(own, Person())
        assert (found.code, found.severity) == ("DKIM956", Severity.UNKNOWN)
    [found] = credential_findings(own, Person())
    assert "connection refused" in found.seen


# --- as it is typed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "state", "code"), [(EXACT, "validated", 0), (EXACT[:3], "validated", 1), (EXACT, "expired", 1)]
)
def test_exit_codes(dkimctl_inside: DkimctlInside, rules: list[tuple[str, str]], state: str, code: int) -> None:
    """0 when all needed rights are there, 1 when one is missing or the key is invalid; the text names it."""
    with sandbox() as running:
        key = running.credentials.issue(rules, state=state)  # type: ignore[arg-type]
        env = {**running.environment(), "OVH_CONSUMER_KEY": key}
        ran = dkimctl_inside("ovh", "whoami", ZONE, env=env)
        assert (ran.code, ran.err) == (code, "")
        assert max(map(len, ran.out.splitlines())) <= 80
        document = dkimctl_inside("ovh", "whoami", ZONE, "--json", env=env)
        assert document.code == code
        for found in document.json["credential"]["findings"]:
            assert found["code"] in ran.out
        if code == 0:
            assert "every right that is needed" in ran.out


def test_a_zone_of_another_account_as_typed(dkimctl_inside: DkimctlInside) -> None:
    """A key for everything lacks no right, but the zone is an error; the fix names the zones."""
    with sandbox() as running:
        ran = dkimctl_inside("ovh", "whoami", ZONE, "other.example", env=running.environment())
    assert ran.code == 1
    assert "  other.example: not in this account\n" in ran.out
    assert f"dkimctl ovh login {ZONE} other.example --replace" in " ".join(ran.out.split())


def test_the_hint_for_a_new_key_names_the_zones(dkimctl_inside: DkimctlInside) -> None:
    """For a key that OVH does not know the hint is a complete command."""
    with sandbox() as running:
        env = {**running.environment(), "OVH_CONSUMER_KEY": "0" * 32}
        ran = dkimctl_inside("ovh", "whoami", ZONE, "example.org", env=env)
    assert ran.code == 1
    assert f"dkimctl ovh login {ZONE} example.org" in " ".join(ran.out.split())


def test_could_not_ask(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is exit code 3, not 1."""
    monkeypatch.setattr(App, "clock", Person())  # who does not wait between the attempts
    with sandbox() as running:
        env = running.environment()
    ran = dkimctl_inside("ovh", "whoami", env=env)
    assert (ran.code, ran.out) == (3, "")
    assert "connection refused" in ran.err


def test_a_service_account_as_typed(dkimctl_inside: DkimctlInside) -> None:
    """The first line names the kind; without a zone nothing can be tried."""
    with sandbox() as running:
        account = service_account(running, without=["dnsZone:apiovh:record/get"])
        env = {"OVH_ENDPOINT": running.api_url, **{f"OVH_{name.upper()}": value for name, value in account.items()}}
        ran = dkimctl_inside("ovh", "whoami", ZONE, env=env)
        assert (ran.code, ran.out.partition(" ")[0], ran.err) == (1, "service", "")
        assert "dnsZone:apiovh:record/get" in ran.out
        nothing = dkimctl_inside("ovh", "whoami", env=env)
        assert (nothing.code, "name the zones" in nothing.err) == (2, True)


def test_a_token_that_cannot_be_renewed() -> None:
    """A nonsense answer when the first token has expired is not a crash, and is retried."""
    with sandbox() as running:
        door = ApiClient(Credentials(running.api_url, **service_account(running)))
        door.value("GET", f"/domain/zone/{ZONE}")
        door._idle.queue[0]._oauth2.session._client._expires_at = 1
        running.faults.add(Fault("null", path="/auth/oauth2/token"))
        with pytest.raises(OvhError, match="gave no access token") as e:
            door.value("GET", f"/domain/zone/{ZONE}")
        assert e.value.is_transient
