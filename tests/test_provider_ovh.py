"""The OVH provider against the sandbox, through the real `ovh` library and real HTTP."""

from typing import Any

import pytest

from dkimctl.providers.base import Create, Delete, ProviderRecord, Replace
from dkimctl.providers.ovh.refusals import Kind, OvhError, Refusal, explain
from dkimctl.providers.ovh.rights import RULES
from dkimctl.publish.apply import apply
from dkimctl.publish.plan import Overrides, Wanted, plan
from dkimctl.record.model import KeyRecord
from dkimctl.sandbox import Fault
from tests.publishing import NAME, ZONE, account, ed25519_record, manual_clock, records_at, rsa_record, sandbox

RECORD = ProviderRecord(NAME, "DKIM", rsa_record().text)


def test_a_record_is_created_as_one_unquoted_string_of_type_dkim() -> None:
    """The text is sent as OVH expects it, type DKIM, unquoted and unsplit; and it comes back equal."""
    with sandbox() as running:
        provider = account(running)
        provider.apply(ZONE, [Create(RECORD)])
        assert records_at(running) == [("DKIM", rsa_record().text)]
        [found] = provider.find(ZONE, [NAME])[NAME]
        assert (found.field_type, found.text) == ("DKIM", rsa_record().text)


def test_only_the_exact_name_is_found() -> None:
    """The API's filter treats `_` as a wildcard and ignores case; other names that it lists are left out."""
    with sandbox() as running:
        for neighbour in ("mail.xdomainkey", "mailx_domainkey", "xmail._domainkey", "mail._domainkey.sub"):
            running.zone(ZONE).add("TXT", neighbour, "something else")
        running.zone(ZONE).add("DKIM", "Mail._DomainKey", "v=DKIM1; p=")
        assert [r.text for r in account(running).find(ZONE, [NAME])[NAME]] == ["v=DKIM1; p="]


def test_dkim_txt_and_cname_at_the_name_are_found_and_joined() -> None:
    """All three types are found; a quoted and split TXT is one text; a CNAME's target is absolute."""
    with sandbox() as running:
        zone = running.zone(ZONE)
        zone.add("TXT", "mail._domainkey", rsa_record().text)
        zone.add("CNAME", "mail._domainkey", "elsewhere.example.net.")
        zone.add("A", "mail._domainkey", "127.0.0.1")
        found = {r.field_type: r.text for r in account(running).find(ZONE, [NAME])[NAME]}
        assert found == {"TXT": rsa_record().text, "CNAME": "elsewhere.example.net"}


def test_a_change_is_a_put_without_the_field_type() -> None:
    """OVH refuses to alter the type; the record keeps its id, so it is never absent."""
    with sandbox() as running:
        provider = account(running)
        old = running.zone(ZONE).add("DKIM", "mail._domainkey", "v=DKIM1; k=rsa; p=AAAA")
        [before] = provider.find(ZONE, [NAME])[NAME]
        provider.apply(ZONE, [Replace(before, RECORD)])
        [put] = [call for call in running.calls if call.method == "PUT"]
        assert "fieldType" not in put.body
        assert running.zone(ZONE).find(old.id).target == rsa_record().text


def test_deleting_a_missing_record_is_no_error() -> None:
    """404 on DELETE is a success: the record is gone."""
    with sandbox() as running:
        provider = account(running)
        provider.apply(ZONE, [Delete(ProviderRecord(NAME, "DKIM", "x", 0, "12345"))])
        assert [call.status for call in running.calls if call.method == "DELETE"] == [404]


@pytest.mark.parametrize("void", ["null", "204", "empty"])
def test_void_calls_may_answer_in_any_way(void: str) -> None:
    """PUT, DELETE and refresh have answered `null`, 204 and an empty 200 over the years."""
    with sandbox(void=void) as running:
        provider = account(running)
        provider.apply(ZONE, [Create(RECORD)])
        [made] = provider.find(ZONE, [NAME])[NAME]
        provider.apply(ZONE, [Replace(made, RECORD), Delete(made)])
        provider.activate(ZONE)
        assert records_at(running) == []


@pytest.mark.parametrize("switches", [{"post_id_zero": True}, {"get_404_after_post": 3}])
def test_ids_of_new_records_are_not_trusted(switches: dict[str, Any]) -> None:
    """POST may answer id 0, and a new record may be listed before it can be read: list again and match."""
    with sandbox(**switches) as running:
        provider = account(running)
        provider.apply(ZONE, [Create(RECORD)])
        assert [r.text for r in provider.find(ZONE, [NAME])[NAME]] == [RECORD.text]


@pytest.mark.parametrize("kind", ["reset-after", "null", "empty-200", "truncated-json", "500-json", "reset-before"])
def test_a_create_whose_answer_was_lost_makes_one_record(kind: Any) -> None:
    """Whether the call was carried out or not, the provider reads before it retries: never two records, never none."""
    with sandbox() as running:
        running.faults.add(Fault(kind, method="POST", path="*/record"))
        account(running).apply(ZONE, [Create(RECORD)])
        assert records_at(running) == [("DKIM", RECORD.text)]


@pytest.mark.parametrize("path", ["*/refresh", "/auth/time"])
def test_retry_after_is_honoured(path: str) -> None:
    """The API's Retry-After overrides our own pauses, also where the library requests the time."""
    clock = manual_clock()
    with sandbox() as running:
        running.faults.add(Fault("429", path=path, retry_after=7))
        account(running, clock).activate(ZONE)
        assert max(clock.slept) == 7
        assert running.zone(ZONE).refreshes == 1


def test_a_long_retry_after_is_honoured_and_an_endless_one_is_not() -> None:
    """Two minutes are waited; an hour, or a minute again and again, is an error instead."""
    clock = manual_clock()
    with sandbox() as running:
        running.faults.add(Fault("429", path="/domain/*", retry_after=120))
        account(running, clock).activate(ZONE)
        assert max(clock.slept) == 120
        running.faults.add(Fault("429", path="/domain/*", retry_after=3600))
        with pytest.raises(OvhError, match="it asks to wait 3600 s"):
            account(running, clock).activate(ZONE)
        running.faults.add(Fault("429", path="/domain/*", retry_after=60, times=None))
        with pytest.raises(OvhError, match="accepts no more requests"):
            account(running, clock).activate(ZONE)


def test_pauses_grow_and_end() -> None:
    """For a service that stays down the pauses double, with jitter, and end with an error after a while."""
    clock = manual_clock()
    with sandbox() as running:
        running.faults.add(Fault("502-html", times=None, path="/domain/*"))
        with pytest.raises(OvhError) as caught:
            account(running, clock).find(ZONE, [NAME])
    assert caught.value.kind is Kind.LOST
    assert "HTML" in caught.value.message
    assert 20 < sum(clock.slept) <= 45
    assert clock.slept[0] < clock.slept[2] < clock.slept[4]


@pytest.mark.parametrize("before", ["nothing", "our key as rsa", "another text of the key"])
def test_ed25519_goes_under_txt_where_dkim_refuses_it(before: str) -> None:
    """OVH's check of DKIM records has not always accepted k=ed25519. Never without a record, one in the end."""
    record = ed25519_record()
    counts: list[int] = []
    with sandbox(refuse_ed25519=True, on_call=lambda _: counts.append(len(running.zone(ZONE).edited))) as running:
        texts = {"our key as rsa": rsa_record().text, "another text of the key": f"p={record.get('p')}"}
        if before in texts:
            running.zone(ZONE).add("DKIM", "mail._domainkey", texts[before])
        least = len(running.zone(ZONE).edited)
        provider, wanted = account(running), Wanted(ZONE, "mail", NAME, record)
        overrides = Overrides(replace_foreign=True)
        [name] = apply(
            provider, plan(provider, ZONE, [wanted], overrides), clock=manual_clock(), overrides=overrides
        ).names
        assert name.error is None
        assert [(r.field_type, r.text) for r in provider.find(ZONE, [NAME])[NAME]] == [("TXT", record.text)]
        assert min(counts) >= least
        assert not plan(provider, ZONE, [wanted]).changes


def test_the_type_is_not_guessed_from_the_text() -> None:
    """A record that only mentions ed25519 is not published as TXT."""
    record = KeyRecord((*rsa_record().tags, ("n", "not k=ed25519")))
    with sandbox(refuse_dkim=True) as running:
        provider = account(running)
        [name] = apply(provider, plan(provider, ZONE, [Wanted(ZONE, "mail", NAME, record)]), clock=manual_clock()).names
        assert name.error is not None
        assert not [r for r in running.zone(ZONE).edited if r.sub_domain == "mail._domainkey"]


def test_the_zone_is_found_label_by_label_and_the_account_is_never_listed() -> None:
    """`GET /domain/zone` needs a right that a token for one zone does not have."""
    with sandbox(ZONE, f"own.{ZONE}") as running:
        provider = account(running)
        assert provider.zone_of(f"mail._domainkey.a.b.{ZONE}") == ZONE
        assert provider.zone_of(f"mail._domainkey.a.own.{ZONE}") == f"own.{ZONE}"
        assert all(call.path != "/domain/zone" for call in running.calls)


def test_a_credential_with_the_documented_rules_is_enough() -> None:
    """Every call of the provider is covered by the rules that README lists, and no rule is superfluous."""
    with sandbox() as running:
        rules = [(method, path.format(zone=ZONE)) for method, path in RULES]
        provider = account(running, consumer_key=running.credentials.issue(rules))
        assert provider.zone_of(f"mail._domainkey.sub.{ZONE}") == ZONE
        provider.apply(ZONE, [Create(RECORD)])
        [made] = provider.find(ZONE, [NAME])[NAME]
        provider.apply(ZONE, [Replace(made, RECORD), Delete(made)])
        provider.activate(ZONE)
        assert provider.is_active(ZONE) is True


def test_optional_rights_may_be_missing() -> None:
    """Without the right to read the zone and its status, records can still be published."""
    with sandbox() as running:
        rules = [
            (method, path.format(zone=ZONE))
            for method, path in RULES
            if not path.endswith("/status") and path != "/domain/zone/{zone}"
        ]
        provider = account(running, consumer_key=running.credentials.issue(rules))
        assert provider.zone_of(NAME) == ZONE
        assert provider.is_active(ZONE) is None


# --- errors: the message and the hint


@pytest.mark.parametrize("error_format", ["class", "legacy"])
@pytest.mark.parametrize(
    ("credentials", "words", "advice"),
    [
        ({"application_key": "0" * 16}, "does not know this application key", "endpoint"),
        ({"application_secret": "0" * 32}, "refused the signature", "secret"),
        ({"consumer_key": "0" * 32}, "does not know this consumer key", "ovh login"),
    ],
)
def test_wrong_keys_are_distinguished(error_format: str, credentials: dict[str, str], words: str, advice: str) -> None:
    """Each of the three keys has its own error message, in both formats of error bodies."""
    with sandbox(error_format=error_format) as running, pytest.raises(OvhError) as caught:
        account(running, **credentials).activate(ZONE)
    assert words in caught.value.message
    assert advice in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("state", ["pendingValidation", "refused", "expired"])
def test_an_invalid_consumer_key_is_reported_as_such(state: Any) -> None:
    """It was not validated, it was refused, or it has expired."""
    with sandbox() as running:
        key = running.credentials.issue(state=state)
        with pytest.raises(OvhError, match="never validated, refused, or expired"):
            account(running, consumer_key=key).activate(ZONE)


@pytest.mark.parametrize(
    ("missing", "rule"),
    [
        (("POST", "/domain/zone/{zone}/refresh"), f"POST /domain/zone/{ZONE}/refresh"),
        (("GET", "/domain/zone/{zone}/record/*"), f"GET /domain/zone/{ZONE}/record/*"),
        (("POST", "/domain/zone/{zone}/record"), f"POST /domain/zone/{ZONE}/record"),
    ],
)
def test_a_missing_right_is_named_with_the_rule_to_request(missing: tuple[str, str], rule: str) -> None:
    """The API's 403 does not say which right is missing; the error does."""
    with sandbox() as running:
        rules = [(method, path.format(zone=ZONE)) for method, path in RULES if (method, path) != missing]
        provider = account(running, consumer_key=running.credentials.issue(rules))
        running.zone(ZONE).add("DKIM", "mail._domainkey", "v=DKIM1; p=")
        with pytest.raises(OvhError) as caught:
            provider.apply(ZONE, [Create(RECORD)])
            provider.find(ZONE, [NAME])
            provider.activate(ZONE)
    assert caught.value.kind is Kind.NOT_GRANTED
    assert rule in caught.value.hint
    assert caught.value.message.partition("right to ")[2].split()[0] == rule.split()[0]


def test_a_zone_of_another_account_is_reported_missing() -> None:
    """The hint says to check the account, the endpoint and the name."""
    with sandbox() as running:
        with pytest.raises(OvhError, match=r"no zone for other\.example in this OVH account") as caught:
            account(running).zone_of("mail._domainkey.other.example")
        assert 'zone = "' in caught.value.hint
        with pytest.raises(OvhError, match=r"the zone other\.example is not in this OVH account"):
            account(running).find("other.example", ["mail._domainkey.other.example"])


def test_an_expired_service_is_reported() -> None:
    """The status 460 is explained."""
    with sandbox() as running:
        running.zone(ZONE).expired = True
        with pytest.raises(OvhError, match=r"the OVH service of domain\.tld has expired") as caught:
            account(running).find(ZONE, [NAME])
        assert "renew" in caught.value.hint


def test_the_actions_a_policy_lacks_are_named() -> None:
    """A service account's missing right is named as an action."""
    with sandbox() as running:
        made = running.accounts.create(["dnsZone:apiovh:record/get"])
        provider = account(running, client_id=made.client_id, client_secret=made.client_secret)
        assert provider.find(ZONE, [NAME])[NAME] == ()
        with pytest.raises(OvhError, match="dnsZone:apiovh:record/create") as caught:
            provider.apply(ZONE, [Create(RECORD)])
        assert "policy" in caught.value.hint


def test_a_wrong_service_account_is_reported() -> None:
    """The error for a refused token says what to check, and contains no part of the secret."""
    with sandbox() as running:
        with pytest.raises(OvhError, match="client id or client secret is wrong") as caught:
            account(running, client_id="EU.nobody", client_secret="s3cret-value").activate(ZONE)
        assert "s3cret-value" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("kind", ["html-200", "null", "empty-200", "502-html", "timeout"])
def test_an_invalid_time_of_the_api_is_not_a_bug(kind: Any) -> None:
    """The library requests the API's time before its first call and fails on an answer that is not a number."""
    with sandbox() as running:
        running.faults.add(Fault(kind, path="/auth/time", times=None))
        with pytest.raises(OvhError) as caught:
            account(running, patience=0.2).activate(ZONE)
        assert caught.value.kind is Kind.LOST


def test_a_clock_that_is_off_is_named() -> None:
    """The size of OVH's time window is unknown, but its error is recognised."""
    with sandbox(timestamp_window=-1) as running, pytest.raises(OvhError, match="refused the time"):
        account(running).activate(ZONE)


def test_a_wrong_time_is_requested_again() -> None:
    """A truncated answer to `/auth/time` is a number too: the library would sign with it for ever."""
    with sandbox() as running:
        running.faults.add(Fault("truncated-json", path="/auth/time"))
        account(running).activate(ZONE)
        assert running.zone(ZONE).refreshes == 1


def test_an_unreachable_api_is_reported_with_the_reason() -> None:
    """A refused connection is reported as such, after some retries."""
    with sandbox() as running:
        gone = account(running)
    with pytest.raises(OvhError, match="connection refused"):
        gone.activate(ZONE)


def test_a_refused_get_does_not_blame_values() -> None:
    """A GET sends no values: the error names the call and the API's message."""
    refused = explain(Refusal(400, "something unreadable", "", None), "GET", "/domain/zone/x.example/record", "ovh-eu")
    assert refused.kind is Kind.REFUSED
    assert refused.message == "the OVH API refused GET /domain/zone/x.example/record: something unreadable"
