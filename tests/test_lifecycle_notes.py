"""The facts about a key, as its metadata keep them: read as untrusted input, and written as they were read."""

import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.errors import CheckFailed
from dkimctl.keys import metadata as meta
from dkimctl.keys.metadata import Metadata, Tags, new_metadata
from dkimctl.lifecycle.facts import KeyOnRelay, Leak, RecordFacts
from dkimctl.lifecycle.notes import read_leak, read_on_relay, read_record, with_leak, with_on_relay, with_record

NOW = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp())
BLANK = new_metadata("rsa", 2048, Tags(), datetime(2026, 11, 1, tzinfo=UTC))
instants = st.none() | st.integers(0, NOW)
spans = st.integers(0, 2**31 - 1)
records = st.builds(RecordFacts, *[instants] * 5, spans, spans, *[instants] * 4)
on_relays = st.builds(
    KeyOnRelay,
    is_held=st.just(False),
    is_used=st.just(False),
    tried=instants,
    since=instants,
    proven=instants,
    failed=instants,
    left=instants,
    pinned=st.lists(st.text(string.hexdigits, min_size=1), max_size=3).map(tuple),
    is_away=st.just(False),
    is_lost=st.just(False),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def stored(metadata: Metadata) -> Metadata:
    """The same, after a way through its file."""
    return meta.from_json(meta.to_json(metadata), "test")


@given(records, on_relays, st.sampled_from(Leak))
def test_facts_are_read_as_they_were_noted(record: RecordFacts, on_relay: KeyOnRelay, leak: Leak) -> None:
    """Whatever was noted comes back, and one kind of facts leaves the others alone."""
    noted = stored(with_leak(with_on_relay(with_record(BLANK, record), on_relay), leak, NOW))
    assert read_record(noted, NOW) == record
    assert read_on_relay(noted, NOW) == on_relay
    assert read_leak(noted) is leak


@given(st.sampled_from(["record", "signing", "leak"]), junk)
def test_damaged_facts_are_refused_in_words(part: str, value: Any) -> None:
    """The daemon's user may write anything there: it is facts, or it is refused with a hint."""
    metadata = BLANK._replace(facts={part: value})
    for read in (lambda m: read_record(m, NOW), lambda m: read_on_relay(m, NOW), read_leak):
        try:
            read(metadata)
        except CheckFailed as error:
            assert error.hint


def test_a_fact_from_the_future_counts_from_now() -> None:
    """What was noted while the clock was ahead delays the next step, and does not bring it forward for years."""
    ahead = with_on_relay(BLANK, KeyOnRelay(left=NOW + 10**8))
    assert read_on_relay(ahead, NOW).left == NOW


def test_version_0_1_reads_what_is_written() -> None:
    """The facts are one more key of the document: schema and all other keys are as before."""
    import json

    before, after = (json.loads(meta.to_json(m)) for m in (BLANK, with_record(BLANK, RecordFacts(written=NOW))))
    assert after.pop("facts") == {"record": {"written": "2026-11-30T00:00:00Z"}}
    assert after == before


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": 2}', '{"schema": 1, "held": 3}', "[" * 100_000, '{"schema": 1, "begun": []}']
)
def test_damaged_notes_of_a_domain_are_refused_in_words(text: str) -> None:
    """They lie in a directory of the daemon's too."""
    with pytest.raises(CheckFailed):
        meta.domain_notes_from_json(text.encode(), "test")
