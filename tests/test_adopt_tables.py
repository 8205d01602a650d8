"""The new tables of `adopt`: on generated ones every address keeps its key, by another reading than adopt's own."""

from hypothesis import given
from hypothesis import strategies as st

from dkimctl.adopt.candidates import survey
from dkimctl.adopt.installed import Installed, Table
from dkimctl.adopt.new_tables import arrange
from dkimctl.adopt.tables import Tables
from dkimctl.host.datasets import DataSet, DataSetState
from dkimctl.host.table_lookup import find_key, resolved, wanted_keys
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.managed_block import Foreign, Line
from dkimctl.opendkim.tables import Row, rows

DOMAINS = ("a.tld", "b.tld", "s.a.tld", "x.s.a.tld", "A.tld")
ADDRESSES = [f"{user}@{label}{domain}" for user in ("bob", "eve") for label in ("", "q.", "r.q.") for domain in DOMAINS]
SOUND = ("ka a.tld:mail:/k/1\n", "kb b.tld:mail:/k/1\n", "ks s.a.tld:mail:/k/3\n", "kp %:mail:/k/%\n")
RIGHT = {"a.tld": "ka", "A.tld": "ka", "b.tld": "kb", "s.a.tld": "ks", "x.s.a.tld": "kp"}
NAMES = ("k1", "k2", "mail._domainkey.a.tld", "mail._domainkey.b.tld", "lost", "%")
VALUES = (
    *("a.tld:mail:/k/1", "b.tld:mail:/k/1", "a.tld:other:/k/2", "s.a.tld:mail:/k/3"),
    *("%:mail:/k/%", "A.tld:mail:/k/1", "a.tld:mail", "b.tld:mail:MIIkey"),
)
odd_lines = st.lists(st.builds("{} {}\n".format, st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3)
key_lines = odd_lines.flatmap(lambda odd: st.permutations([*SOUND, *odd]))
remark = st.sampled_from(("# remark\n", "\n"))


def signing_line(patterns: bool) -> st.SearchStrategy[str]:
    """A row of a `file:` or a `refile:` table, sound ones more often than odd ones, or a remark."""
    forms = (
        ("*@{}", "*@{}", "*@*.{}", "*@*.{}", "bob@{}", "*{}") if patterns else ("{}", "{}", ".{}", ".{}", "bob@{}", "*")
    )
    row = st.builds(
        lambda form, domain, odd, is_odd: f"{form.format(domain)} {odd if is_odd else RIGHT[domain]}\n",
        st.sampled_from(forms),
        st.sampled_from(DOMAINS),
        st.sampled_from((*NAMES, "k1:bob@a.tld", "ka:bob@a.tld")),
        st.sampled_from((False, False, False, True)),
    )
    return st.one_of(row, row, row, remark)


def table(lines: list[str], *, patterns: bool) -> Table:
    """The table with these lines, all of them a person's."""
    numbered = tuple(Line(number, text.encode()) for number, text in enumerate(lines, 1))
    found = tuple(rows([line.text for line in numbered], patterns=patterns))
    return Table(found, patterns, Foreign(numbered), "/etc/opendkim/Table", in_place=True)


def data_set(found: tuple[Row, ...], *, patterns: bool) -> DataSet:
    """The same for `why`'s lookup."""
    kind = "refile" if patterns else "file"
    return DataSet(Setting("Table", kind, "", 1), kind, "/t", DataSetState.READ, found)


def outcome(signing: DataSet, keys: DataSet, address: str, *, several: bool) -> list[tuple[str, ...]]:
    """What signs mail from an address, by the lookup of `why`; the order of several signatures counts for nothing."""
    found = []
    for wanted in wanted_keys(signing, address.lower(), several=several):
        row = find_key(keys, wanted.name)
        entry = resolved(row, address.lower().rpartition("@")[2]) if row else None
        found.append((entry.domain, entry.selector, entry.path, wanted.signer) if entry else (wanted.name,))
    return sorted(found)


@given(st.data(), st.booleans(), st.booleans(), key_lines)
def test_every_address_keeps_its_key(data: st.DataObject, patterns: bool, several: bool, key_text: list[str]) -> None:
    """Whatever the tables look like: same d=, s=, file and i=; every line that is not taken over is still there."""
    signing_text = data.draw(st.lists(signing_line(patterns), max_size=8))
    signing, keys = table(signing_text, patterns=patterns), table(key_text, patterns=False)
    tables = Tables(signing.rows, patterns, keys.rows, False, several)
    installed = Installed(signing, keys, tables)
    candidates, left = survey(installed)
    arranged = arrange(installed, candidates)
    assert arranged.changed == ()
    new_signing = b"".join(arranged.signing).splitlines(keepends=True)
    new_keys = b"".join(arranged.keys).splitlines(keepends=True)
    before = data_set(signing.rows, patterns=patterns), data_set(keys.rows, patterns=False)
    after = (
        data_set(tuple(rows(new_signing, patterns=patterns)), patterns=patterns),
        data_set(tuple(rows(new_keys, patterns=False)), patterns=False),
    )
    for address in ADDRESSES:
        assert outcome(*before, address, several=several) == outcome(*after, address, several=several), address
    taken = {row.line for candidate in candidates for row in candidate.rows}
    assert {left_row.where for left_row in left} == {signing.at(row) for row in signing.rows if row.line not in taken}
    for number, text in enumerate(signing_text, 1):
        assert number in taken or text.encode() in new_signing


@given(st.data(), st.booleans(), key_lines)
def test_a_second_run_takes_nothing(data: st.DataObject, patterns: bool, key_text: list[str]) -> None:
    """What was taken over is dkimctl's, and what stayed stays again."""
    signing_text = data.draw(st.lists(signing_line(patterns), max_size=8))
    signing, keys = table(signing_text, patterns=patterns), table(key_text, patterns=False)
    installed = Installed(signing, keys, Tables(signing.rows, patterns, keys.rows, False))
    candidates, left = survey(installed)
    arranged = arrange(installed, candidates)
    again = Installed(
        _managed_table(b"".join(arranged.signing), patterns=patterns),
        _managed_table(b"".join(arranged.keys), patterns=False),
        Tables(
            tuple(rows(b"".join(arranged.signing).splitlines(keepends=True), patterns=patterns)),
            patterns,
            tuple(rows(b"".join(arranged.keys).splitlines(keepends=True), patterns=False)),
            False,
        ),
    )
    twice, still_left = survey(again)
    assert not twice
    assert len(still_left) == len(left)
    assert b"".join(arrange(again, []).signing) == b"".join(arranged.signing)
    assert set(b"".join(arrange(again, []).keys).splitlines()) == set(b"".join(arranged.keys).splitlines())


def _managed_table(content: bytes, *, patterns: bool) -> Table:
    """A table with a managed block, read as from the disk."""
    lines = content.splitlines(keepends=True)
    begin = next(n for n, line in enumerate(lines, 1) if line.startswith(b"# BEGIN"))
    end = next(n for n, line in enumerate(lines, 1) if line.startswith(b"# END"))
    above = tuple(Line(n, line) for n, line in enumerate(lines, 1) if n < begin)
    below = tuple(Line(n, line) for n, line in enumerate(lines, 1) if n > end)
    found = tuple(rows(lines, patterns=patterns))
    return Table(found, patterns, Foreign(above, below), "/etc/opendkim/Table", in_place=True)
