"""Applying a plan: every step is read back, no name stays half done, the zone is always refreshed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import ApiError
from dkimctl.providers.base import Provider
from dkimctl.publish.apply import ZoneResult, apply
from dkimctl.publish.plan import NO_OVERRIDES, Overrides, Wanted, plan
from dkimctl.sandbox import LoggedCall
from tests.publishing import (
    NAME,
    ZONE,
    account,
    invented_record,
    is_clean,
    manual_clock,
    records_at,
    rsa_record,
    sandbox,
    wanted,
)

RECORD = rsa_record()


def publish(provider: Provider, *records: Wanted, overrides: Overrides = NO_OVERRIDES) -> ZoneResult:
    """Plan and apply, as the command does for one zone."""
    planned = plan(provider, ZONE, records or [wanted()], overrides)
    return apply(provider, planned, clock=manual_clock(), overrides=overrides)


def errors(result: ZoneResult) -> dict[str, ApiError]:
    """Owner name → error, of the names with an error."""
    return {name.wanted.name: name.error for name in result.names if name.error}  # type: ignore[misc]


@pytest.mark.parametrize("field_type", ["DKIM", "TXT"])
@pytest.mark.parametrize("text", [None, RECORD.text[:255], f"k=rsa; p={RECORD.get('p')}"])
def test_the_result_is_one_right_record_that_is_served(field_type: str, text: str | None) -> None:
    """For every earlier form and record type of our key."""
    with sandbox() as running:
        if text:
            running.zone(ZONE).add(field_type, "mail._domainkey", text)
        assert not errors(publish(account(running)))
        assert records_at(running) == [("DKIM", RECORD.text)]
        assert is_clean(running)


def test_a_second_run_only_reads() -> None:
    """Publishing is idempotent: no write, no refresh, and the zone is reported as served."""
    with sandbox() as running:
        provider = account(running)
        publish(provider)
        running.clear_calls()
        result = publish(provider)
        assert (result.activated, result.is_active) == (False, True)
        assert {call.method for call in running.calls} == {"GET"}


@pytest.mark.parametrize("count", [1, 2, 10, 30])
def test_few_calls_and_one_refresh(count: int) -> None:
    """At most 5 + 4·n calls for n new records in a zone, and one refresh."""
    with sandbox() as running:
        records = [wanted(f"s{number}", record=invented_record(number)) for number in range(count)]
        assert not errors(publish(account(running), *records))
        assert len(running.calls) <= 5 + 4 * count
        assert running.zone(ZONE).refreshes == 1
        assert is_clean(running)


def test_the_old_txt_is_kept_until_the_new_record_was_read_back() -> None:
    """POST, read, DELETE, read, refresh: in this order."""
    with sandbox() as running:
        running.zone(ZONE).add("TXT", "mail._domainkey", RECORD.text[:255])
        publish(account(running))
        methods = [call.method for call in running.calls if "/record" in call.path or "/refresh" in call.path]
        post, delete = methods.index("POST"), methods.index("DELETE")
        assert "GET" in methods[post + 1 : delete]
        assert methods[-1] == "POST"
        assert "refresh" in running.calls[-1].path


def test_a_duplicate_made_meanwhile_by_another_machine_is_removed() -> None:
    """Two machines publish the same key at the same time: reading back shows both records, and one is removed."""

    def race(call: LoggedCall) -> None:
        if call.method == "POST" and call.path.endswith("/record"):
            running.zone(ZONE).add("DKIM", "mail._domainkey", RECORD.text, served=False)

    with sandbox(on_call=race) as running:
        assert not errors(publish(account(running)))
        assert records_at(running) == [("DKIM", RECORD.text)]
        assert is_clean(running)


# --- an account without the type DKIM


def test_without_the_type_dkim_nothing_is_created_and_the_alternatives_are_named() -> None:
    """A CNAME into another zone, or a TXT with --accept-limits; the zone's other names are published."""
    with sandbox(refuse_dkim=True) as running:
        [error] = errors(publish(account(running))).values()
        assert "does not belong to the NamedResolutionFieldTypeEnum" in error.message
        assert f'[domains."{ZONE}"] delegate' in error.hint
        assert "--accept-limits" in error.hint
        assert records_at(running) == []


def test_without_the_type_dkim_the_domain_in_the_hint_is_the_customers() -> None:
    """The hint names the customer's domain also where the record is in the operator's zone."""
    one = replace(wanted("dk1", "customer.test"), name=f"dk1.customer.test._domainkey.{ZONE}")
    with sandbox(refuse_dkim=True) as running:
        [error] = errors(publish(account(running), one)).values()
        assert '[domains."customer.test"] delegate' in error.hint


@pytest.mark.parametrize("count", [1, 5])
def test_without_the_type_dkim_a_txt_is_used_with_accept_limits(count: int) -> None:
    """The TXT is read back as any other record; the next run with the same options changes nothing."""
    with sandbox(refuse_dkim=True) as running:
        records = [wanted(f"s{number}", record=rsa_record(number % 2)) for number in range(count)]
        overrides = Overrides(accept_limits=True)
        assert not errors(publish(account(running), *records, overrides=overrides))
        assert [kind for n in range(count) for kind, _ in records_at(running, f"s{n}._domainkey")] == ["TXT"] * count
        assert is_clean(running)
        assert plan(account(running), ZONE, records, overrides).changes == ()


def test_without_the_type_dkim_a_truncated_txt_is_an_error() -> None:
    """--accept-limits allows the attempt, not a broken record: the read-back decides, and the record is removed."""
    with sandbox(refuse_dkim=True, truncate_txt=True) as running:
        [error] = errors(publish(account(running), overrides=Overrides(accept_limits=True))).values()
        assert "came back truncated" in error.message
        assert records_at(running) == []


def test_accept_limits_changes_nothing_where_dkim_is_known() -> None:
    """The type DKIM is tried first, also with --accept-limits."""
    with sandbox() as running:
        assert not errors(publish(account(running), overrides=Overrides(accept_limits=True)))
        assert records_at(running) == [("DKIM", RECORD.text)]


# --- records that come back wrong


@pytest.mark.parametrize(
    "before",
    [
        (),
        (("DKIM", RECORD.text[:200]),),
        (("DKIM", RECORD.text[:255]),),
        (("TXT", RECORD.text[:255]),),
        (("TXT", rsa_record(1).text),),
    ],
    ids=["nothing", "our key, shorter still", "our key, cut in the same way", "our key as txt", "another key as txt"],
)
def test_a_truncated_record_is_an_error_and_is_removed(before: tuple[tuple[str, str], ...]) -> None:
    """The error names the lengths; the earlier records are restored, except a broken one, and these are served."""
    with sandbox(truncate_dkim=True, txt_form="raw") as running:
        for field_type, text in before:
            running.zone(ZONE).add(field_type, "mail._domainkey", text)
        [error] = errors(publish(account(running), overrides=Overrides(replace_foreign=True))).values()
        assert f"255 of {len(RECORD.text)} characters" in error.message
        assert str(len(RECORD.get("p"))) in error.message
        assert records_at(running) == [record for record in before if record[0] == "TXT"]
        assert is_clean(running)


def test_a_zone_that_cannot_be_restored_is_not_refreshed() -> None:
    """A service that truncates long texts truncates the restored one too: then the served zone stays as it was."""
    with sandbox(truncate_dkim=True) as running:
        running.zone(ZONE).add("DKIM", "mail._domainkey", rsa_record(1).text)
        result = publish(account(running), overrides=Overrides(replace_foreign=True))
        [error] = errors(result).values()
        assert "could not be removed again" in error.message
        assert not result.activated
        assert running.zone(ZONE).refreshes == 0
        assert rsa_record(1).text in [record.target for record in running.zone(ZONE).served]


def test_a_record_that_comes_back_different_is_an_error() -> None:
    """A service may alter a record; a key that is not byte for byte ours is an error."""
    other = rsa_record(1).text

    def spoil(call: LoggedCall) -> None:
        zone = running.zone(ZONE)
        for record in zone.edited:
            if call.method == "POST" and record.target == RECORD.text:
                zone.change(type(record)(record.id, "DKIM", record.sub_domain, other, 0))

    with sandbox(on_call=spoil) as running:
        [error] = errors(publish(account(running))).values()
        assert "came back different" in error.message
        assert records_at(running) == []


def test_one_refused_record_does_not_stop_the_others() -> None:
    """The one record that the API refuses is identified; the rest of the zone is published and served."""
    bad = wanted("bad", record=type(RECORD)((*RECORD.tags[:-1], ("n", "a=b"), RECORD.tags[-1])))
    with sandbox() as running:
        result = publish(account(running), wanted("one"), bad, wanted("two", record=rsa_record(1)))
        assert list(errors(result)) == [bad.name]
        assert errors(result)[bad.name].status == 400
        assert len(records_at(running, "one._domainkey")) == len(records_at(running, "two._domainkey")) == 1
        assert is_clean(running)


def test_a_refused_name_does_not_stop_the_others() -> None:
    """A selector with a CNAME is left unchanged, and the others are published."""
    with sandbox() as running:
        running.zone(ZONE).add("CNAME", "mail._domainkey", "elsewhere.example.")
        result = publish(account(running), wanted(), wanted("two"))
        assert list(errors(result)) == [NAME]
        assert records_at(running, "two._domainkey") == [("DKIM", RECORD.text)]
        assert is_clean(running)


def test_an_earlier_run_that_died_before_its_refresh_is_completed() -> None:
    """All records are right and none is served: the zone's status shows it, and the zone is refreshed."""
    with sandbox() as running:
        running.zone(ZONE).add("DKIM", "mail._domainkey", RECORD.text, served=False)
        result = publish(account(running))
        assert (result.activated, result.is_active) == (True, False)
        assert is_clean(running)


def test_two_runs_that_create_the_same_record_leave_one() -> None:
    """Two runs both found no record: the one that sees the duplicate removes it."""
    with sandbox() as running:
        provider = account(running)
        planned = plan(provider, ZONE, [wanted()])
        running.zone(ZONE).add("DKIM", "mail._domainkey", RECORD.text)
        assert not errors(apply(provider, planned, clock=manual_clock()))
        assert records_at(running) == [("DKIM", RECORD.text)]


def test_records_that_were_renumbered_meanwhile_are_found_again() -> None:
    """An edit of the whole zone in text mode gives every record a new id between our read and our write."""
    with sandbox() as running:
        zone = running.zone(ZONE)
        zone.add("DKIM", "mail._domainkey", RECORD.text[:255])
        provider = account(running)
        planned = plan(provider, ZONE, [wanted()])
        zone.replace_all(list(zone.edited))
        assert not errors(apply(provider, planned, clock=manual_clock()))
        assert records_at(running) == [("DKIM", RECORD.text)]


@pytest.mark.parametrize(
    "switches",
    [
        {"error_format": "legacy"},
        {"sub_domain_filter": "like"},
        {"txt_form": "raw"},
        {"retype_txt": True},
        {"dkim_name": "suffix"},
        {"cname_clash": "refused"},
        {"duplicates": "refused"},
        {"lower_case_names": True},
        {"post_id_zero": True},
        {"get_404_after_post": 2},
        {"refresh_delay": 0.2, "refresh_race": 409},
        {"refresh_delay": 0.2, "refresh_race": 500},
    ],
    ids=str,
)
def test_undocumented_behaviour_of_the_service_makes_no_difference(switches: dict[str, Any]) -> None:
    """For each undocumented behaviour of OVH, both ways: one right record, and a second run has nothing to do."""
    with sandbox(**switches) as running:
        zone = running.zone(ZONE)
        zone.add("TXT", "mail._domainkey", RECORD.text[:255])
        if "refresh_race" in switches:
            zone.refresh()
        provider = account(running, SYSTEM_CLOCK)
        assert not errors(publish(provider))
        assert records_at(running) == [("DKIM", RECORD.text)]
        zone.finish_refresh()
        assert is_clean(running)
        assert not plan(provider, ZONE, [wanted()]).changes


# --- any state


texts = st.sampled_from(
    [RECORD.text, RECORD.text + ";", RECORD.text[:255], f"p={RECORD.get('p')}", rsa_record(1).text, "v=DKIM1; p=", "x"]
)
states = st.lists(st.tuples(st.sampled_from(["DKIM", "TXT"]), texts), max_size=4)


@settings(max_examples=40)
@given(states)
def test_any_state_ends_with_one_right_record(state: list[tuple[str, str]]) -> None:
    """A name that had a record always has one in between, and a second run has nothing to do."""
    counts: list[int] = []
    with sandbox(on_call=lambda _: counts.append(len(records_at(running)))) as running:
        for field_type, text in state:
            running.zone(ZONE).add(field_type, "mail._domainkey", text)
        provider = account(running)
        assert not errors(publish(provider, overrides=Overrides(replace_foreign=True)))
        assert records_at(running) in ([("DKIM", RECORD.text)], [("DKIM", RECORD.text + ";")])
        assert is_clean(running)
        assert not state or min(counts) >= 1
        assert not plan(provider, ZONE, [wanted()]).changes
