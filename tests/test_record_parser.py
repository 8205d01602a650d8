"""The parser of key records under any text: no surprise, and what was parsed can be printed and parsed again."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import UnreadableRecord, parse_record
from dkimctl.record.presentation import character_strings
from dkimctl.record.repaired import repaired
from dkimctl.record.text import one_line, zone_lines
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target
from tests.conftest import FULL

KEY = generate(Algorithm.RSA).public.base64
TARGET = Target("s", "example.com")
CASES = 7000 if FULL else 1500

octets = st.text(st.characters(max_codepoint=255), max_size=60)
names = st.sampled_from(["v", "k", "p", "h", "s", "t", "n", "g", "x", "P", "1", ""]) | st.text("vpk_1. ", max_size=3)
values = (
    st.sampled_from(["DKIM1", "rsa", "ed25519", "sha256", "email", "y:s", "", KEY, KEY[:200], "rsa-sha256"]) | octets
)
specs = st.tuples(names, st.sampled_from(["=", " = ", "", ":"]), values).map("".join)
tag_lists = st.lists(specs, max_size=6).flatmap(
    lambda items: st.sampled_from([";", "; ", ";;", ",", " ; "]).map(lambda by: by.join(items))
)
mangled = st.tuples(st.integers(0, 450), st.text('"\\ ;=\n', max_size=3)).map(
    lambda place: (text := f"v=DKIM1; k=rsa; p={KEY}")[: place[0]] + place[1] + text[place[0] :]
)
texts = octets | tag_lists | mangled


def is_judged(text: str) -> None:
    """Any text of a TXT record leads to findings or to none, never to an exception."""
    judgement = judge(text, TARGET)
    assert judgement.record is not None or judgement.findings
    assert all(f.seen.isprintable() for f in judgement.findings)


def makes_the_round_trip(text: str) -> None:
    """Printing and parsing again gives the same tags, whatever spaces the text had."""
    record = parse_record(text)
    if isinstance(record, UnreadableRecord):
        assert record.why
        return
    assert parse_record(record.text) == record
    assert parse_record(record.text + ";") == record
    assert parse_record(record.text.replace("; ", ";\r\n\t")) == record
    assert "".join(character_strings(record.text)) == record.text
    assert one_line("s.example", record)
    assert zone_lines("s.example", record)


def is_right_when_repaired(text: str) -> None:
    """If a broken text can be repaired, the result parses and its key has no error but its size."""
    better = repaired(text)
    if better is not None:
        errors = {f.code for f in judge(better.text, TARGET).findings if f.severity == "error"}
        assert errors <= {"DKIM303", "DKIM212"}


@pytest.mark.parametrize("holds", [is_judged, makes_the_round_trip, is_right_when_repaired])
def test_any_text_holds(holds: Callable[[str], None], record_property: Callable[[str, object], None]) -> None:
    """The three promises above, each for thousands of texts."""
    tried = 0

    @settings(max_examples=CASES)
    @given(texts)
    def try_it(text: str) -> None:
        nonlocal tried
        tried += 1
        holds(text)

    try_it()
    for text in ("p=", ";", "", " "):
        holds(text)
    assert tried >= CASES
    record_property("counted: texts that hypothesis made up for the parser of key records", tried)


@settings(max_examples=300)
@given(st.permutations(["v=DKIM1", "k=rsa", f"p={KEY}", "h=sha256", "s=email", "x=1"]), st.text(" \t", max_size=3))
def test_order_and_space_change_no_tag(tags: list[str], space: str) -> None:
    """Tags mean the same in any order and with any white space around them."""
    record = parse_record(f"{space};{space}".join(tags) + space)
    assert isinstance(record, KeyRecord)
    assert dict(record.tags) == dict(tag.split("=", 1) for tag in tags)
