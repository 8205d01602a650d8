"""Names are checked once, at the door, and are A-labels from then on."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl import names
from dkimctl.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Example.COM.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a.b-c.d9.example", "a.b-c.d9.example"),
    ],
)
def test_domain_is_stored_as_lower_case_a_labels(typed: str, stored: str) -> None:
    """However a domain is typed, it is kept in one form."""
    assert names.domain_name(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "com",
        "a..b",
        "-a.com",
        "a-.com",
        "a_b.com",
        "a b.com",
        "x@y.com",
        "127.0.0.1",
        "a;b.com",
        "a/b.com",
        "../etc.com",
        "\x1b[0m.com",
        "a\n.com",
        "x" * 64 + ".com",
        ".".join(["abcdefg"] * 40),
        "*.com",
        "ex\u0000.com",
    ],
)
def test_malformed_domain_is_refused_in_one_printable_line(typed: str) -> None:
    """A malformed domain is a usage error whose message cannot disturb the terminal."""
    with pytest.raises(UsageError) as caught:
        names.domain_name(typed)
    assert caught.value.exit_code == 2
    assert caught.value.message.isprintable()
    assert caught.value.hint
    assert caught.value.hint.isprintable()


@pytest.mark.parametrize("typed", ["a." + "a" * 300_000 + "!", "a-" * 300_000 + "." + "a" * 300_000 + "!"])
def test_a_domain_of_any_length_is_refused_at_once(typed: str) -> None:
    """A name from a signature of a hostile message: the search for what was meant does not take hours."""
    with pytest.raises(UsageError, match="longer than 253 characters"):
        names.domain_name(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("http://example.com/", "example.com"),
        ("https://WWW.example.com:8443/path?query", "www.example.com"),
        ("example.com/", "example.com"),
        ("postmaster@example.com", "example.com"),
        ("mailto:a@mx1.example.com", "mx1.example.com"),
        ("mail._domainkey.example.com", "the domain in it is example.com, the selector mail"),
        ("\x1b]0;._domainkey.example.com", "example.com"),
    ],
)
def test_what_was_pasted_in_a_domain_s_place_is_told(typed: str, meant: str) -> None:
    """A URL, an address or a record's whole name is refused with the domain that is in it."""
    with pytest.raises(UsageError) as caught:
        names.domain_name(typed)
    assert meant in caught.value.hint
    assert caught.value.hint.isprintable()


def test_a_record_s_name_in_a_selector_s_place_is_told() -> None:
    """The same for -s mail._domainkey."""
    with pytest.raises(UsageError) as caught:
        names.selector_name("mail._domainkey.example.com")
    assert caught.value.hint == "the selector in it is mail"


@pytest.mark.parametrize(
    "typed", ["", "a;touch pwned;", "a b", "$(id)", "x" * 64, "a..b", "-a", "a/../b", "a`id`", "é"]
)
def test_selector_with_a_shell_character_or_too_long_is_refused(typed: str) -> None:
    """A selector is labels and nothing else, so it can never reach a shell or another directory."""
    with pytest.raises(UsageError):
        names.selector_name(typed)


def test_a_foreign_selector_may_have_underscores() -> None:
    """DNS holds them, and records that another user made are checked as they are; nothing else is let through."""
    assert names.foreign_selector("Sel_2016") == "sel_2016"
    assert names.split_owner_name("_a._domainkey.example.com", names.foreign_selector) == ("_a", "example.com")
    for typed in ("", "a b", "a..b", "a;b", "x" * 64, "é", "_domainkey"):
        with pytest.raises(UsageError):
            names.foreign_selector(typed)


@pytest.mark.parametrize("typed", ["mail._domainkey", "Mail._domainkey.example.com"])
def test_a_record_name_in_the_place_of_a_selector_is_told(typed: str) -> None:
    """A selector typed with too much around it: the error says which selector is in it."""
    with pytest.raises(UsageError) as caught:
        names.foreign_selector(typed)
    assert caught.value.hint == "the selector in it is mail"


def test_selector_may_have_several_labels() -> None:
    """RFC 6376 §3.1 allows sub-divided selectors."""
    assert names.selector_name("March.Sales") == "march.sales"


def test_dated_template_gives_the_months_selector() -> None:
    """The default pattern names the month in which the key was made."""
    assert names.selector_from_template(names.DEFAULT_SELECTOR, datetime(2026, 11, 23, tzinfo=UTC)) == "dk202611"


def test_owner_name_that_dns_cannot_hold_is_refused() -> None:
    """A name over 253 characters is refused before a key is made for it."""
    domain = ".".join(["a" * 60] * 4)
    with pytest.raises(UsageError, match="253"):
        names.owner_name("selector", domain)


label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
domains = st.lists(label, min_size=1, max_size=4).map(".".join).map(lambda name: name + ".example")


@given(selector=st.lists(label, min_size=1, max_size=2).map(".".join), domain=domains)
def test_owner_name_splits_into_what_it_was_made_of(selector: str, domain: str) -> None:
    """Putting together and taking apart are each other's inverse."""
    assert names.split_owner_name(names.owner_name(selector, domain)) == (selector, domain)


@given(st.text(max_size=80))
def test_any_text_is_a_domain_or_a_usage_error(text: str) -> None:
    """Nothing that can be typed raises anything but our own error."""
    try:
        name = names.domain_name(text)
    except UsageError as error:
        assert error.message.isprintable()
    else:
        assert name == names.domain_name(name)
        assert name.isascii()


def test_relative_name_is_empty_at_the_apex_and_refused_outside() -> None:
    """A name is made relative only to a zone that holds it: `evilexample.com` is not below `example.com`."""
    assert names.relative_name("example.com", "example.com") == ""
    assert names.relative_name("a.b.example.com", "example.com") == "a.b"
    with pytest.raises(UsageError):
        names.relative_name("evilexample.com", "example.com")
