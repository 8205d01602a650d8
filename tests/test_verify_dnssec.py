"""verify-dns with a real validating unbound: zones that real knots signed, and zones broken on purpose."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from dkimctl.config.settings import Lookup
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.report import Target
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, Unbound, name_servers, txt
from tests.hostile_dns import Hostile, Send, answer
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid_report

HOME = "127.0.0.1"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text
SIGNED = ("signed.example", "bogus.example", "torn.example")
PLAIN = "plain.example"
MANY = [f"n{number}" for number in range(40)]


@dataclass(frozen=True)
class Zones:
    """Where each zone is served, and which DNSKEY unbound is told to trust for it."""

    port: int
    """Of the authoritative server."""
    ports: dict[str, int]
    """Where unbound goes for each zone: for the torn one to another server than everybody else."""
    anchors: dict[str, list[str]]


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    """Signed zones and a plain one; one of them again with a broken signature."""
    directory = tmp_path_factory.mktemp("dnssec")
    port, torn_port = free_port_everywhere(HOME), free_port_everywhere(HOME)
    body = name_servers(HOME) + "".join(txt(f"{name}._domainkey", GOOD) for name in ("s", *MANY))
    options = dict.fromkeys(SIGNED, "    dnssec-signing: on\n    zonefile-sync: 0\n")
    knot = Knot(directory / "knot", HOME, port, dict.fromkeys((*SIGNED, PLAIN), body), zone_options=options).start()
    zone = with_a_broken_signature(await_signed(directory / "knot/torn.example.zone"))
    torn = Knot(directory / "torn", HOME, torn_port, {"torn.example": zone}).start()
    keys = {zone: dnskeys(zone, port) for zone in SIGNED}
    yield Zones(port, dict.fromkeys((*SIGNED, PLAIN), port) | {"torn.example": torn_port}, keys)
    torn.stop()
    knot.stop()


def await_signed(path: Path) -> str:
    """The zone file as soon as knot has rewritten it with the signatures."""
    deadline = time.monotonic() + 20
    while "RRSIG" not in (text := path.read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    return text


def with_a_broken_signature(zone: str) -> str:
    """The same zone with the first letter changed of the signatures over two of the TXT records."""
    changed, count = re.subn(
        r"^((?:s|n0)\._domainkey\S*\s.*\sRRSIG\s+TXT\s.*\s)(\S)(\S+)$",
        lambda m: m[1] + ("B" if m[2] == "A" else "A") + m[3],
        zone,
        flags=re.MULTILINE,
    )
    assert count == 2
    return changed


def dnskeys(zone: str, port: int) -> list[str]:
    """The zone's public keys, as soon as knot has signed it."""
    asked = ["dig", f"@{HOME}", "-p", str(port), zone, "DNSKEY", "+short"]
    deadline = time.monotonic() + 60
    while not (keys := subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout.splitlines()):
        assert time.monotonic() < deadline, f"{zone} is not signed"
        time.sleep(0.05)
    return keys


@pytest.fixture
def lookup(zones: Zones, tmp_path: Path) -> Iterator[Lookup]:
    """A fresh unbound, which remembers nothing; for bogus.example it trusts the keys of another zone."""
    trusted = zones.anchors | {"bogus.example": zones.anchors["signed.example"]}
    unbound = Unbound(tmp_path, free_port_everywhere(HOME), zones.ports, trusted).start()
    yield Lookup((f"{HOME}:{unbound.port}",), zones.port, timeout=6.0)
    unbound.stop()


@needs("knotd", "unbound", "dig")
@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("signed.example", {"DKIM300", "DKIM505"}),
        ("plain.example", {"DKIM300", "DKIM504"}),
        ("bogus.example", {"DKIM503"}),
        ("torn.example", {"DKIM503"}),
    ],
)
def test_dnssec_as_a_validating_resolver_sees_it(lookup: Lookup, zone: str, expected: set[str]) -> None:
    """A real unbound vouches for a signed zone, not for a plain one, and refuses what is signed wrongly."""
    [report] = check([Target("s", zone, PAIR.public)], lookup, thorough=True)
    assert {f.code for f in report.findings} == expected, report.findings
    assert report.text == GOOD
    assert_valid_report(report)


@needs("knotd", "unbound", "dig")
@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        ("bogus.example", r"\((DNSKEY missing|DNSSEC bogus): validation failure .* for trust anchor bogus\.example\."),
        ("torn.example", r"\(DNSSEC bogus: validation failure .* signature crypto failed"),
    ],
)
def test_the_resolver_s_own_reason_is_shown(lookup: Lookup, zone: str, reason: str, dkimctl_inside: Dkimctl) -> None:
    """Of a bogus zone, and of a record whose signature alone is broken, the extended error's name and text are told."""
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    run = dkimctl_inside("verify-dns", zone, "-s", "s", env=environment)
    assert run.code == 1, run.out + run.err
    assert "error    DKIM503" in run.out
    assert re.search(reason, " ".join(run.out.split())), run.out
    run = dkimctl_inside("verify-dns", zone, "-s", "s", "--json", env=environment)
    assert [report["dnssec"] for report in run.json["reports"]] == ["bogus"]


@needs("knotd", "unbound", "dig")
@pytest.mark.parametrize("brief", [False, True])
def test_a_broken_signature_is_found_among_many_names(lookup: Lookup, brief: bool) -> None:
    """However many names there are and whatever way they take, a record that no resolver hands on is not right."""
    targets = [Target(name, zone, PAIR.public) for zone in ("signed.example", "torn.example") for name in MANY]
    found = {report.owner: {f.code for f in report.findings} for report in check(targets, lookup, brief=brief)}
    wrong = found.pop("n0._domainkey.torn.example")
    assert wrong == {"DKIM503"}
    assert len(found) == len(targets) - 1
    assert set(map(frozenset, found.values())) == {frozenset({"DKIM300", "DKIM505"})}


@needs("knotd", "unbound", "dig")
@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize(("answers", "why"), [(True, "it answers SERVFAIL"), (False, "no answer in time")])
def test_a_signature_that_no_resolver_could_check_is_not_right(
    lookup: Lookup, answers: bool, why: str, brief: bool
) -> None:
    """In a signed zone what validates the record is part of the check: where it gives no answer, nothing is proven."""

    def without_texts(query: bytes, send: Send) -> None:
        if dns.message.from_wire(query).question[0].rdtype == dns.rdatatype.TXT:
            return send(answer(query, rcode=2)) if answers else None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.settimeout(60)
            way.sendto(query, (HOME, int(lookup.nameservers[0].partition(":")[2])))
            return send(way.recv(65535))

    targets = [Target(name, "signed.example", PAIR.public) for name in ("s", "n1")]
    assert {report.verdict for report in check(targets, lookup)} == {"right"}  # unbound knows all of it from here on
    resolver = Hostile("127.0.8.9", free_port_everywhere("127.0.8.9"), without_texts).start()
    try:
        validating = replace(
            lookup, nameservers=(f"{resolver.address}:{resolver.port}",), timeout=6.0 if answers else 2.0
        )
        reports = list(check(targets, validating, brief=brief))
    finally:
        resolver.stop()
    assert [report.verdict for report in reports] == ["unknown", "unknown"]
    for report in reports:
        assert [f.seen for f in report.findings if f.code == "DKIM510"] == [f"asked for the record itself: {why}"]


@needs("knotd", "unbound", "dig")
def test_what_a_resolver_would_not_hand_on_is_shown(lookup: Lookup) -> None:
    """With `recursive` a resolver that refuses the record is named, beside the reason."""
    [report] = check([Target("s", "torn.example", PAIR.public)], lookup, recursive=True)
    found = {f.code: f.seen for f in report.findings}
    assert set(found) == {"DKIM503", "DKIM510"}
    assert "SERVFAIL (DNSSEC bogus: validation failure" in found["DKIM503"]
    assert f"{lookup.nameservers[0]}: it answers SERVFAIL (DNSSEC bogus" in found["DKIM510"]
