"""TXT data in presentation format: one behaviour for all that read and print it, and the same as dnspython's."""

from collections.abc import Callable

import dns.rdata
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.providers.lexicon.text import from_service
from dkimctl.providers.ovh.records import joined
from dkimctl.providers.zonefile.edit import records_at
from dkimctl.providers.zonefile.parse import parse_zone
from dkimctl.providers.zonefile.scan import SyntaxProblem
from dkimctl.record.presentation import (
    character_strings,
    parse_quoted_strings,
    quoted,
    quoted_strings,
    strings_in,
    unescaped,
)

octets = st.text(st.characters(max_codepoint=255), max_size=600)
APEX = "example.com. 300 IN SOA ns.example.com. a.example.com. 1 2 3 4 5\n"


def at_a_zone_file(data: str) -> str:
    """The text that the provider `zonefile` reads from TXT data."""
    zone = parse_zone(f"{APEX}s.example.com. IN TXT {data}\n", "zone")
    [record] = records_at(zone, "s.example.com")
    return record.text


READERS = [parse_quoted_strings, strings_in, joined, from_service, at_a_zone_file]


@given(octets)
def test_what_was_printed_is_read_again(text: str) -> None:
    """Any octets make the round trip, as printable ASCII, in strings of at most 255 octets."""
    printed = quoted_strings(text)
    assert printed.isascii() and printed.isprintable()
    assert parse_quoted_strings(printed) == strings_in(f"s IN TXT ( {printed} ) ; a “comment”\n") == text
    assert unescaped(quoted(text)[1:-1]) == text
    assert all(len(part) <= 255 for part in character_strings(text))


@given(octets)
def test_dnspython_reads_and_prints_the_same(text: str) -> None:
    """Another implementation of RFC 1035 §5.1 understands what is printed, and what it prints is understood."""
    rdata = dns.rdata.from_text("IN", "TXT", quoted_strings(text))
    assert isinstance(rdata, TXT)
    assert b"".join(rdata.strings) == text.encode("latin-1")
    assert parse_quoted_strings(rdata.to_text()) == text


@given(st.text(max_size=60))
def test_characters_that_are_no_octet_stay(text: str) -> None:
    """A text that someone pasted with characters above 255 makes the round trip as well."""
    assert parse_quoted_strings(quoted_strings(text)) == text


@given(st.text('\\"; 019az\n(', max_size=30))
def test_any_text_is_strings_or_is_not(text: str) -> None:
    """Nothing raises; what is nothing but strings is the same to both readers."""
    assert parse_quoted_strings(text) in (None, strings_in(text))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('"p=a" "b"', "p=ab"),
        (r'"p=\"a\\b\""', r'p="a\b"'),
        (r'"\112\061\000\255"', "p=\0\xff"),
        (r'"\256\999"', "256999"),
        (r'"\0612"', "=2"),
        (r'"\12" "\1"', "121"),
        ('""', ""),
    ],
)
def test_every_reader_has_the_same_escapes(read: Callable[[str], str | None], data: str, text: str) -> None:
    """`\\DDD` is an octet everywhere; above 255, and with fewer digits, a zone file is refused, as BIND does."""
    if read is at_a_zone_file and data in (r'"\256\999"', r'"\12" "\1"'):
        with pytest.raises(SyntaxProblem, match="is not an octet"):
            read(data)
    else:
        assert read(data) == text


def test_digits_of_other_scripts_are_no_number() -> None:
    """Only ASCII digits make a `\\DDD`."""
    assert unescaped("\\\u0661\u0661\u0661") == "\u0661\u0661\u0661"


def test_comments_and_words_are_no_strings() -> None:
    """Of a zone file's entry only the strings count; a string that is never closed is none."""
    assert strings_in('s IN TXT ( "a" ; not "this"\n\t"b" ) ; "nor this') == "ab"
    assert strings_in('"a" "never closed \\" ') == "a"
    assert parse_quoted_strings('"a" b') is None
    assert parse_quoted_strings("") is None


def test_long_rubbish_takes_no_time() -> None:
    """A megabyte of quotes and backslashes is read in one pass."""
    for rubbish in ('\\"', '"\\', '" ', '""\\'):
        text = '"' + rubbish * 300_000
        assert parse_quoted_strings(text + "\\") in (None, "")
        assert isinstance(strings_in(text), str)
