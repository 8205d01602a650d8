"""What holds the long lists of `status` and `rotate`: like a tuple and a set to those who read it, and much smaller."""

import json
import sys

import pytest

from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.key_status import KeyStatus
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.plan import Do
from dkimctl.lifecycle.rows import Rows
from dkimctl.lifecycle.status import Status
from dkimctl.names import merged
from dkimctl.output.layout import Made, Table
from dkimctl.output.machine import document, document_parts
from dkimctl.output.plain import plain_lines
from dkimctl.signers.packed_names import PackedNames

AT = "2026-11-23T10:04:02Z"


def key(number: int) -> KeyStatus:
    """The status of a key of the domain of this number."""
    domain, phase = f"d{number // 2:05}.example", (Phase.ACTIVE, Phase.VERIFIED)[number % 2]
    return KeyStatus(domain, f"dk{number % 2}", phase, AT, "rsa", 2048, None, AT, number, f"dkimctl setup {domain}")


def rows(count: int) -> Rows[KeyStatus]:
    """So many of them."""
    found = Rows(KeyStatus, phase=Phase)
    for number in range(count):
        found.add(key(number))
    return found


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_rows_are_what_was_added(count: int) -> None:
    """At the ends of what is packed together, too; read as often as wanted, by number, from the end and in part."""
    found, wanted = rows(count), tuple(key(number) for number in range(count))
    assert len(found) == count and tuple(found) == wanted and tuple(found) == wanted
    assert found[998:1003] == wanted[998:1003] and found[::-400] == wanted[::-400]
    if count:
        assert (found[0], found[-1]) == (wanted[0], wanted[-1]) and found[-1].phase is wanted[-1].phase
    with pytest.raises(IndexError):
        found[count]


def test_a_step_that_is_none_stays_none() -> None:
    """The next step of a held domain has no action."""
    steps = [NextStep("a.example", "", None, None, False, "held"), NextStep("b.example", "x", Do.SWITCH, AT, True, "")]
    found = Rows(NextStep, step=Do)
    for one in steps * 600:
        found.add(one)
    assert list(found) == steps * 600 and found[1001].step is Do.SWITCH


def test_rows_are_small() -> None:
    """Less than 60 octets for a key, of which the objects alone would have ten times as many."""
    found = rows(20_000)
    assert sum(map(len, found._packed)) < 20_000 * 60


def test_json_of_rows_is_that_of_a_tuple() -> None:
    """Written in parts or at once: the same document."""
    for count in (0, 3, 4000):
        one = Status(rows(count), (), ())
        other = Status(tuple(rows(count)), (), ())
        text = document("status", other, more=[1])
        assert "".join(document_parts("status", one, more=[1])) == text
        assert len(json.loads(text)["status"]["keys"]) == count
    assert len(list(document_parts("status", Status(rows(4000), (), ())))) > 2


def test_a_table_of_made_rows_is_that_of_a_list() -> None:
    """Its columns are as wide as its widest cells, wherever they are."""
    made = [("a" * (n % 40), f"{n}", "") for n in range(300)]
    assert "".join(plain_lines([Table(("X", "Y", "Z"), Made(300, lambda: made))])) == "".join(
        plain_lines([Table(("X", "Y", "Z"), made)])
    )
    assert ("a", "1", "") in Made(300, lambda: made) and ("b", "1", "") not in Made(300, lambda: made)


NAMES = {(f"d{n}.example", f"s{n % 7}") for n in range(3000)} | {("d1.example", "s1x"), ("d1.example", "x"), ("ü", "é")}


def test_packed_names_are_a_set() -> None:
    """Equal to one, whatever is asked of it; a part of a name is none."""
    found = PackedNames([*NAMES, *NAMES])
    assert found == NAMES and found == NAMES and len(found) == len(NAMES) and set(found) == NAMES
    assert all(name in found for name in NAMES)
    for absent in (("d1.example", "s"), ("1.example", "s1"), ("d1.example", "1x"), ("", ""), ("d1.example", "s1\n"), 7):
        assert absent not in found
    assert found - {("ü", "é")} == NAMES - {("ü", "é")} and NAMES - found == set() and not found.isdisjoint(NAMES)
    assert found | {("new", "s")} == NAMES | {("new", "s")} and PackedNames() == frozenset()


def test_packed_names_are_small() -> None:
    """Half of what a set of pairs has for its own table alone."""
    names = [(f"customer{n:06}.example", f"dk{n % 2}") for n in range(200_000)]
    found = PackedNames(names)
    assert sum(map(sys.getsizeof, found._buckets.values())) < sum(sys.getsizeof(one) for one in names)


def test_names_are_merged_sorted_and_once() -> None:
    """Those of the key directory and those of the configuration."""
    assert merged(["a", "c"], {"b": 1, "c": 2, "a": 3}) == ["a", "b", "c"]
    assert merged(iter(["a", "c"]), ()) == ["a", "c"] and merged([], ["b", "a"]) == ["a", "b"]
