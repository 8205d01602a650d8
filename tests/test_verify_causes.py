"""verify-dns names the cause: wildcards on the way, DNAME, lame delegations, copies edited apart, firewalls."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.output.plain import plain_lines
from dkimctl.output.verification import report_blocks
from dkimctl.publish.plan import Wanted
from dkimctl.publish.waiting import is_served, not_served
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.report import Report, Target
from tests.conftest import DkimctlInside, needs
from tests.dns_servers import SOA, Knot, Unbound, name_servers, txt
from tests.hostile_dns import Hostile, Send, answer
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid_report

HOME, OTHER, DEAD, LAME = "127.0.0.1", "127.0.0.12", "127.0.0.13", "127.0.0.14"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text
SPF = "v=spf1 -all"


@dataclass(frozen=True)
class Place:
    """Two knots with the zones, one of them also in the resolver's place; and a real resolver before them."""

    lookup: Lookup
    unbound: Lookup

    def look(self, selector: str, domain: str, lookup: Lookup | None = None, *, thorough: bool = False) -> Report:
        """One report, about a key that is at hand."""
        target = Target(selector, domain, PAIR.public)
        [report] = check([target], lookup or self.lookup, thorough=thorough)
        assert_valid_report(report)
        return report


def codes(report: Report) -> set[str]:
    """The codes of its findings."""
    return {f.code for f in report.findings}


def refuses(query: bytes, send: Send) -> None:
    """A server that does not know the zone."""
    send(answer(query, rcode=5))


def silent(query: bytes, send: Send) -> None:
    """A server behind a firewall."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Everything that goes wrong, in a zone each."""
    directory = tmp_path_factory.mktemp("causes")
    port = free_port_everywhere(HOME, OTHER, DEAD, LAME)
    above = f"{SOA}@ NS ns1\nns1 A {HOME}\nlame NS ns1.lame\nns1.lame A {LAME}\nfine NS ns1.fine\nns1.fine A {HOME}\n"
    zones = {
        "a.example": name_servers(HOME) + txt("@", SPF) + txt("s._domainkey", SPF),
        "wild.example": name_servers(HOME) + "* CNAME a.example.\n",
        "deep.example": name_servers(HOME) + "s._domainkey CNAME k.farm\n*.farm CNAME a.example.\n",
        "gone.example": name_servers(HOME) + "* CNAME nothing.a.example.\n",
        "text.example": name_servers(HOME) + txt("*", SPF) + txt("*", "another"),
        "target.example": name_servers(HOME) + "s._domainkey CNAME k.text.example.\n",
        "two.example": name_servers(HOME) + "* CNAME k.wild.example.\n",
        "nowhere.example": name_servers(HOME) + "_domainkey DNAME keys.text.example.\n",
        "empty.example": name_servers(HOME) + "_domainkey DNAME x.keys.example.\n",
        "dname.example": name_servers(HOME) + "_domainkey DNAME keys.example.\n",
        "keys.example": name_servers(HOME) + txt("s", GOOD),
        "apart.example": name_servers(HOME, OTHER) + txt("s._domainkey", GOOD),
        "above.example": above,
        "walled.example": name_servers(DEAD) + txt("s._domainkey", GOOD) + txt("old._domainkey", SPF),
    }
    second = {"apart.example": name_servers(HOME, OTHER) + txt("s._domainkey", SPF)}
    knots = [
        Knot(directory / "first", HOME, port, zones).start(),
        Knot(directory / "second", OTHER, port, second | {"walled.example": zones["walled.example"]}).start(),
    ]
    hostile = [Hostile(DEAD, port, silent).start(), Hostile(LAME, port, refuses).start()]
    front = free_port_everywhere(HOME)
    (directory / "unbound").mkdir()
    unbound = Unbound(directory / "unbound", front, dict.fromkeys(zones, port)).start()
    lookup = Lookup((f"{HOME}:{port}",), port, timeout=6.0)
    yield Place(lookup, replace(lookup, nameservers=(f"{HOME}:{front}",)))
    for server in (*hostile, unbound, *knots):
        server.stop()


@needs("knotd", "unbound")
@pytest.mark.parametrize(
    ("domain", "wild", "publish_at"),
    [
        ("wild.example", "s._domainkey.wild.example", "s._domainkey.wild.example"),
        ("deep.example", "k.farm.deep.example", "k.farm.deep.example"),
        ("gone.example", "s._domainkey.gone.example", "s._domainkey.gone.example"),
        ("text.example", "s._domainkey.text.example", "s._domainkey.text.example"),
        ("target.example", "k.text.example", "k.text.example"),
        ("two.example", "s._domainkey.two.example", "s._domainkey.two.example"),
        ("nowhere.example", "s.keys.text.example", "s.keys.text.example"),
    ],
)
def test_a_wildcard_on_the_way_is_named(place: Place, domain: str, wild: str, publish_at: str) -> None:
    """Wherever on the chain a wildcard leads on, it is named, and nothing is to be published where only it leads."""
    report = place.look("s", domain)
    assert "DKIM113" in codes(report)
    assert next(f.subject for f in report.findings if f.code == "DKIM113") == wild
    fixes = {f.code: f.fix for f in report.findings if f.severity.value == "error"}
    assert fixes
    assert all(fix.startswith(f"publish the key record at {publish_at}; ") for fix in fixes.values()), fixes
    assert report.publish_at == publish_at
    assert f"{publish_at}. IN TXT" in "".join(plain_lines(report_blocks(report)))
    assert "a.example. IN TXT" not in "".join(plain_lines(report_blocks(report))).replace(publish_at, "")


@needs("knotd", "unbound")
def test_a_dname_is_said(place: Place) -> None:
    """The record at the end of a DNAME is right, and that one verifier does not get there is said."""
    report = place.look("s", "dname.example")
    assert codes(report) == {"DKIM103", "DKIM125", "DKIM300"}
    assert "_domainkey.dname.example" in next(f.seen for f in report.findings if f.code == "DKIM125")


@needs("knotd", "unbound")
def test_what_is_missing_after_a_dname(place: Place) -> None:
    """There is no CNAME that someone could replace: the record belongs where the DNAME leads."""
    report = place.look("s", "empty.example")
    assert report.publish_at == "s.x.keys.example"
    assert next(f.fix for f in report.findings if f.code == "DKIM104").startswith("publish the record at s.x.keys.")


@needs("knotd", "unbound", "opendkim")
def test_opendkim_cannot_verify_after_a_dname(place: Place, tmp_path: Path) -> None:
    """As DKIM125 says, measured with the real one; without the DNAME it verifies."""
    assert not _is_verified("dname.example", "s", place, tmp_path)
    assert _is_verified("apart.example", "s", place, tmp_path)


def _is_verified(domain: str, selector: str, place: Place, directory: Path) -> bool:
    key, plain = directory / "key", directory / "plain"
    key.write_bytes(PAIR.private_pem)
    key.chmod(0o600)
    plain.write_text(f"From: a@{domain}\nTo: b@example.org\nSubject: x\nDate: Mon, 23 Nov 2026 01:00:00 +0000\n\nhi\n")
    sign, verify = directory / "sign.conf", directory / "verify.conf"
    sign.write_text(f"Mode s\nDomain {domain}\nSelector {selector}\nKeyFile {key}\nRequireSafeKeys no\n")
    address, _, port = place.lookup.nameservers[0].partition(":")
    verify.write_text(f"Mode v\nNameservers {address}@{port}\nSyslog no\nTemporaryDirectory {directory}\n")

    def run(conf: Path, mail: Path) -> str:
        return subprocess.run(
            ["opendkim", "-x", str(conf), "-v", "-t", str(mail)], capture_output=True, text=True, timeout=60
        ).stdout.replace("\r", "")

    header = run(sign, plain)
    signed = directory / "signed"
    signed.write_text(
        header[header.index("DKIM-Signature:") :].partition("\n\n")[0].rstrip() + "\n" + plain.read_text()
    )
    return "succeeded" in run(verify, signed)


@needs("knotd", "unbound")
def test_a_lame_delegation_is_the_cause_of_servfail(place: Place) -> None:
    """The resolver's failure is traced: the zone above is asked, then the server that it names, which refuses."""
    report = place.look("s", "lame.above.example", place.unbound)
    assert codes(report) == {"DKIM108", "DKIM109"}
    seen = {f.code: f for f in report.findings}
    assert "lame.above.example is delegated to servers of which none answers" in seen["DKIM109"].seen
    assert "resolver" not in seen["DKIM109"].fix
    assert LAME in seen["DKIM108"].seen
    assert "REFUSED" in seen["DKIM108"].seen


@needs("knotd", "unbound")
def test_equal_serials_are_no_transfer_lag(place: Place) -> None:
    """Two servers with different records and the same serial: the advice is not to wait for a transfer."""
    report = place.look("s", "apart.example")
    fix = next(f.fix for f in report.findings if f.code == "DKIM106")
    assert "the serial is 1 at each of them" in fix
    assert "wait" not in fix


@needs("knotd", "unbound")
def test_a_firewall_is_said(place: Place) -> None:
    """Only a resolver answers: that is the finding, what it holds is shown as it is, and nothing counts as proven."""
    lookup = replace(place.unbound, timeout=0.4)
    report = place.look("s", "walled.example", replace(lookup, nameservers=place.lookup.nameservers))
    assert codes(report) == {"DKIM107", "DKIM511"}
    assert report.verdict == "unknown"
    assert "--nameserver" in next(f.fix for f in report.findings if f.code == "DKIM511")
    assert "another text" not in "".join(plain_lines(report_blocks(report)))


@needs("knotd", "unbound")
def test_several_resolvers_are_a_weaker_proof(place: Place) -> None:
    """Two that were named serve exactly the record: it is right, with a warning that says how that is known."""
    [one] = place.lookup.nameservers
    two = Lookup((one, one.replace(HOME, OTHER)), place.lookup.port, timeout=0.4)
    report = place.look("s", "walled.example", two)
    assert codes(report) == {"DKIM300", "DKIM512"}
    assert report.text == GOOD
    assert "2 resolvers" in next(f.seen for f in report.findings if f.code == "DKIM300")
    assert codes(place.look("old", "walled.example", two)) == {"DKIM107", "DKIM511"}
    assert codes(place.look("missing", "walled.example", two)) == {"DKIM107", "DKIM511"}


@needs("knotd", "unbound")
def test_a_publication_says_that_a_firewall_is_in_the_way(place: Place) -> None:
    """What is waited for in vain behind a firewall ends with the advice to open it, or to name several resolvers."""
    lookup = Lookup(place.lookup.nameservers, place.lookup.port, timeout=0.4)
    wanted = Wanted("walled.example", "s", "s._domainkey.walled.example", record_for(PAIR.public, "rsa", Tags()), None)
    report = place.look("s", "walled.example", lookup)
    assert not is_served(wanted, report)
    error = not_served(wanted, report, 600)
    assert "only resolvers can be queried from here" in error.message
    assert "--nameserver A --nameserver B" in error.hint


@needs("knotd", "unbound")
def test_a_publication_behind_a_firewall_does_not_wait_in_vain(place: Place, dkimctl_inside: DkimctlInside) -> None:
    """With one resolver nothing can be proven: it ends long before its time is over, and says why and what helps."""
    assert dkimctl_inside("genkey", "-s", "s", "walled.example").code == 0
    zone = dkimctl_inside.root / "walled.zone"
    zone.write_text(f"$ORIGIN walled.example.\n$TTL 300\n{name_servers(DEAD)}")
    [one] = place.lookup.nameservers
    asked = ("--nameserver", one, "--dns-port", str(place.lookup.port))
    ran = dkimctl_inside(
        "publish",
        "walled.example",
        "-s",
        "s",
        "--provider",
        "zonefile:/walled.zone",
        "--wait",
        "--timeout",
        "9000",
        *asked,
    )
    assert ran.code == 3
    assert "it cannot be seen from here: only resolvers can be queried" in ran.err
    assert "--nameserver A --nameserver B" in ran.err
    assert "s._domainkey" in zone.read_text()


@needs("knotd", "unbound")
def test_every_command_says_that_the_proof_is_weaker(place: Place, dkimctl_inside: DkimctlInside) -> None:
    """Behind a firewall publish and setup finish by what two resolvers serve, and say so, in JSON too."""
    assert dkimctl_inside("genkey", "-s", "s", "walled.example").code == 0
    key = dkimctl_inside.root / "etc/opendkim/keys/walled.example/s"
    key.with_suffix(".private").write_bytes(PAIR.private_pem)
    key.with_suffix(".json").unlink()
    zone = dkimctl_inside.root / "walled.zone"
    zone.write_text(f"$ORIGIN walled.example.\n$TTL 300\n{name_servers(DEAD)}{txt('s._domainkey', GOOD)}")
    [one] = place.lookup.nameservers
    resolvers = ("--nameserver", one, "--nameserver", one.replace(HOME, OTHER))
    asked = ("walled.example", "--provider", "zonefile:/walled.zone", *resolvers, "--json")
    world = {"DKIMCTL_DNS_PORT": str(place.lookup.port)}
    [publication] = dkimctl_inside("publish", "--wait", *asked, env=world).json["publications"]
    assert (publication["served"], publication["servers"]) == (True, 0)
    steps = dkimctl_inside("setup", *asked, env=world).json["steps"]
    assert "weaker" in next(step["proof"] for step in steps if step["name"] == "in DNS")


@needs("knotd", "unbound")
def test_split_dns_is_said(place: Place, tmp_path: Path) -> None:
    """A resolver that has the zone itself is named: the world may see another copy. One that asks for it is not."""
    port = free_port_everywhere(HOME)
    own = f"""    local-zone: "keys.example." static
    local-data: "keys.example. 300 IN SOA ns1.keys.example. h.keys.example. 1 3600 600 86400 300"
    local-data: "keys.example. 300 IN NS ns1.keys.example."
    local-data: "ns1.keys.example. 300 IN A {HOME}"
    local-data: "_domainkey.keys.example. 300 IN A {HOME}"
"""
    stubs = {"a.example": place.lookup.port}
    unbound = Unbound(tmp_path, port, stubs, options=own).start()
    target = Target("s", "keys.example", PAIR.public)
    lookup = replace(place.unbound, nameservers=(f"{HOME}:{port}",))
    [split] = check([target._replace(selector="x")], lookup)
    unbound.stop()
    [usual] = check([target._replace(selector="x")], place.unbound)
    assert codes(split) - codes(usual) == {"DKIM513"}
    assert f"{HOME}:{port}" in next(f.seen for f in split.findings if f.code == "DKIM513")
