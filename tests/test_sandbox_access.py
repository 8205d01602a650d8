"""Authentication at the sandbox's API: signatures, consumer keys, rules, OAuth2, and the order of the checks."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ovh.exceptions import (
    APIError,
    BadParametersError,
    InvalidCredential,
    InvalidKey,
    NotCredential,
    NotGrantedCall,
    OAuth2FailureError,
)

from dkimctl.sandbox import Sandbox, Switches
from dkimctl.sandbox.credentials import signature
from tests.sandbox_clients import KEY_2048, RECORDS, REFRESH, ZONE, library, raw, raw_json


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose errors make the library raise its own exceptions."""
    with Sandbox([ZONE], Switches(error_format="legacy")) as running:
        yield running


def signed(sandbox: Sandbox, path: str, **changes: Any) -> dict[str, str]:
    """The headers of a signed GET, with deviations: key, secret, consumer, age (seconds), url."""
    credentials = sandbox.credentials
    consumer = changes.get("consumer", credentials.consumer_key)
    timestamp = str(changes.get("timestamp", int(time.time()) - changes.get("age", 0)))
    url = changes.get("url", sandbox.api_url.removesuffix("/1.0") + path)
    secret = changes.get("secret", credentials.application_secret)
    return {
        "X-Ovh-Application": changes.get("key", credentials.application_key),
        "X-Ovh-Consumer": consumer,
        "X-Ovh-Timestamp": timestamp,
        "X-Ovh-Signature": signature(secret, consumer, "GET", url, "", timestamp),
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "timestamp", "expected"),
    [
        ("GET", "", "", "1366560945", "$1$eba73e191a24380e0d8f7ab822e7166c788b2dec"),
        (
            "POST",
            "/example.com/record",
            '{"fieldType":"TXT","subDomain":"_acme-challenge","target":"token","ttl":60}',
            "1700000000",
            "$1$d68776e39398b3f168e6a439b19ca5b276f19929",
        ),
    ],
)
def test_signature_known_answers(method: str, path: str, body: str, timestamp: str, expected: str) -> None:
    """The signature is the one of OVH's own examples."""
    url = f"https://eu.api.ovh.com/1.0/domain/zone{path}"
    secret, consumer_key = "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF", "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"
    assert signature(secret, consumer_key, method, url, body, timestamp) == expected


def test_signed_calls_from_many_threads(sandbox: Sandbox) -> None:
    """Twenty threads sharing one client: every signature is right and every record is made once."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                api.post(RECORDS, fieldType="TXT", subDomain=f"t{number}-{turn}", target="é x")
                api.get(RECORDS, subDomain=f"t{number}-{turn}")
        except BaseException as error:
            failures.append(error)

    with library(sandbox) as api:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    names = [record.sub_domain for record in sandbox.zone(ZONE).edited if record.field_type == "TXT"]
    assert sorted(names) == sorted({f"t{number}-{turn}" for number in range(20) for turn in range(10)})


@pytest.mark.parametrize(
    ("credentials", "error", "words"),
    [
        ({"application_key": "0" * 16}, InvalidKey, "This application key is invalid"),
        ({"consumer_key": "0" * 32}, NotCredential, "This credential does not exist"),
        ({"application_secret": "0" * 32}, BadParametersError, "Invalid signature"),
    ],
)
def test_wrong_credentials(sandbox: Sandbox, credentials: dict[str, str], error: type[APIError], words: str) -> None:
    """Each wrong part of the credentials has its own error."""
    with library(sandbox, **credentials) as api, pytest.raises(error, match=words):
        api.get(RECORDS)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"key": "x", "consumer": "x", "age": 9999}, 403, "This application key is invalid"),
        ({"consumer": "x", "age": 9999, "secret": "x"}, 403, "This credential does not exist"),
        ({"age": 9999, "secret": "x"}, 400, "Query out of time"),
        ({"age": -9999}, 400, "Query out of time"),
        ({"timestamp": "soon"}, 400, "Query out of time"),
        ({"secret": "x"}, 400, "Invalid signature"),
        ({"url": "http://127.0.0.1/1.0/elsewhere"}, 400, "Invalid signature"),
    ],
)
def test_order_of_the_checks(sandbox: Sandbox, changes: dict[str, Any], status: int, words: str) -> None:
    """Application key, consumer key, time, signature: the first that is wrong is the answer."""
    path = "/1.0/domain/zone"
    got, value = raw_json(sandbox, "GET", path, headers=signed(sandbox, path, **changes))
    assert (got, value["message"]) == (status, words)


def test_validation_comes_before_rights_and_zone(sandbox: Sandbox) -> None:
    """After the signature: validated, then granted, then whether the zone exists, then whether it expired."""
    sandbox.zone(ZONE).expired = True
    pending = sandbox.credentials.issue(rules=[], state="pendingValidation")
    rightless = sandbox.credentials.issue(rules=[("GET", "/me")])
    steps = [
        (pending, "/domain/zone/else.tld", "This credential is not valid"),
        (rightless, "/domain/zone/else.tld", "This call has not been granted"),
        (sandbox.credentials.consumer_key, "/domain/zone/else.tld", "This service does not exist"),
        (sandbox.credentials.consumer_key, f"/domain/zone/{ZONE}", "This service is expired"),
    ]
    for consumer_key, path, words in steps:
        with library(sandbox, consumer_key=consumer_key) as api, pytest.raises(APIError, match=words):
            api.get(path)


def test_signature_covers_query_and_v1(sandbox: Sandbox) -> None:
    """The signature covers the URL as sent, with its query and its own prefix."""
    for path in (f"/1.0{RECORDS}?subDomain=a%5Fb&fieldType=TXT", f"/v1{RECORDS}?subDomain=a+b"):
        assert raw_json(sandbox, "GET", path, headers=signed(sandbox, path)) == (200, [])


def test_states_of_a_consumer_key(sandbox: Sandbox) -> None:
    """Only a validated key that has not expired may call."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    future = datetime.now(UTC) + timedelta(hours=1)
    issue = sandbox.credentials.issue
    for consumer_key in (
        issue(state="pendingValidation"),
        issue(state="expired"),
        issue(state="refused"),
        issue(expiration=past),
    ):
        with library(sandbox, consumer_key=consumer_key) as api, pytest.raises(InvalidCredential):
            api.get(RECORDS)
    with library(sandbox, consumer_key=issue(expiration=future)) as api:
        assert api.get(RECORDS)


MINIMAL = [
    ("GET", f"/domain/zone/{ZONE}/record"),
    ("GET", f"/domain/zone/{ZONE}/record/*"),
    ("POST", f"/domain/zone/{ZONE}/record"),
    ("PUT", f"/domain/zone/{ZONE}/record/*"),
    ("DELETE", f"/domain/zone/{ZONE}/record/*"),
    ("POST", f"/domain/zone/{ZONE}/refresh"),
]


def test_rules_grant_exactly_their_calls(sandbox: Sandbox) -> None:
    """The smallest rights suffice for a record's life, and for nothing else."""
    with library(sandbox, consumer_key=sandbox.credentials.issue(rules=MINIMAL)) as api:
        number = api.post(RECORDS, fieldType="DKIM", subDomain="a._domainkey", target=KEY_2048)["id"]
        api.put(f"{RECORDS}/{number}", ttl=60)
        assert api.get(f"{RECORDS}/{number}")["ttl"] == 60
        api.delete(f"{RECORDS}/{number}")
        api.post(REFRESH)
        for path in ("/domain/zone", f"/domain/zone/{ZONE}", f"/domain/zone/{ZONE}/status"):
            with pytest.raises(NotGrantedCall):
                api.get(path)


@pytest.mark.parametrize(
    ("rule", "path", "granted"),
    [
        (f"/domain/zone/{ZONE}", RECORDS, False),
        (f"/domain/zone/{ZONE}/*", RECORDS, True),
        (f"/domain/zone/{ZONE}/*", f"/domain/zone/{ZONE}", False),
        ("/domain/zone/*/record", RECORDS, True),
        ("/domain/zone/domain?tld/record", RECORDS, False),
        ("/domain/zone/[a-z]omain.tld/record", RECORDS, False),
        ("/domain/zone/domainxtld/record", RECORDS, False),
        ("/*", RECORDS, True),
    ],
)
def test_star_is_the_only_wildcard(sandbox: Sandbox, rule: str, path: str, granted: bool) -> None:
    """A rule covers its own path, not those below it; `*` covers anything, slashes too; nothing else is special."""
    with library(sandbox, consumer_key=sandbox.credentials.issue(rules=[("GET", rule)])) as api:
        if granted:
            assert api.get(path)
        else:
            with pytest.raises(NotGrantedCall):
                api.get(path)


def test_consumer_key_flow(sandbox: Sandbox) -> None:
    """Request a key with rules, open its page, use it, read it, log out: with the library's own functions."""
    with library(sandbox, consumer_key=None) as api:
        request = api.new_consumer_key_request()
        request.add_rule("GET", f"/domain/zone/{ZONE}/*")
        answer = request.request(redirect_url="https://example.com/thanks", allowedIPs=["127.0.0.1/32"])
        assert list(answer) == ["validationUrl", "consumerKey", "state"]
        assert answer["state"] == "pendingValidation"
        with pytest.raises(InvalidCredential):
            api.get("/auth/currentCredential")
        base = sandbox.api_url.removesuffix("/1.0")
        assert answer["validationUrl"].startswith(f"{base}/auth/?credentialToken=")
        status, headers, _ = raw(sandbox, "GET", answer["validationUrl"].removeprefix(base))
        assert (status, headers["location"]) == (302, "https://example.com/thanks")
        current = api.get("/auth/currentCredential")
        assert (current["status"], current["expiration"]) == ("validated", None)
        assert current["rules"] == [{"method": "GET", "path": f"/domain/zone/{ZONE}/*"}]
        assert current["allowedIPs"] == ["127.0.0.1/32"]
        assert api.get("/auth/details")["method"] == "account"
        assert api.get(RECORDS)
        api.post("/auth/logout")
        with pytest.raises(NotCredential):
            api.get(RECORDS)


def test_validation_hook(sandbox: Sandbox) -> None:
    """A test can validate a key without a browser, and a wrong token validates nothing."""
    with library(sandbox, consumer_key=None) as api:
        answer = api.request_consumerkey([{"method": "GET", "path": "/*"}])
        assert raw(sandbox, "GET", "/auth/?credentialToken=x")[0] == 404
        with pytest.raises(InvalidCredential):
            api.get(RECORDS)
        sandbox.credentials.validate(answer["consumerKey"])
        assert api.get(RECORDS)


def test_asking_for_a_key_needs_rules_and_application(sandbox: Sandbox) -> None:
    """Without sensible rules the answer is 400, with an unknown application key 403."""
    with library(sandbox, consumer_key=None) as api:
        for rules in ([], [{"method": "PATCH", "path": "/*"}], [{"method": "GET"}], "all", None):
            with pytest.raises(BadParametersError):
                api.request_consumerkey(rules)
    with library(sandbox, application_key="0" * 16, consumer_key=None) as api, pytest.raises(InvalidKey):
        api.request_consumerkey([{"method": "GET", "path": "/*"}])


def test_error_bodies_of_today(sandbox: Sandbox) -> None:
    """By default an error has a class and a message and no errorCode, so that the library raises APIError only."""
    with Sandbox([ZONE]) as today, library(today, consumer_key="0" * 32) as api, pytest.raises(APIError) as caught:
        api.get(RECORDS)
    assert type(caught.value) is APIError
    assert caught.value.response.json() == {"class": "Client::Forbidden", "message": "This credential does not exist"}
    assert caught.value.query_id.startswith("EU.ext-2.")
    with library(sandbox, consumer_key="0" * 32) as api, pytest.raises(NotCredential) as legacy:
        api.get(RECORDS)
    assert legacy.value.response.json() == {
        "errorCode": "NOT_CREDENTIAL",
        "httpCode": "403 Forbidden",
        "message": "This credential does not exist",
    }


@pytest.fixture
def _plain_oauth2(monkeypatch: pytest.MonkeyPatch) -> None:
    """oauthlib refuses plain HTTP unless told otherwise."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.mark.usefixtures("_plain_oauth2")
def test_service_account(sandbox: Sandbox) -> None:
    """A service account gets a token and may do what its policy allows; the refusal names the action."""
    account = sandbox.accounts.create(["dnsZone:apiovh:record/get"])
    with library(sandbox, client_id=account.client_id, client_secret=account.client_secret) as api:
        assert api.get(RECORDS)
        with pytest.raises(APIError, match="User not granted for this request") as caught:
            api.post(RECORDS, fieldType="DKIM", target=KEY_2048)
    assert caught.value.response.status_code == 403
    assert caught.value.response.json()["details"] == {
        "unauthorizedActionsByAuthentication": "",
        "unauthorizedActionsByIAM": "dnsZone:apiovh:record/create",
    }


@pytest.mark.usefixtures("_plain_oauth2")
def test_service_account_may_do_everything(sandbox: Sandbox) -> None:
    """Without a list of actions a service account may do all that the API has, except consumer-key matters."""
    account = sandbox.accounts.create()
    with library(sandbox, client_id=account.client_id, client_secret=account.client_secret) as api:
        number = api.post(RECORDS, fieldType="DKIM", subDomain="a._domainkey", target=KEY_2048)["id"]
        api.put(f"{RECORDS}/{number}", ttl=60)
        api.delete(f"{RECORDS}/{number}")
        api.post(REFRESH)
        assert api.get("/domain/zone") == [ZONE]
        with pytest.raises(APIError):
            api.get("/auth/currentCredential")


@pytest.mark.usefixtures("_plain_oauth2")
def test_wrong_client_secret(sandbox: Sandbox) -> None:
    """A wrong secret gets no token."""
    account = sandbox.accounts.create()
    with (
        library(sandbox, client_id=account.client_id, client_secret="x") as api,
        pytest.raises(OAuth2FailureError, match="invalid_client"),
    ):
        api.get(RECORDS)


def test_token_endpoint(sandbox: Sandbox) -> None:
    """Only client_credentials is known, and the secret stays out of the log when it comes in the body."""
    assert raw_json(sandbox, "POST", "/auth/oauth2/token", body="grant_type=password")[0] == 400
    account = sandbox.accounts.create()
    body = f"grant_type=client_credentials&client_id={account.client_id}&client_secret={account.client_secret}"
    status, value = raw_json(sandbox, "POST", "/auth/oauth2/token", body=body)
    assert (status, value["token_type"], value["expires_in"]) == (200, "Bearer", 3600)
    assert account.client_secret not in repr(sandbox.calls)
    for header in ("Bearer nonsense", "Basic %%%"):
        assert raw(sandbox, "GET", f"/1.0{RECORDS}", headers={"Authorization": header})[0] == 401


def test_secrets_have_no_repr(sandbox: Sandbox) -> None:
    """Neither the credentials nor an account shows its secret when printed."""
    account = sandbox.accounts.create()
    credentials = sandbox.credentials
    shown = f"{sandbox!r} {credentials!r} {account!r} {credentials.find(credentials.consumer_key)!r}"
    for secret in (credentials.application_secret, credentials.consumer_key, account.client_secret):
        assert secret not in shown
