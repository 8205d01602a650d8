"""The plan for an existing record: the same, our key in another form, our key truncated, a foreign record."""

import pytest

from dkimctl.errors import Refused
from dkimctl.keys.metadata import Tags
from dkimctl.providers.base import Change, Create, Delete, Replace
from dkimctl.publish.plan import NamePlan, Overrides, plan
from dkimctl.publish.record_match import RecordMatch, match_record
from dkimctl.record.model import record_for
from tests.publishing import ZONE, account, ed25519_record, rsa_record, sandbox, wanted

RECORD = rsa_record()
KEY = RECORD.get("p")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RECORD.text, RecordMatch.SAME),
        (RECORD.text.replace("; ", ";") + ";", RecordMatch.SAME),
        (f"k=rsa; p={KEY}", RecordMatch.OTHER_FORM),
        (f'"v=DKIM1; h=sha256; k=rsa; " "p={KEY}"', RecordMatch.OTHER_FORM),
        (f"v=DKIM1\\; k=rsa\\; p={KEY[:200]} {KEY[200:]}", RecordMatch.OTHER_FORM),
        (RECORD.text[:255], RecordMatch.TRUNCATED),
        ('"' + RECORD.text[:254], RecordMatch.TRUNCATED),
        (rsa_record(1).text, RecordMatch.FOREIGN),
        (rsa_record(1).text[:255], RecordMatch.FOREIGN),
        (f"v=DKIM1; k=rsa; p={KEY[:44]}", RecordMatch.FOREIGN),
        ("v=DKIM1; p=", RecordMatch.FOREIGN),
        ("v=spf1 -all", RecordMatch.FOREIGN),
        ("", RecordMatch.FOREIGN),
    ],
)
def test_records_are_matched_by_key(text: str, expected: RecordMatch) -> None:
    """Records are compared by key, not as strings; the beginning that all RSA keys share does not count as a match."""
    assert match_record(text, RECORD) is expected


def planned(*existing: tuple[str, str], replace_foreign: bool = False, **fields: object) -> NamePlan:
    """Return the plan for the usual name with these existing records."""
    with sandbox() as running:
        for field_type, text in existing:
            running.zone(ZONE).add(field_type, "mail._domainkey", text)
        [name] = plan(account(running), ZONE, [wanted(**fields)], Overrides(replace_foreign)).names  # type: ignore[arg-type]
        assert all(call.method == "GET" for call in running.calls)
        return name


def shape(changes: tuple[Change, ...]) -> list[str]:
    """Return the changes as short strings."""
    words = {Create: "create", Replace: "replace", Delete: "delete"}
    return [
        f"{words[type(change)]} {(change.before if isinstance(change, Replace) else change.record).field_type}"
        for change in changes
    ]


def test_nothing_there_is_one_create_of_type_dkim() -> None:
    """It has the provider's declared type, the whole text and the zone's own ttl."""
    [change] = planned().changes
    assert isinstance(change, Create)
    assert (change.record.field_type, change.record.text, change.record.ttl) == ("DKIM", RECORD.text, 0)


@pytest.mark.parametrize("text", [RECORD.text, RECORD.text.replace("; ", ";"), RECORD.text + ";"])
def test_the_same_record_needs_no_change(text: str) -> None:
    """Spaces and a final semicolon make no difference."""
    assert planned(("DKIM", text)).changes == ()


@pytest.mark.parametrize("text", [RECORD.text[:255], f"k=rsa; p={KEY}"])
def test_an_earlier_form_of_our_own_key_is_corrected_in_place(text: str) -> None:
    """A truncated record of our key, or one with other tags, needs no --replace."""
    assert shape(planned(("DKIM", text)).changes) == ["replace DKIM"]


@pytest.mark.parametrize("text", [RECORD.text, RECORD.text[:255]])
def test_an_old_txt_goes_after_the_new_record_is_made(text: str) -> None:
    """The order keeps a record at the name at every moment."""
    assert shape(planned(("TXT", text)).changes) == ["create DKIM", "delete TXT"]


def test_of_several_the_right_one_stays() -> None:
    """Duplicates and left-overs of our own key are removed; the right record is not touched."""
    name = planned(("DKIM", RECORD.text[:255]), ("TXT", RECORD.text), ("DKIM", RECORD.text), ("DKIM", RECORD.text))
    assert sorted(shape(name.changes)) == ["delete DKIM", "delete DKIM", "delete TXT"]
    assert RECORD.text[:255] in [change.record.text for change in name.changes if isinstance(change, Delete)]


@pytest.mark.parametrize("field_type", ["DKIM", "TXT"])
@pytest.mark.parametrize("text", [rsa_record(1).text, "v=DKIM1; p=", "some other text"])
def test_a_foreign_record_is_refused(field_type: str, text: str) -> None:
    """Another key at our selector may be in use: it is refused, with the command to type instead."""
    name = planned((field_type, text))
    assert isinstance(name.refusal, Refused)
    assert not name.changes
    assert "--replace" in name.refusal.hint
    assert "genkey" in name.refusal.hint


def test_foreign_records_are_replaced_on_request() -> None:
    """With --replace the same plan as for our own old forms."""
    foreign = rsa_record(1).text
    assert shape(planned(("DKIM", foreign), ("TXT", foreign), replace_foreign=True).changes) == [
        "replace DKIM",
        "delete TXT",
    ]


def test_a_cname_is_never_replaced() -> None:
    """The operator of the target's zone publishes the record; --replace does not change that."""
    name = planned(("CNAME", "sel.dkim.mail.ovh.net."), replace_foreign=True)
    assert isinstance(name.refusal, Refused)
    assert "sel.dkim.mail.ovh.net" in name.refusal.message


def test_a_ttl_is_changed_only_when_one_is_wanted() -> None:
    """Without a wanted ttl the existing one is kept, also when the text changes."""
    with sandbox() as running:
        running.zone(ZONE).add("DKIM", "mail._domainkey", RECORD.text, ttl=300)
        running.zone(ZONE).add("DKIM", "old._domainkey", RECORD.text[:255], ttl=300)
        provider = account(running)
        asked = [wanted(), wanted("old")]
        assert [shape(n.changes) for n in plan(provider, ZONE, asked).names] == [[], ["replace DKIM"]]
        [change] = plan(provider, ZONE, asked).changes
        assert isinstance(change, Replace)
        assert change.after.ttl == 300
        [change] = plan(provider, ZONE, [wanted(ttl=600)]).changes
        assert isinstance(change, Replace)
        assert change.after.ttl == 600


def test_an_ed25519_record_may_stay_a_txt() -> None:
    """Where OVH refused it under DKIM it is a TXT: a second run must not try to change it again."""
    record = ed25519_record()
    assert planned(("TXT", record.text), record=record).changes == ()
    other = record_for(None, "ed25519", Tags())
    assert planned(("TXT", other.text), record=record).refusal is not None
