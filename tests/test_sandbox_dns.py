"""The sandbox's name servers: real queries over UDP and TCP, and their faults."""

import socket
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from dkimctl.sandbox import Sandbox, dnsserver
from tests.conftest import needs
from tests.sandbox_clients import KEY_2048, ZONE, ask, texts

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
BOTH = (FIRST, SECOND)
NAME = f"mail._domainkey.{ZONE}"
KEY_4096 = "v=DKIM1; k=rsa; p=" + "MIIC" * 184
"""A key record of 754 bytes: more than an answer without EDNS can carry."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with three zones, one below another."""
    with Sandbox([ZONE, "other.tld", f"child.{ZONE}"]) as running:
        yield running


@pytest.mark.parametrize("server", BOTH)
@pytest.mark.parametrize("field_type", ["DKIM", "TXT"])
def test_key_record(sandbox: Sandbox, server: str, field_type: str) -> None:
    """Both servers serve a DKIM and a TXT as TXT in strings of 255 bytes, with the zone's TTL or its own."""
    zone = sandbox.zone(ZONE)
    zone.add(field_type, "mail._domainkey", KEY_2048)
    zone.add(field_type, "own._domainkey", KEY_2048, ttl=60)
    answer = ask(sandbox, NAME, server=server, recursive=False)
    assert answer.flags & dns.flags.AA
    assert [len(string) for string in answer.answer[0][0].strings] == [255, len(KEY_2048) - 255]
    assert texts(answer) == [KEY_2048.encode()]
    assert answer.answer[0].ttl == 3600
    assert ask(sandbox, f"own._domainkey.{ZONE}", server=server).answer[0].ttl == 60


def test_planted_strings_stay(sandbox: Sandbox) -> None:
    """A TXT that was planted with strings of its own is served as its joined text; escapes are undone."""
    sandbox.zone(ZONE).add("TXT", "a", '"one " "two\\"\\\\\\065"')
    assert texts(ask(sandbox, f"a.{ZONE}")) == [b'one two"\\A']


def test_several_records(sandbox: Sandbox) -> None:
    """Two different records at a name are one set of two; the same twice is one."""
    for target in ("one", "two", "two"):
        sandbox.zone(ZONE).add("TXT", "a", target)
    assert sorted(texts(ask(sandbox, f"a.{ZONE}"))) == [b"one", b"two"]


def test_nxdomain_and_nodata(sandbox: Sandbox) -> None:
    """A missing name and a missing type are two different answers; both contain the SOA."""
    sandbox.zone(ZONE).add("DKIM", "mail._domainkey", KEY_2048)
    for name, rdtype, rcode in (
        (f"nothing.{ZONE}", "TXT", dns.rcode.NXDOMAIN),
        (f"else._domainkey.{ZONE}", "TXT", dns.rcode.NXDOMAIN),
        (f"_domainkey.{ZONE}", "TXT", dns.rcode.NOERROR),
        (NAME, "A", dns.rcode.NOERROR),
        (ZONE, "AAAA", dns.rcode.NOERROR),
    ):
        for server in BOTH:
            answer = ask(sandbox, name, rdtype, server=server, recursive=False)
            assert answer.rcode() == rcode, name
            assert not answer.answer
            assert [str(rrset.name) for rrset in answer.authority] == [f"{ZONE}."]
            assert answer.authority[0].ttl == 300


def test_names_are_found_in_any_case(sandbox: Sandbox) -> None:
    """Case does not matter, on either side, and the answer repeats the question's."""
    sandbox.zone(ZONE).add("TXT", "Mail", "x")
    answer = ask(sandbox, "mAIL.Domain.tld")
    assert texts(answer) == [b"x"]
    assert str(answer.answer[0].name) == "mAIL.Domain.tld."


def test_zone_cut_can_be_found(sandbox: Sandbox) -> None:
    """SOA, NS and addresses lead a client from the resolver to both servers, as on the internet."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [FIRST], sandbox.dns_address[1]
    assert str(dns.resolver.zone_for_name(NAME, resolver=resolver)) == f"{ZONE}."
    assert str(dns.resolver.zone_for_name(f"a.child.{ZONE}", resolver=resolver)) == f"child.{ZONE}."
    servers = sorted(str(server.target) for server in resolver.resolve(ZONE, "NS"))
    assert servers == ["ns1.sandbox.internal.", "ns2.sandbox.internal."]
    assert [resolver.resolve(server, "A")[0].address for server in servers] == list(BOTH)
    soa = resolver.resolve(ZONE, "SOA")[0]
    assert (str(soa.mname), soa.serial) == ("ns1.sandbox.internal.", sandbox.zone(ZONE).serial)


def test_resolver_role(sandbox: Sandbox) -> None:
    """With RD the first server is a resolver: RA, and NXDOMAIN from the root for what exists nowhere."""
    for name, rcode in (("example.org", dns.rcode.NXDOMAIN), ("tld", dns.rcode.NOERROR), (".", dns.rcode.NOERROR)):
        answer = ask(sandbox, name, "TXT")
        assert answer.flags & dns.flags.RA
        assert answer.rcode() == rcode
        assert str(answer.authority[0].name) == "."


def test_authoritative_role(sandbox: Sandbox) -> None:
    """Without RD, and always at the second server, names outside the zones are refused and RA is not set."""
    for server, recursive in ((FIRST, False), (SECOND, False), (SECOND, True)):
        answer = ask(sandbox, "example.org", server=server, recursive=recursive)
        assert answer.rcode() == dns.rcode.REFUSED
        assert not answer.flags & (dns.flags.RA | dns.flags.AA)


def test_cname_is_followed(sandbox: Sandbox) -> None:
    """A CNAME leads to another name of the zone, to another zone of the sandbox, or nowhere."""
    sandbox.zone("other.tld").add("DKIM", "key", KEY_2048)
    zone = sandbox.zone(ZONE)
    zone.add("CNAME", "one._domainkey", "two._domainkey")
    zone.add("CNAME", "two._domainkey", "key.other.tld.")
    zone.add("CNAME", "lost._domainkey", "missing.other.tld.")
    zone.add("CNAME", "out._domainkey", "key.example.org.")
    for server, recursive in ((FIRST, True), (FIRST, False), (SECOND, False)):
        answer = ask(sandbox, f"one._domainkey.{ZONE}", server=server, recursive=recursive)
        assert texts(answer) == [KEY_2048.encode()]
        assert len(answer.answer) == 3
        lost = ask(sandbox, f"lost._domainkey.{ZONE}", server=server, recursive=recursive)
        assert (lost.rcode(), len(lost.answer)) == (dns.rcode.NXDOMAIN, 1)
    assert ask(sandbox, f"out._domainkey.{ZONE}").rcode() == dns.rcode.NXDOMAIN
    out = ask(sandbox, f"out._domainkey.{ZONE}", recursive=False)
    assert (out.rcode(), len(out.answer)) == (dns.rcode.NOERROR, 1)
    asked_for = ask(sandbox, f"one._domainkey.{ZONE}", "CNAME")
    assert len(asked_for.answer) == 1


def test_cname_loop(sandbox: Sandbox) -> None:
    """A loop is SERVFAIL from the resolver, and the unresolved chain from an authoritative server."""
    sandbox.zone(ZONE).add("CNAME", "a", "b")
    sandbox.zone(ZONE).add("CNAME", "b", "a")
    assert ask(sandbox, f"a.{ZONE}").rcode() == dns.rcode.SERVFAIL
    answer = ask(sandbox, f"a.{ZONE}", recursive=False)
    assert (answer.rcode(), len(answer.answer)) == (dns.rcode.NOERROR, 2)


def test_cname_hides_its_neighbours(sandbox: Sandbox) -> None:
    """With a CNAME and a TXT at one name, the CNAME is served."""
    sandbox.zone(ZONE).add("TXT", "a", "x")
    sandbox.zone(ZONE).add("CNAME", "a", "key.other.tld.")
    assert texts(ask(sandbox, f"a.{ZONE}")) == []


def test_wildcard(sandbox: Sandbox) -> None:
    """A wildcard answers for names that do not exist, not beside or below those that do."""
    zone = sandbox.zone(ZONE)
    zone.add("TXT", "*", "wild")
    zone.add("TXT", "a._domainkey", "tame")
    assert texts(ask(sandbox, f"b.{ZONE}")) == texts(ask(sandbox, f"d.c.{ZONE}")) == [b"wild"]
    assert texts(ask(sandbox, f"a._domainkey.{ZONE}")) == [b"tame"]
    assert ask(sandbox, f"b._domainkey.{ZONE}").rcode() == dns.rcode.NXDOMAIN
    zone.add("TXT", "*._domainkey", "deep")
    assert texts(ask(sandbox, f"b._domainkey.{ZONE}")) == [b"deep"]


def test_delegation_to_outside(sandbox: Sandbox) -> None:
    """NS below the apex delegate: a referral from the servers, SERVFAIL from the resolver that cannot follow it."""
    sandbox.zone(ZONE).add("NS", "sub", "ns.example.org.")
    for name in (f"sub.{ZONE}", f"mail._domainkey.sub.{ZONE}"):
        answer = ask(sandbox, name, server=SECOND, recursive=False)
        assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
        assert not answer.flags & dns.flags.AA
        assert [str(rrset.name) for rrset in answer.authority] == [f"sub.{ZONE}."]
        assert ask(sandbox, name).rcode() == dns.rcode.SERVFAIL


def test_names_relative_to_the_zone(sandbox: Sandbox) -> None:
    """A target without trailing dot is relative to the zone, as in a zone file; a broken planted one is not served."""
    sandbox.zone(ZONE).add("MX", "", "5 mx")
    sandbox.zone(ZONE).add("A", "broken", "not an address")
    assert f"5 mx.{ZONE}." in {str(rdata) for rdata in ask(sandbox, ZONE, "MX").answer[0]}
    assert ask(sandbox, f"broken.{ZONE}", "A").answer == []


@pytest.mark.parametrize("server", BOTH)
def test_long_answer_needs_tcp(sandbox: Sandbox, server: str) -> None:
    """An answer that does not fit has TC and no records; over TCP, or with enough EDNS payload, it is complete."""
    sandbox.zone(ZONE).add("DKIM", "mail._domainkey", KEY_4096)
    for payload in (None, 512, 700):
        short = ask(sandbox, NAME, server=server, payload=payload)
        assert short.flags & dns.flags.TC
        assert not short.answer
    assert texts(ask(sandbox, NAME, server=server, payload=None, tcp=True)) == [KEY_4096.encode()]
    whole = ask(sandbox, NAME, server=server, payload=1232)
    assert not whole.flags & dns.flags.TC
    assert texts(whole) == [KEY_4096.encode()]


def test_answer_has_edns_only_when_asked(sandbox: Sandbox) -> None:
    """EDNS is in the answer when it was in the question."""
    assert ask(sandbox, ZONE, "SOA", payload=1232).edns == 0
    assert ask(sandbox, ZONE, "SOA", payload=None).edns == -1


@needs("dig")
def test_dig_falls_back_to_tcp(sandbox: Sandbox) -> None:
    """dig, left to itself, gets a long record from both servers without EDNS."""
    sandbox.zone(ZONE).add("DKIM", "mail._domainkey", KEY_4096)
    for server in BOTH:
        arguments = ["-p", str(sandbox.dns_address[1]), f"@{server}", "+noedns", "+short", "TXT", NAME]
        shown = subprocess.run(["dig", *arguments], capture_output=True, text=True, timeout=10, check=True).stdout
        assert shown.strip().replace('" "', "").strip('"') == KEY_4096


def test_many_questions_on_one_connection(sandbox: Sandbox) -> None:
    """A TCP connection serves one question after another."""
    with socket.create_connection(sandbox.dns_address, timeout=2) as connection:
        for _ in range(3):
            query = dns.message.make_query(ZONE, "SOA")
            dns.query.send_tcp(connection, query)
            assert query.is_response(dns.query.receive_tcp(connection)[0])


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\x05short", dns.rcode.FORMERR),
        (struct.pack("!6H", 7, 0x0100, 0, 0, 0, 0), dns.rcode.FORMERR),
        (struct.pack("!6H", 7, 0x1000, 0, 0, 0, 0), dns.rcode.NOTIMP),
        (dns.message.make_query(ZONE, "AXFR", id=7).to_wire(), dns.rcode.REFUSED),
        (dns.message.make_query(ZONE, "TXT", rdclass="CH", id=7).to_wire(), dns.rcode.REFUSED),
    ],
)
def test_invalid_queries(sandbox: Sandbox, wire: bytes, rcode: dns.rcode.Rcode) -> None:
    """Invalid queries, and queries that this server does not answer, get an RCODE."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(wire, sandbox.dns_address)
        answer = client.recv(512)
    assert answer[:2] == wire[:2]
    assert answer[3] & 15 == rcode


def test_a_bug_of_the_sandbox_is_servfail(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the look-up is an answer, and does not end the servers."""
    with monkeypatch.context() as broken:
        broken.setattr(dnsserver, "resolve", None)
        for server in BOTH:
            assert ask(sandbox, ZONE, "SOA", server=server).rcode() == dns.rcode.SERVFAIL
    assert ask(sandbox, ZONE, "SOA").answer


def test_noise_is_not_answered(sandbox: Sandbox) -> None:
    """Noise and answers get no answer, and the server works afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        for wire in (b"", b"x", bytes([0, 7, 0x81, 0x80]) + bytes(8), b"\xff" * 12):
            client.sendto(wire, sandbox.dns_address)
        with pytest.raises(TimeoutError):
            client.recv(512)
    assert ask(sandbox, ZONE, "SOA").answer


@pytest.mark.parametrize(
    ("role", "server", "recursive"), [("ns1", FIRST, False), ("ns2", SECOND, False), ("resolver", FIRST, True)]
)
def test_faults_hit_one_role(sandbox: Sandbox, role: Any, server: str, recursive: bool) -> None:
    """A fault of one role does not affect the other two, and ends when cleared."""
    roles = {("ns1", FIRST, False), ("ns2", SECOND, False), ("resolver", FIRST, True)}
    sandbox.dns_faults.set(role, "refuse")
    for name, address, rd in roles:
        answer = ask(sandbox, ZONE, "SOA", server=address, recursive=rd)
        assert answer.rcode() == (dns.rcode.REFUSED if name == role else dns.rcode.NOERROR)
    sandbox.dns_faults.clear(role)
    assert ask(sandbox, ZONE, "SOA", server=server, recursive=recursive).answer


def test_drop(sandbox: Sandbox) -> None:
    """A server may not answer at all, over either transport."""
    sandbox.dns_faults.set("ns2", "drop")
    query = dns.message.make_query(ZONE, "SOA", flags=0)
    with pytest.raises(dns.exception.Timeout):
        dns.query.udp(query, SECOND, timeout=0.1, port=sandbox.dns_address[1])
    with pytest.raises((EOFError, ConnectionError)):
        dns.query.tcp(query, SECOND, timeout=5, port=sandbox.dns_address[1])


def test_servfail_and_lame(sandbox: Sandbox) -> None:
    """A server may fail, or answer as one that does not know the zone."""
    sandbox.dns_faults.set("ns2", "servfail")
    assert ask(sandbox, ZONE, "SOA", server=SECOND).rcode() == dns.rcode.SERVFAIL
    sandbox.dns_faults.set("ns2", "lame")
    lame = ask(sandbox, ZONE, "SOA", server=SECOND)
    assert (lame.rcode(), lame.answer, lame.flags & dns.flags.AA) == (dns.rcode.NOERROR, [], 0)


def test_stale(sandbox: Sandbox) -> None:
    """A stale server serves the old zone with the old serial until the fault ends."""
    zone = sandbox.zone(ZONE)
    zone.add("TXT", "a", "old")
    old_serial = zone.serial
    sandbox.dns_faults.set("ns2", "stale")
    zone.add("TXT", "a", "new")
    assert len(texts(ask(sandbox, f"a.{ZONE}", server=FIRST))) == 2
    assert texts(ask(sandbox, f"a.{ZONE}", server=SECOND)) == [b"old"]
    assert ask(sandbox, ZONE, "SOA", server=SECOND).answer[0][0].serial == old_serial < zone.serial
    sandbox.dns_faults.clear()
    assert len(texts(ask(sandbox, f"a.{ZONE}", server=SECOND))) == 2


def test_no_tcp(sandbox: Sandbox) -> None:
    """A server may close TCP connections while UDP works: a long record cannot be read."""
    sandbox.zone(ZONE).add("DKIM", "mail._domainkey", KEY_4096)
    sandbox.dns_faults.set("ns2", "no-tcp")
    assert ask(sandbox, NAME, server=SECOND, payload=512).flags & dns.flags.TC
    with pytest.raises((EOFError, ConnectionError)):
        ask(sandbox, NAME, server=SECOND, tcp=True)
    assert texts(ask(sandbox, NAME, server=FIRST, tcp=True)) == [KEY_4096.encode()]


def test_truncate(sandbox: Sandbox) -> None:
    """A server may require TCP for every answer."""
    sandbox.dns_faults.set("ns2", "truncate")
    short = ask(sandbox, ZONE, "SOA", server=SECOND)
    assert short.flags & dns.flags.TC
    assert not short.answer
    assert ask(sandbox, ZONE, "SOA", server=SECOND, tcp=True).answer


def test_fault_for_some_answers(sandbox: Sandbox) -> None:
    """`times=2` affects two answers, then the server works."""
    sandbox.dns_faults.set("ns2", "servfail", times=2)
    codes = [ask(sandbox, ZONE, "SOA", server=SECOND).rcode() for _ in range(3)]
    assert codes == [dns.rcode.SERVFAIL, dns.rcode.SERVFAIL, dns.rcode.NOERROR]
