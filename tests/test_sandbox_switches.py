"""The effect of each switch of the sandbox."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from ovh.exceptions import APIError, BadParametersError, InvalidResponse, ResourceConflictError, ResourceNotFoundError

from dkimctl.sandbox import Sandbox, Switches
from tests.sandbox_clients import KEY_2048, RECORDS, REFRESH, ZONE, ask, library, raw_json, texts

SELECTOR = "mail._domainkey"
ED25519 = "v=DKIM1; k=ed25519; p=" + "A" * 43 + "="


@contextmanager
def sandbox_with(**switches: Any) -> Iterator[tuple[Sandbox, Any]]:
    """A sandbox with some switches set, and the real library for it."""
    with Sandbox([ZONE], Switches(**switches)) as sandbox, library(sandbox) as api:
        yield sandbox, api


def post(api: Any, **changes: Any) -> Any:
    """Create a record, a plain DKIM except for the changes."""
    return api.post(RECORDS, **{"fieldType": "DKIM", "subDomain": SELECTOR, "target": KEY_2048, **changes})


def test_every_switch_is_tested_and_documented() -> None:
    """No switch without a meaning, and none that no test of this folder sets."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_sandbox_*.py"))
    for switch in fields(Switches):
        assert switch.metadata["meaning"]
        assert f"{switch.name}=" in tests, switch.name


def test_void_null() -> None:
    """By default a void answer is 200 with null, which the library gives as None."""
    with sandbox_with(void="null") as (sandbox, api):
        assert api.post(REFRESH) is None
        assert sandbox.calls[-1].status == 200


def test_void_204() -> None:
    """The other form is 204."""
    with sandbox_with(void="204") as (sandbox, api):
        number = post(api)["id"]
        for call in (lambda: api.put(f"{RECORDS}/{number}", ttl=60), lambda: api.delete(f"{RECORDS}/{number}")):
            assert call() is None
            assert sandbox.calls[-1].status == 204


def test_void_empty() -> None:
    """The third form is 200 without a body; the library takes that for an error, but the change is made."""
    with sandbox_with(void="empty") as (sandbox, api):
        with pytest.raises(InvalidResponse):
            api.post(REFRESH)
        assert sandbox.zone(ZONE).refreshes == 1


def test_latency() -> None:
    """Every call takes at least the latency."""
    with sandbox_with(latency=0.1) as (_, api):
        api.time_delta  # noqa: B018  # asks on first use
        started = time.monotonic()
        api.get(RECORDS)
        assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_clock_skew(skew: float) -> None:
    """The API's clock may differ: a client that asks for the time is understood, one that does not is too late."""
    with sandbox_with(clock_skew=skew) as (_, api):
        assert api.get(RECORDS)
        api._time_delta = 0
        with pytest.raises(BadParametersError, match="Query out of time"):
            api.get(RECORDS)


def test_timestamp_window() -> None:
    """The allowed age of a request can be set."""
    with sandbox_with(timestamp_window=3600.0) as (_, api):
        api._time_delta = -3000
        assert api.get(RECORDS)
        api._time_delta = -4000
        with pytest.raises(BadParametersError, match="Query out of time"):
            api.get(RECORDS)


def test_pending_credential_readable() -> None:
    """A key that waits for validation may see its own state, and nothing else."""
    with sandbox_with(pending_credential_readable=True) as (sandbox, _):
        pending = sandbox.credentials.issue(state="pendingValidation")
        with library(sandbox, consumer_key=pending) as api:
            assert api.get("/auth/currentCredential")["status"] == "pendingValidation"
            with pytest.raises(APIError, match="This credential is not valid"):
                api.get(RECORDS)


def test_token_lifetime() -> None:
    """The lifetime of a token can be set; an expired one is 401."""
    for seconds, expected in ((3600.0, 200), (0.0, 401)):
        with sandbox_with(token_lifetime=seconds) as (sandbox, _):
            account = sandbox.accounts.create()
            client = f"client_id={account.client_id}&client_secret={account.client_secret}"
            form = f"grant_type=client_credentials&{client}"
            _, token = raw_json(sandbox, "POST", "/auth/oauth2/token", body=form)
            bearer = {"Authorization": f"Bearer {token['access_token']}"}
            assert token["expires_in"] == seconds
            assert raw_json(sandbox, "GET", f"/1.0{RECORDS}", headers=bearer)[0] == expected


def test_sub_domain_filter_like() -> None:
    """The older filter is case-sensitive; the wildcards are the same."""
    with sandbox_with(sub_domain_filter="like") as (_, api):
        number = post(api)["id"]
        assert api.get(RECORDS, subDomain="mail%") == [number]
        assert api.get(RECORDS, subDomain="MAIL%") == []


def test_txt_form_raw() -> None:
    """A TXT may come back as it was sent, quoted or not; DNS serves the same text."""
    with sandbox_with(txt_form="raw") as (sandbox, api):
        for number, target in enumerate(("token", '"token"')):
            assert post(api, fieldType="TXT", subDomain=f"t{number}", target=target)["target"] == target
        api.post(REFRESH)
        assert [texts(ask(sandbox, f"t{number}.{ZONE}")) for number in range(2)] == [[b"token"], [b"token"]]


def test_truncate_txt() -> None:
    """A long TXT may lose its end without an error, in the API and in DNS; a DKIM does not."""
    with sandbox_with(truncate_txt=True) as (sandbox, api):
        assert post(api, fieldType="TXT")["target"] == f'"{KEY_2048[:255]}"'
        assert post(api, fieldType="TXT", subDomain="short", target="x")["target"] == '"x"'
        assert post(api, subDomain="other._domainkey")["target"] == KEY_2048
        api.post(REFRESH)
        assert texts(ask(sandbox, f"{SELECTOR}.{ZONE}")) == [KEY_2048[:255].encode()]


def test_truncate_dkim() -> None:
    """A long DKIM may lose its end without an error, by POST and by PUT."""
    with sandbox_with(truncate_dkim=True) as (_, api):
        made = post(api)
        assert made["target"] == KEY_2048[:255]
        api.put(f"{RECORDS}/{made['id']}", target=KEY_2048)
        assert api.get(f"{RECORDS}/{made['id']}")["target"] == KEY_2048[:255]


def test_switches_of_one_zone_can_change() -> None:
    """A zone's switches can be replaced while the sandbox runs."""
    with sandbox_with(truncate_dkim=True) as (sandbox, api):
        zone = sandbox.zone(ZONE)
        zone.switches = replace(zone.switches, truncate_dkim=False)
        assert post(api)["target"] == KEY_2048


def test_max_target() -> None:
    """The service may limit the length of a target."""
    with sandbox_with(max_target=400) as (_, api):
        assert post(api, target="v=DKIM1; p=MIIB")
        with pytest.raises(BadParametersError, match="longer than 400"):
            post(api)


def test_retype_txt() -> None:
    """A TXT that is plainly a key record may become a DKIM; others stay."""
    with sandbox_with(retype_txt=True) as (_, api):
        for target in (KEY_2048, '"v=DKIM1; k=rsa;" " p=MIIB"', ED25519):
            made = post(api, fieldType="TXT", target=target)
            assert made["fieldType"] == "DKIM"
            assert '"' not in made["target"]
        for target in ("k=rsa; p=MIIB", "v=spf1 -all", "v=DKIM1; p=???"):
            assert post(api, fieldType="TXT", target=target)["fieldType"] == "TXT"


def test_refuse_dkim() -> None:
    """The type is not in the enumeration; a TXT is accepted."""
    with sandbox_with(refuse_dkim=True) as (_, api):
        with pytest.raises(BadParametersError, match=r"\(DKIM\) does not belong to the NamedResolutionFieldTypeEnum"):
            api.post("/domain/zone/domain.tld/record", fieldType="DKIM", subDomain="a._domainkey", target="p=AAAA")
        api.post("/domain/zone/domain.tld/record", fieldType="TXT", subDomain="a._domainkey", target="p=AAAA")


def test_refuse_ed25519() -> None:
    """An Ed25519 key may be refused as a DKIM and accepted as a TXT."""
    with sandbox_with(refuse_ed25519=True) as (_, api):
        with pytest.raises(BadParametersError, match="Invalid subfield found in DKIM : k=ed25519"):
            post(api, target=ED25519)
        assert post(api, fieldType="TXT", target=ED25519)["fieldType"] == "TXT"


@pytest.mark.parametrize(
    ("switch", "taken"),
    [
        ("any", ["mail", "mail._domainkey", "mail._domainkey.sub", ""]),
        ("label", ["mail._domainkey", "mail._domainkey.sub"]),
        ("suffix", ["mail._domainkey"]),
    ],
)
def test_dkim_name(switch: Any, taken: list[str]) -> None:
    """The service may want a DKIM's name to have or to end in `_domainkey`."""
    with sandbox_with(dkim_name=switch) as (_, api):
        for name in ("mail", "mail._domainkey", "mail._domainkey.sub", ""):
            if name in taken:
                assert post(api, subDomain=name)["subDomain"] == name
            else:
                with pytest.raises(BadParametersError, match="Invalid subdomain"):
                    post(api, subDomain=name)


def test_cname_clash() -> None:
    """A CNAME beside other records is accepted, or refused in either order, also for a PUT."""
    with sandbox_with(cname_clash="accepted") as (_, api):
        assert post(api)
        assert post(api, fieldType="CNAME", target="else.tld.")
    with sandbox_with(cname_clash="refused") as (_, api):
        post(api)
        with pytest.raises(ResourceConflictError):
            post(api, fieldType="CNAME", target="else.tld.")
        other = post(api, subDomain="www2", fieldType="CNAME", target="else.tld.")
        with pytest.raises(ResourceConflictError):
            post(api, subDomain="WWW2")
        with pytest.raises(ResourceConflictError):
            api.put(f"{RECORDS}/{other['id']}", subDomain=SELECTOR)


def test_duplicates_refused() -> None:
    """The same record twice may be refused; another target is not the same."""
    with sandbox_with(duplicates="refused") as (_, api):
        made = post(api)
        with pytest.raises(ResourceConflictError):
            post(api)
        assert post(api, target="v=DKIM1; p=")
        assert api.put(f"{RECORDS}/{made['id']}", target=KEY_2048) is None


def test_lower_case_names() -> None:
    """Names come back as sent, or in lower case."""
    with sandbox_with(lower_case_names=False) as (_, api):
        assert post(api, subDomain="Mail._domainkey")["subDomain"] == "Mail._domainkey"
    with sandbox_with(lower_case_names=True) as (_, api):
        assert post(api, subDomain="Mail._domainkey")["subDomain"] == "mail._domainkey"


def test_post_id_zero() -> None:
    """POST may answer id 0 although the record has one, which the list shows."""
    with sandbox_with(post_id_zero=True) as (_, api):
        assert post(api)["id"] == 0
        (number,) = api.get(RECORDS, subDomain=SELECTOR)
        assert api.get(f"{RECORDS}/{number}")["target"] == KEY_2048


def test_get_404_after_post() -> None:
    """A new record may be missing for some GETs while the list has it."""
    with sandbox_with(get_404_after_post=2) as (_, api):
        number = post(api)["id"]
        assert api.get(RECORDS, subDomain=SELECTOR) == [number]
        for _ in range(2):
            with pytest.raises(ResourceNotFoundError):
                api.get(f"{RECORDS}/{number}")
        for _ in range(2):
            assert api.get(f"{RECORDS}/{number}")["id"] == number


def test_refresh_delay() -> None:
    """During the delay DNS serves the old zone, status and task say so, and later edits are not included."""
    with sandbox_with(refresh_delay=3600.0) as (sandbox, api):
        zone = sandbox.zone(ZONE)
        serial = zone.serial
        post(api)
        api.post(REFRESH)
        post(api, subDomain="later._domainkey")
        (task,) = api.get(f"/domain/zone/{ZONE}/task", status="doing")
        assert not texts(ask(sandbox, f"{SELECTOR}.{ZONE}"))
        assert (zone.serial, zone.refreshes) == (serial, 1)
        zone.finish_refresh()
        assert texts(ask(sandbox, f"{SELECTOR}.{ZONE}")) == [KEY_2048.encode()]
        assert not texts(ask(sandbox, f"later._domainkey.{ZONE}"))
        assert zone.serial == serial + 1
        assert api.get(f"/domain/zone/{ZONE}/task/{task}")["status"] == "done"
        assert api.get(f"/domain/zone/{ZONE}/status")["isDeployed"] is False


def test_refresh_delay_ends_by_itself() -> None:
    """After the delay the zone is served without another call."""
    with sandbox_with(refresh_delay=0.1) as (sandbox, api):
        post(api)
        api.post(REFRESH)
        deadline = time.monotonic() + 5
        while not texts(ask(sandbox, f"{SELECTOR}.{ZONE}")):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_refresh_race() -> None:
    """A refresh during another one is accepted, or an error with the chosen status."""
    with sandbox_with(refresh_delay=3600.0) as (sandbox, api):
        api.post(REFRESH)
        api.post(REFRESH)
        assert sandbox.zone(ZONE).refreshes == 2
    with sandbox_with(refresh_delay=3600.0, refresh_race=409) as (sandbox, api):
        api.post(REFRESH)
        with pytest.raises(ResourceConflictError, match="cannot schedule more than one refresh at a time"):
            api.post(REFRESH)
        sandbox.zone(ZONE).finish_refresh()
        api.post(REFRESH)
        assert sandbox.zone(ZONE).refreshes == 2


def test_export_dkim() -> None:
    """A long DKIM in an export is one string or several."""
    for form, strings in (("whole", 1), ("split", 2)):
        with sandbox_with(export_dkim=form) as (_, api):
            post(api)
            line = next(line for line in api.get(f"/domain/zone/{ZONE}/export").splitlines() if SELECTOR in line)
            assert line.count('"') == 2 * strings


@pytest.mark.parametrize("seconds", [300, 60])
def test_soa_minimum(seconds: Any) -> None:
    """The negative TTL of a zone is 300 or 60, in the API and in DNS."""
    with sandbox_with(soa_minimum=seconds) as (sandbox, api):
        assert api.get(f"/domain/zone/{ZONE}/soa")["nxDomainTtl"] == seconds
        (soa,) = ask(sandbox, f"nothing.{ZONE}").authority
        assert (soa.ttl, soa[0].minimum) == (seconds, seconds)


def test_dns_delay() -> None:
    """A DNS answer may take its time, over UDP and over TCP."""
    with sandbox_with(dns_delay=0.1) as (sandbox, _):
        for tcp in (False, True):
            started = time.monotonic()
            assert ask(sandbox, ZONE, "SOA", tcp=tcp).answer
            assert time.monotonic() - started >= 0.1


def test_error_format_legacy() -> None:
    """Errors may have the form that the library still expects; the access tests go through its exceptions."""
    with sandbox_with(error_format="legacy") as (_, api):
        with pytest.raises(ResourceNotFoundError) as caught:
            api.get("/domain/zone/else.tld")
        assert caught.value.response.json()["httpCode"] == "404 Not Found"
