"""KeyTable, SigningTable and managed blocks: read as the daemon reads them, people's lines kept to the byte."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dkimctl.errors import Refused
from dkimctl.opendkim import blocks
from dkimctl.opendkim.longtable import Rows
from dkimctl.opendkim.managed_block import BEGIN, END, read_foreign
from dkimctl.opendkim.tables import (
    KeyEntry,
    Patterns,
    Row,
    data_set,
    key_entry,
    key_line,
    pattern_regex,
    rows,
    signing_lines,
)
from tests.conftest import needs

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
DOMAIN = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
PATHS = st.from_regex(r"/[a-zA-Z0-9._/:-]{1,40}", fullmatch=True)
TABLE = st.text("ab*. \t\n\v\r#@", max_size=60)


@given(DOMAIN, LABEL, PATHS)
def test_a_rendered_key_is_read_back(domain: str, selector: str, path: str) -> None:
    """Name, domain, selector and path, whatever colons the path holds."""
    entry = KeyEntry(f"{selector}._domainkey.{domain}", domain, selector, path)
    [row] = rows([key_line(entry.name, domain, selector, path).encode()], patterns=False)
    assert key_entry(row) == entry


@given(DOMAIN, st.booleans())
def test_rendered_signing_lines_fit_the_domain_and_what_is_below(domain: str, subdomains: bool) -> None:
    """A pattern table signs for the domain, for its sub-domains when asked, and never for a neighbour."""
    text = signing_lines(domain, "key", subdomains=subdomains, patterns=True)
    first = Patterns(tuple(rows(text.encode().splitlines(keepends=True), patterns=True))).first
    assert first(f"someone@{domain}") is not None
    assert (first(f"someone@a.b.{domain}") is not None) == subdomains
    assert first(f"someone@x{domain}") is None
    exact = signing_lines(domain, "key", subdomains=subdomains, patterns=False)
    assert [row.key for row in rows(exact.encode().splitlines(), patterns=False)] == [domain, f".{domain}"][
        : 1 + subdomains
    ]


def ask(kind: str, path: Path, key: str) -> str | None:
    """Return the result of the real daemon's query mode: the first field of the value, or None."""
    ended = subprocess.run(
        ["opendkim", "-Q", "-x", "/dev/null"], input=f"{kind}:{path}\n{key}/1\n".encode(), capture_output=True
    )
    answer = ended.stdout.decode().strip()
    return answer[1:-1] if answer.startswith("'") else None


@needs("opendkim")
@settings(max_examples=60)
@given(TABLE, st.sampled_from(["a", "b", "ab", "a.b", "aa", "a@b"]))
def test_a_file_table_is_read_as_the_daemon_does(tmp_path_factory: pytest.TempPathFactory, text: str, key: str) -> None:
    """Blanks, comments, repeats, odd white space: the first row with the key is the daemon's."""
    path = tmp_path_factory.mktemp("table") / "table"
    path.write_bytes(text.encode())
    with path.open("rb") as stream:
        found = next((row for row in rows(stream, patterns=False) if row.key == key), None)
    assume(found is None or found.value)  # a row without value is a membership, which the query mode cannot show
    assert ask("file", path, key) == (None if found is None else found.value)


@needs("opendkim")
@settings(max_examples=60)
@given(TABLE, st.sampled_from(["a", "ab", "a.b", "ba", "a@b", "b@a.b", "aab"]))
def test_a_pattern_table_is_read_as_the_daemon_does(
    tmp_path_factory: pytest.TempPathFactory, text: str, address: str
) -> None:
    """Order, anchoring, escaping and lines that begin with a blank: the first pattern that fits is the daemon's."""
    path = tmp_path_factory.mktemp("table") / "table"
    path.write_bytes(text.encode())
    with path.open("rb") as stream:
        found = Patterns(tuple(rows(stream, patterns=True))).first(address)
    assume(found is None or found.value)
    assert ask("refile", path, address) == (None if found is None else found.value)


PATTERN = st.lists(
    st.sampled_from(["a", "B", "*", ".", "@", "+", "-", "*@", "*@*.", "[ab]", "("]), min_size=1, max_size=6
)
ADDRESS = st.text("aAbB.@+-", max_size=8)


@given(st.lists(PATTERN.map("".join), max_size=8), ADDRESS)
def test_patterns_are_looked_up_as_they_would_be_tried(keys: list[str], address: str) -> None:
    """Usual or not, with or without case, a regular expression or none: the rows that fit, in their order."""
    table = [Row(key, str(number), number) for number, key in enumerate(keys)]
    expected = []
    for row in table:
        with suppress(re.error):
            expected += [row] if re.fullmatch(pattern_regex(row.key), address, re.IGNORECASE) else []
    assert Patterns(tuple(table)).all(address) == expected
    assert Patterns(tuple(table)).first(address) == (expected[0] if expected else None)


ORDINARY = st.lists(st.sampled_from(["a b", "ab\tc:d", "b a", "*@b a"]), max_size=6)
LONG = st.one_of(TABLE, TABLE.map(lambda text: text.replace("a", "a" * 600)))


MANY = st.lists(ORDINARY.map("\n".join) | LONG, max_size=4).map("\n".join)


@given(MANY, st.booleans(), st.sampled_from(["a", "b", "ab", "*", "@"]), st.sampled_from([1, 12, 60, 1 << 14]))
def test_a_long_table_has_the_rows_of_its_lines(text: str, patterns: bool, key: str, size: int) -> None:
    """Read again at each pass, counted, and asked by name: always what the plain reading of its lines gives.

    Whether its lines are ordinary, odd or both by turns, and wherever the table is cut into blocks.
    """
    table = Rows(text.encode(), patterns=patterns)
    plain = list(rows(text.encode().split(b"\n"), patterns=patterns))
    with patch.object(blocks, "_SIZE", size):
        assert list(table) == plain
    assert list(table) == plain
    lines = text.encode().split(b"\n")
    assert list(table.long_lines) == [n for n, line in enumerate(lines, 1) if len(line) + (n < len(lines)) > 1023]
    assert len(table) == len(plain)
    names, found = table.names(), next((row for row in plain if row.key == key), None)
    assert names.get(key) == found
    first = {row.key: row for row in reversed(plain)}
    assert list(names.never_asked()) == sorted((row for k, row in first.items() if k != key), key=plain.index)


@given(
    MANY,
    st.sampled_from([1, 60]),
    st.lists(st.tuples(st.sampled_from(["a", "ab", "a b", ""]), st.sampled_from(["", "b", "c:"]))),
)
def test_whether_a_row_begins_so_is_what_the_row_says(text: str, size: int, asked: list[tuple[str, str]]) -> None:
    """The quick question gives what the row itself does, in whatever order, and notes as well that it was asked for."""
    with patch.object(blocks, "_SIZE", size):
        quick, slow = (Rows(text.encode(), patterns=False).names() for _ in range(2))
    for name, beginning in asked:
        row = Rows(text.encode(), patterns=False).names().get(name)
        expected = row is not None and row.value.startswith(beginning)
        assert quick.has(name, beginning) == expected
        if expected:
            slow.get(name)
    assert list(quick.never_asked()) == list(slow.never_asked())


@given(MANY, st.booleans())
def test_repeated_rows_are_found_with_the_one_that_counts(text: str, ignore_case: bool) -> None:
    """Each row after the first with its key, with or without regard to case."""
    found = list(Rows(text.upper().encode() + b"\n" + text.encode(), patterns=False).repeated(ignore_case=ignore_case))
    first: dict[str, Row] = {}
    expected = []
    for row in rows(text.upper().encode().split(b"\n") + text.encode().split(b"\n"), patterns=False):
        kept = first.setdefault(row.key.lower() if ignore_case else row.key, row)
        expected += [(kept, row)] if kept is not row else []
    assert found == expected


def test_only_odd_lines_are_looked_at() -> None:
    """What a check passes over is what it says is plain; a line that the daemon splits never is."""
    text = b"a b\n  c d\ne " + b"f" * 1100 + b"\ng h # why\n"
    found = Rows(text, patterns=False).odd(re.compile(rb"\w+ \w+\n"))
    assert [(row.key, row.line) for row in found] == [("c", 2), ("e", 3), ("f" * 79, 3), ("g", 4)]


def test_a_line_too_long_is_read_in_pieces() -> None:
    """The daemon's buffer holds 1,023 bytes: the rest of the line becomes a row of its own."""
    found = list(rows([b"a " + b"x" * 1021 + b"rest of it\n", b"b y\n"], patterns=False))
    assert found == [Row("a", "x" * 1021, 1), Row("rest", "of it", 1), Row("b", "y", 2)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("file:/etc/KeyTable", ("file", "/etc/KeyTable")),
        ("refile:/etc/KeyTable", ("refile", "/etc/KeyTable")),
        ("/etc/KeyTable", ("file", "/etc/KeyTable")),
        ("/etc/keys.db", ("db", "/etc/keys.db")),
        ("127.0.0.1, fe80::1", ("csl", "127.0.0.1, fe80::1")),
        ("dsn:pgsql://u:p@h/d", ("dsn", "pgsql://u:p@h/d")),
    ],
)
def test_data_sets_are_distinguished_by_name(name: str, kind: tuple[str, str]) -> None:
    """The daemon's rule: a type in front, else by the look of the name."""
    assert data_set(name) == kind


LINES = st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b and not b.startswith((BEGIN, END))), max_size=6)


@given(LINES, LINES, LINES, st.booleans())
def test_lines_of_people_survive(
    tmp_path_factory: pytest.TempPathFactory, above: list[bytes], below: list[bytes], block: list[bytes], ended: bool
) -> None:
    """Any bytes outside the block, in any encoding, are there after any number of renderings."""
    path = tmp_path_factory.mktemp("managed") / "table"
    mine = b"\n".join(above) + (b"\n" if above and ended else b"")
    path.write_bytes(mine)
    path.write_bytes(b"".join(read_foreign(path).around([b"old\n"])) + b"".join(line + b"\n" for line in below))
    new = [line + b"\n" for line in block]
    once = b"".join(read_foreign(path).around(new))
    path.write_bytes(once)
    assert b"".join(read_foreign(path).around(new)) == once
    assert once.startswith(mine if mine == b"" or mine.endswith(b"\n") else mine + b"\n")
    assert once.partition(BEGIN)[2].partition(b"\n")[2].startswith(b"".join(new) + END)
    assert once.rpartition(END + b"\n")[2] == b"".join(line + b"\n" for line in below)


def test_a_block_without_end_is_not_guessed(tmp_path: Path) -> None:
    """When someone deleted the closing marker, whose the lines are is not clear: nothing is thrown away."""
    (tmp_path / "table").write_bytes(b"mine\n" + BEGIN + b"\nwhose?\n")
    with pytest.raises(Refused, match=r"line 2: .* never ends"):
        read_foreign(tmp_path / "table")
