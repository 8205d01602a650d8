"""The closer look: records at misspelled names, wildcards, serials, the delegation above, what resolvers still hold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.lookup.followup import misspellings
from dkimctl.verify.report import Report, Target
from tests.conftest import needs
from tests.dns_servers import SOA, Knot, name_servers, txt
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid_report

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text


@dataclass(frozen=True)
class Place:
    """How to ask, and the resolver's substitute with older records."""

    lookup: Lookup
    stale: Lookup

    def look(self, selector: str, domain: str, *, thorough: bool = False) -> Report:
        """One report."""
        [report] = check([Target(selector, domain, PAIR.public)], self.lookup, thorough=thorough)
        assert_valid_report(report)
        return report


def codes(report: Report) -> set[str]:
    """The codes of its findings."""
    return {f.code for f in report.findings}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Zones with misplaced records, wildcards, and a parent whose delegation differs."""
    directory = tmp_path_factory.mktemp("closer")
    port = free_port_everywhere(FIRST, SECOND)
    wrong_names = "".join(
        [
            txt("a._domainkey.example.com", GOOD),
            txt("b.domainkey", GOOD),
            txt("c._domainkeys", GOOD),
            txt("_domainkey.d", GOOD),
            txt("e", GOOD),
            txt("f._domainkey", GOOD),
            txt("g._domainkey.sub.example.com", GOOD),
            txt("_domainkey", "o=~"),
        ]
    )
    wild = txt("*._domainkey", "v=spf1 -all") + txt("own._domainkey", GOOD)
    lagging = name_servers(FIRST, SECOND) + txt("s._domainkey", GOOD)
    above = f"{SOA}@ NS ns1\nns1 A {SECOND}\n" + "".join(
        f"child NS {server}.child\n{server}.child A {FIRST}\n" for server in ("ns1", "ns7")
    )
    zones = {
        "example.com": name_servers(FIRST) + wrong_names,
        "wild.example": name_servers(FIRST) + wild,
        "keywild.example": name_servers(FIRST) + txt("*", GOOD),
        "lagging.example": lagging,
        "above.example": above,
        "child.above.example": name_servers(FIRST) + txt("s._domainkey", GOOD),
    }
    old = lagging.replace(" 1 3600", " 7 3600")
    second = {"lagging.example": old, "example.com": SOA + "@ NS ns1\n", "above.example": above}
    knots = [
        Knot(directory / "first", FIRST, port, zones).start(),
        Knot(directory / "second", SECOND, port, second).start(),
    ]
    lookup = Lookup((f"{FIRST}:{port}",), port, timeout=12.0)
    yield Place(lookup, replace(lookup, nameservers=(f"{FIRST}:{port}", f"{SECOND}:{port}")))
    for knot in knots:
        knot.stop()


@needs("knotd")
@pytest.mark.parametrize(
    ("selector", "domain", "code", "where"),
    [
        ("a", "example.com", "DKIM110", "a._domainkey.example.com.example.com"),
        ("b", "example.com", "DKIM111", "b.domainkey.example.com"),
        ("c", "example.com", "DKIM111", "c._domainkeys.example.com"),
        ("d", "example.com", "DKIM112", "_domainkey.d.example.com"),
        ("e", "example.com", "DKIM112", "e.example.com"),
        ("f", "sub.example.com", "DKIM116", "f._domainkey.example.com"),
        ("g", "sub.example.com", "DKIM110", "g._domainkey.sub.example.com.example.com"),
    ],
)
def test_a_record_at_the_wrong_name_is_found(place: Place, selector: str, domain: str, code: str, where: str) -> None:
    """Nothing at the right name: the names that people type by mistake are tried, and the record there is named."""
    report = place.look(selector, domain)
    assert codes(report) == {"DKIM101", code}
    assert any(where in f.seen for f in report.findings)
    assert report.publish == GOOD
    assert report.publish_at == report.owner


@needs("knotd")
def test_what_is_found_elsewhere_must_be_a_key_record(place: Place) -> None:
    """Other records at those names, and what a wildcard says there, are not taken for the missing one."""
    assert codes(place.look("nothing", "example.com")) == {"DKIM101"}


@needs("knotd")
def test_a_wildcard_is_told_from_a_record(place: Place) -> None:
    """A wildcard's answer is named as such, be it another record or a key; a record of its own beside it is not."""
    assert codes(place.look("s", "wild.example")) == {"DKIM113", "DKIM201"}
    assert codes(place.look("own", "wild.example", thorough=True)) == {"DKIM300"}
    assert codes(place.look("s", "keywild.example", thorough=True)) == {"DKIM113", "DKIM300"}


@needs("knotd")
def test_serials_are_shown_side_by_side(place: Place) -> None:
    """Servers with the same record and another serial are noticed by the thorough look, with both numbers."""
    assert codes(place.look("s", "lagging.example")) == {"DKIM300"}
    report = place.look("s", "lagging.example", thorough=True)
    assert codes(report) == {"DKIM118", "DKIM300"}
    assert {answer.serial for answer in report.answers} == {1, 7}


@needs("knotd")
def test_the_delegation_is_compared(place: Place) -> None:
    """A server that only the zone above names is found by the thorough look."""
    report = place.look("s", "child.above.example", thorough=True)
    assert codes(report) == {"DKIM119", "DKIM300"}
    assert "ns7.child.above.example" in next(f.seen for f in report.findings if f.code == "DKIM119")


@needs("knotd")
def test_what_a_cache_still_holds_is_shown(place: Place) -> None:
    """With `recursive` a resolver that has another answer than every server is named."""
    target = Target("f", "example.com", PAIR.public)
    [report] = check([target], place.stale, recursive=True)
    assert codes(report) == {"DKIM300", "DKIM509"}
    assert [answer.state for answer in report.resolvers] == ["text", "no such name"]


def test_misspellings_are_names_of_dns() -> None:
    """However long the right name is, no name beyond DNS's limits is tried, none twice, and never the right one."""
    for domain in ("example.com", "sub.example.com", f"{'a' * 63}.{'b' * 63}.{'c' * 50}.example.com"):
        names = [name for _, name in misspellings("mail", domain, "example.com")]
        assert len(set(names)) == len(names) > 4
        assert all(len(name) <= 253 for name in names)
        assert f"mail._domainkey.{domain}" not in names
