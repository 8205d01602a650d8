"""Editing hand-written zone files: all other text is kept, the serial is raised, and name servers can read them."""

import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.errors import Refused, Unavailable, UsageError
from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.providers.zonefile.edit import changed_texts, next_serial, records_at
from dkimctl.providers.zonefile.parse import parse_zone
from dkimctl.providers.zonefile.provider import ZoneFileProvider
from dkimctl.providers.zonefile.zonetext import ZoneText
from tests.conftest import needs
from tests.publishing import NAME, ZONE, manual_clock, rsa_record

TODAY = date(2026, 11, 23)
LONG = rsa_record().text

HAND_MADE = """\
; the zone of domain.tld - keep this comment
$TTL 1h
@\tIN\tSOA\tns1 hostmaster.domain.tld. (
\t\t2026112200 ; serial
\t\t3600       ; refresh
\t\t600 86400
\t\t300 )
\tIN NS ns1
\t   NS ns2.domain.tld.
ns1\t\t\tA\t127.0.0.1
ns2   300 IN A\t127.0.0.2

www IN 600 CNAME @   ; class before ttl
txt     TXT     "semicolon ; and \\"quote\\" and ( parenthesis" "second"
old._domainkey IN TXT ( "v=DKIM1; k=rsa; "  ; a comment inside
      "p=AAAA" )  ; ----- DKIM key old for domain.tld
\t\tA 127.0.0.9
$ORIGIN sub.domain.tld.
mail._domainkey 1d TXT v=DKIM1\\;p=BBBB
@  MX 10 mx
"""


def zone(text: str = HAND_MADE) -> ZoneText:
    """Parse the text."""
    return parse_zone(text, "zone", ZONE)


def after(*changes: Change, text: str = HAND_MADE) -> str:
    """Return the text after these changes."""
    return changed_texts(zone(text), changes, TODAY)["zone"]


def at(name: str, text: str = HAND_MADE) -> list[tuple[str, str, int]]:
    """Return type, text and ttl of the records at a name relative to the zone."""
    return [(r.field_type, r.text, r.ttl) for r in records_at(zone(text), f"{name}.{ZONE}")]


def test_a_hand_written_zone_file_is_parsed() -> None:
    """$ORIGIN, $TTL, blank owners, parentheses, comments, quotes, escapes, units, class and ttl in either order."""
    assert at("old._domainkey") == [("TXT", "v=DKIM1; k=rsa; p=AAAA", 0)]
    assert at("mail._domainkey.sub") == [("TXT", "v=DKIM1;p=BBBB", 86400)]
    assert at("www") == [("CNAME", ZONE, 600)]
    assert at("txt") == [("TXT", 'semicolon ; and "quote" and ( parenthesissecond', 0)]
    assert zone().zone == ZONE
    owners = [record.owner for record in zone().records]
    assert owners.count("old._domainkey.domain.tld") == 2
    assert owners[-1] == "sub.domain.tld"


def test_only_the_serial_and_the_new_lines_differ() -> None:
    """Comments, order and spacing of everything else are as they were, byte for byte."""
    changed = after(Create(ProviderRecord(NAME, "TXT", LONG, 300)))
    expected = HAND_MADE.replace("2026112200", "2026112300")
    assert changed.startswith(expected)
    assert at("mail._domainkey", changed) == [("TXT", LONG, 300)]


def test_a_record_is_replaced_in_place() -> None:
    """Its owner as written and the comment after it are kept."""
    [old] = records_at(zone(), f"old._domainkey.{ZONE}")
    changed = after(Replace(old, ProviderRecord(old.name, "TXT", LONG)))
    assert at("old._domainkey", changed) == [("TXT", LONG, 0)]
    assert "; ----- DKIM key old for domain.tld\n\t\tA 127.0.0.9" in changed
    assert len(zone(changed).records) == len(zone().records)


def test_an_owner_inherited_from_a_removed_record_is_written_out() -> None:
    """A blank owner means that of the previous entry: without that line it would be another name."""
    [old] = records_at(zone(), f"old._domainkey.{ZONE}")
    changed = after(Delete(old))
    assert at("old._domainkey", changed) == []
    [heir] = [record for record in zone(changed).records if record.text == "127.0.0.9"]
    assert heir.owner == f"old._domainkey.{ZONE}"


def test_a_file_without_final_line_feed_and_with_crlf_stays_so() -> None:
    """The new entry starts on a line of its own, with the file's line ending."""
    text = HAND_MADE.rstrip("\n").replace("\n", "\r\n")
    changed = after(Create(ProviderRecord(NAME, "TXT", "x")), text=text)
    assert "mx\r\nmail._domainkey.domain.tld.\tIN" in changed
    assert changed.count("\n") == changed.count("\r\n")


def test_a_record_that_moved_is_not_touched() -> None:
    """The file was edited between the read and the change."""
    [old] = records_at(zone(), f"old._domainkey.{ZONE}")
    with pytest.raises(Unavailable, match="was changed meanwhile"):
        after(Delete(old), text=HAND_MADE.replace("p=AAAA", "p=CCCC"))


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        (2026112200, 2026112300),
        (2026112300, 2026112301),
        (2026112305, 2026112306),
        (2027010100, 2027010101),
        (1, 2),
        (1700000000, 1700000001),
        (4294967295, 1),
        (2026119999, 2026120000),
    ],
)
def test_serials_are_raised_in_their_own_form(serial: int, expected: int) -> None:
    """YYYYMMDDnn gets today's date and never decreases; any other number grows by one."""
    assert next_serial(serial, TODAY) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$INCLUDE\n", r"line 1, column 1: \$INCLUDE takes a file and perhaps an origin"),
        ("$GENERATE 1-9 h$ TXT a$\n", r"\$GENERATE is not supported"),
        ("@ IN SOA a b ( 1 2 3 4 5\n", "line 1, column 14: this parenthesis is never closed"),
        ("@ IN SOA a b 1 2 3 4 5 )\n", "was never opened"),
        ('@ IN SOA a b 1 2 3 4 5\nx TXT "open\n', "line 2, column 7: this quote is not closed"),
        ("@ IN NS ns1\n", "there is no SOA record"),
        ("@ IN SOA a b 1 2 3 4 5\n" * 2, "line 2, column 1: a zone has exactly one SOA"),
        ("@ IN SOA a b x 2 3 4 5\n", "two names and five numbers"),
        ("@ IN SOA a b 1 2 3 4 5\nx IN\n", "line 2, column 5: a record type is expected"),
        ("@ IN SOA a b 1 2 3 4 5\nx IN TXT\n", "a TXT record without data"),
        ("@ IN SOA a b 1 2 3 4 5\n@ RRSIG SOA 8 2 3600 x\n", r"a signed zone \(RRSIG\)"),
        ("  A 127.0.0.1\n", "the first record names no owner"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_not_changed(text: str, words: str) -> None:
    """The error has line and column, and names programs that check the file."""
    with pytest.raises(Refused, match=words) as caught:
        zone(text)
    assert "named-checkzone" in caught.value.hint


# --- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The hand-made zone in a file."""
    made = tmp_path / "db.domain.tld"
    made.write_text(HAND_MADE)
    return made


def test_the_file_keeps_mode_and_link_and_a_backup_is_left(path: Path, tmp_path: Path) -> None:
    """The name server can still read it; the previous version is kept as .bak."""
    path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(path)
    ZoneFileProvider(link, manual_clock()).apply(ZONE, [Create(ProviderRecord(NAME, "TXT", LONG))])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name("db.domain.tld.bak").read_text() == HAND_MADE
    assert LONG[300:350] in path.read_text()


def test_bytes_that_are_not_utf8_survive(path: Path) -> None:
    """Old comments are in old encodings."""
    path.write_bytes(b"; caf\xe9\n" + path.read_bytes())
    ZoneFileProvider(path, manual_clock()).apply(ZONE, [Create(ProviderRecord(NAME, "TXT", "x"))])
    assert path.read_bytes().startswith(b"; caf\xe9\n")


@pytest.mark.parametrize(
    ("name", "first", "found"),
    [
        ("db.domain.tld", "", ZONE),
        ("domain.tld.zone", "", ZONE),
        ("domain.tld", "", ZONE),
        ("zone", "$ORIGIN domain.tld.\n", ZONE),
        ("db.tld", "", None),
        ("db.sub.domain.tld", "", None),
    ],
)
def test_the_zone_comes_from_the_file_or_from_its_name(
    tmp_path: Path, name: str, first: str, found: str | None
) -> None:
    """It is never guessed: a file without a zone name needs `zone =` in the configuration."""
    (tmp_path / name).write_text(first + HAND_MADE)
    provider = ZoneFileProvider(tmp_path / name, manual_clock())
    if found:
        assert provider.zone_of(f"mail._domainkey.{ZONE}") == found
    else:
        with pytest.raises(Refused, match="the zone of the file is unknown") as caught:
            provider.zone_of(f"mail._domainkey.{ZONE}")
        assert "zone = " in caught.value.hint


def test_the_wrong_file_is_refused(path: Path, tmp_path: Path) -> None:
    """For a name of another zone, the file of another zone, and a missing file."""
    path.write_text("$ORIGIN other.example.\n" + HAND_MADE)
    provider = ZoneFileProvider(path, manual_clock())
    with pytest.raises(UsageError, match=r"is not in other\.example"):
        provider.zone_of(NAME)
    with pytest.raises(UsageError, match=r"is the file of other\.example, not of domain\.tld"):
        provider.find(ZONE, [NAME])
    with pytest.raises(UsageError, match="no such zone file"):
        ZoneFileProvider(tmp_path / "absent", manual_clock()).find(ZONE, [NAME])


def test_without_a_backup_the_file_is_not_touched(path: Path) -> None:
    """The backup is written first: where that fails, exit code 3 with one line, and nothing is changed."""
    path.with_name("db.domain.tld.bak").mkdir()
    with pytest.raises(Unavailable, match="cannot write"):
        ZoneFileProvider(path, manual_clock()).apply(ZONE, [Create(ProviderRecord(NAME, "TXT", "x"))])
    assert path.read_text() == HAND_MADE


# --- checked with name servers


names = st.sampled_from([f"mail._domainkey.{ZONE}", f"a._domainkey.sub.{ZONE}"])
contents = st.one_of(
    st.just(LONG), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=600)
)


@given(st.lists(st.tuples(names, contents), min_size=1, max_size=4), st.integers(0, 3))
def test_what_is_written_is_what_is_read(records: list[tuple[str, str]], deleted: int) -> None:
    """Any printable text survives creations and deletions in any order; the rest of the zone keeps its records."""
    text = HAND_MADE
    for name, content in records:
        text = after(Create(ProviderRecord(name, "TXT", content)), text=text)
    for name in {name for name, _ in records}:
        found = [r.text for r in records_at(zone(text), name) if r.text != "v=DKIM1;p=BBBB"]
        assert found == [content for other, content in records if other == name]
    victim = records[deleted % len(records)][0]
    first = records_at(zone(text), victim)[0]
    assert len(zone(after(Delete(first), text=text)).records) == len(zone(text).records) - 1


@needs("kzonecheck")
def test_knot_accepts_the_result(path: Path) -> None:
    """A real name server loads the edited file."""
    _edit(path)
    checked = subprocess.run(["kzonecheck", "-o", ZONE, path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs("named-checkzone")
def test_bind_reads_the_same_zone_with_the_key_in_it(path: Path) -> None:
    """For BIND only the serial, the new and the removed record differ."""
    before = _bind_reads(path)
    _edit(path)
    gone, new = before - (now := _bind_reads(path)), now - before
    assert sorted(line.split()[3] for line in gone) == ["SOA", "TXT"]
    assert sorted(line.split()[3] for line in new) == ["SOA", "TXT"]
    [line] = [line for line in new if line.startswith(f"{NAME}.")]
    assert "".join(line.partition("TXT")[2].split('"')[1::2]) == LONG


def _bind_reads(path: Path) -> set[str]:
    checked = subprocess.run(["named-checkzone", "-D", ZONE, path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return {line for line in checked.stdout.splitlines() if not line.startswith("zone ") and line != "OK"}


def _edit(path: Path) -> None:
    """Create, replace and delete records."""
    provider = ZoneFileProvider(path, manual_clock())
    [old] = provider.find(ZONE, [f"old._domainkey.{ZONE}"])[f"old._domainkey.{ZONE}"]
    provider.apply(
        ZONE, [Create(ProviderRecord(NAME, "TXT", LONG, 300)), Replace(old, ProviderRecord(old.name, "TXT", LONG))]
    )
    [old] = provider.find(ZONE, [f"old._domainkey.{ZONE}"])[f"old._domainkey.{ZONE}"]
    provider.apply(ZONE, [Delete(old)])
