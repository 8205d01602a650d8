"""The short way for many names says what the long way says, or leaves the name to it."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.config.settings import Lookup
from dkimctl.dns.codec import query, question, read_message
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import Type
from dkimctl.dns.resolve import Security
from dkimctl.dns.txt import texts_of
from dkimctl.dns.wire import MalformedMessage
from dkimctl.keys.metadata import Tags
from dkimctl.record.model import record_for
from dkimctl.verify.bulk import batch
from dkimctl.verify.bulk.batch import BatchedQueries, QueryQueue
from dkimctl.verify.bulk.rawanswer import single_text, zone_security
from dkimctl.verify.check import check
from dkimctl.verify.conclusion.servers import LONGEST_TTL, SHORTEST_TTL
from dkimctl.verify.report import Report, Target, in_brief
from dkimctl.verify.tally import tally_of
from tests.askers import timeless, use_asker
from tests.conftest import FULL, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere
from tests.record_corpus import corpus, make_keys

HOME, OTHER = "127.0.0.1", "127.0.0.7"
NAME = "mail._domainkey.example.com"
KEYS = make_keys()
CASES = corpus(KEYS)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few names are asked for as long lists are."""
    use_asker("engine", monkeypatch)


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """Two servers with the corpus; some records differ between them, some names lead elsewhere or to another zone."""
    port = free_port_everywhere(HOME, OTHER)
    good = record_for(KEYS.usual.public, "rsa", Tags()).text
    shared = [txt(f"{case.name}._domainkey", case.text) for case in CASES]
    shared += [txt("s._domainkey.own", good), txt("brief._domainkey", good, ttl=1), txt("two._domainkey", good, good)]
    shared += ["alias._domainkey 300 IN CNAME s._domainkey.own\n", txt("*._domainkey.wild", good)]
    above = "below 300 IN NS ns1.below\nns1.below 300 IN A " + HOME + "\n"
    zone = name_servers(HOME, OTHER) + "".join(shared) + above
    below = name_servers(HOME) + txt("s._domainkey", good)
    here, there = zone + txt("differs._domainkey", good), zone + txt("differs._domainkey", good[:200])
    directory = tmp_path_factory.mktemp("shortcut")
    knots = [
        Knot(directory / "1", HOME, port, {"example.com": here, "below.example.com": below}).start(),
        Knot(directory / "2", OTHER, port, {"example.com": there}).start(),
    ]
    yield Lookup((f"{HOME}:{port}",), port, timeout=12.0)
    for knot in knots:
        knot.stop()


def targets() -> list[Target]:
    """The corpus with its own key, with another key and with none; and names that DNS serves in odd ways."""
    usual = KEYS.usual.public
    odd = [("brief", "example.com"), ("two", "example.com"), ("alias", "example.com"), ("none", "example.com")]
    odd += [("differs", "example.com"), ("s", "own.example.com"), ("any", "wild.example.com")]
    odd += [("s", "below.example.com"), ("s", "nowhere.test")]
    found = [Target(selector, domain, key) for selector, domain in odd for key in (usual, None)]
    for case in CASES:
        own = case.pair.public if case.pair else None
        found += [
            Target(case.name, "example.com", key, subdomains=sub) for key in (own, usual) for sub in (False, True)
        ]
        found.append(Target(case.name, "example.com"))
    return found


def by_target(reports: Iterator[Report]) -> dict[tuple[object, ...], Report]:
    """Each report, without the time that answers took, by what was asked."""
    return {(r.owner, r.target.expected, r.target.subdomains): timeless(r) for r in reports}


@needs("knotd")
def test_both_ways_give_the_same_report(lookup: Lookup) -> None:
    """Every report in brief is, octet for octet, the long way's own; for right, odd, broken and missing records."""
    long = by_target(map(in_brief, check(targets(), lookup)))
    short = by_target(check(targets(), lookup, brief=True))
    differing = [(short[name], report) for name, report in long.items() if short.get(name) != report]
    assert differing == []
    assert len(short) == len(long)
    assert Counter(r.verdict for r in long.values()).keys() == {"right", "wrong", "unknown"}
    assert len(CASES) >= 150


@needs("knotd")
def test_nameless_reports_count_the_same(lookup: Lookup) -> None:
    """Where names are only counted, verdicts and findings are as many as where each has its own report."""
    named, counted = (tally_of(check(targets(), lookup, brief=True, nameless=n)) for n in (False, True))
    assert (counted.verdicts, counted.findings) == (named.verdicts, named.findings)


@needs("knotd")
def test_no_server_is_left_out_for_want_of_sockets(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are sockets for one address only, a zone with two servers takes the long way, and each is asked."""
    monkeypatch.setattr(batch, "_MOST_ADDRESSES", 1)
    few = [target for target in targets() if target.selector == "differs"] * 3
    assert {report.verdict for report in check(few, lookup, brief=True)} == {"wrong"}


@pytest.mark.parametrize("address", ["255.255.255.255", "[fe80::1]", "[ff02::1]"])
def test_a_resolver_to_which_no_socket_leads_is_a_finding(address: str) -> None:
    """An address that cannot be asked is told as any other trouble of a resolver, for many names too."""
    lookup = Lookup((f"{address}:9",), 9, timeout=0.3)
    reports = list(check([Target(f"s{n}", "example.com") for n in range(3)], lookup, brief=True))
    assert [report.findings[0].code for report in reports] == ["DKIM109"] * 3


def test_only_the_answer_to_a_question_counts() -> None:
    """An answer with another id, to another question or from another port is never handed on; the right one is."""
    asked, other = question(NAME, Type.TXT), question("x." + NAME[2:], Type.TXT)
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as third:
        server.bind((HOME, 0))
        questions: BatchedQueries[str] = BatchedQueries()
        with closing(questions):
            way = questions.queue_to(Endpoint(HOME, server.getsockname()[1]))
            assert way is not None
            way.ask(asked, "mark")
            questions.send()
            sent, asker = server.recvfrom(512)
            wrong_id = bytes((sent[0] ^ 1, sent[1])) + sent[2:]
            server.sendto(wrong_id, asker)
            server.sendto(sent.replace(asked, other), asker)
            server.sendto(sent[:12], asker)
            server.sendto(b"", asker)
            third.sendto(sent, asker)
            assert questions.receive(0.1) == []
            server.sendto(sent, asker)
            server.sendto(sent, asker)
            assert questions.receive(1) == [("mark", asked, sent)]
            assert questions.receive(0.1) == []


@pytest.mark.parametrize("kernel", ["today's", "one that refuses", "one before 4.18"])
def test_every_question_is_a_datagram_of_its_own(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many questions leave together, of one length or of several, the server gets each by itself, once."""
    if kernel != "today's":
        monkeypatch.setattr(batch, "_UDP_SEGMENT", 255)  # there is no such option: EINVAL
    if kernel == "one that refuses":
        monkeypatch.setattr(batch, "_takes_many", lambda _: True)
    names = [f"s{10**n}._domainkey.example.com" for n in range(4)] * 80
    with socket.socket(type=socket.SOCK_DGRAM) as server, closing(BatchedQueries[int]()) as questions:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server.bind((HOME, 0))
        server.settimeout(10)
        way = questions.queue_to(Endpoint(HOME, server.getsockname()[1]))
        assert way is not None
        for n, name in enumerate(names):
            way.ask(question(name, Type.TXT), n)
            if n % 160 == 159:
                questions.send()
                for _ in range(160):
                    server.sendto(*server.recvfrom(512))
        found: list[tuple[int, bytes, bytes]] = []
        while more := questions.receive(0.0 if len(found) == len(names) else 10):
            found += more
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recv(512)
    assert sorted((mark, asked) for mark, asked, _ in found) == [
        (n, question(name, Type.TXT)) for n, name in enumerate(names)
    ]


@needs("knotd")
@pytest.mark.parametrize("before", [(), (f"{HOME}:9",), ("255.255.255.255:9",)])
def test_right_names_take_the_short_way(
    lookup: Lookup, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    """Of names that are right nearly all cost one question at the resolver and one at each server, and no more.

    Another resolver that is listed before it, and at which nothing listens, is passed over.
    """
    lookup = replace(lookup, nameservers=(*before, *lookup.nameservers))
    case = next(case for case in CASES if case.pair is KEYS.usual and not case.codes)
    asked: list[bytes] = []
    ask = QueryQueue.ask
    monkeypatch.setattr(QueryQueue, "ask", lambda self, *a: (asked.append(a[0]), ask(self, *a))[1])
    reports = list(check([Target(case.name, "example.com", KEYS.usual.public)] * 100, lookup, brief=True))
    assert {r.verdict for r in reports} == {"right"}
    assert len(asked) == 99 * 3


def answer(kind: str) -> tuple[bytes, bytes]:
    """A question section and a plain answer to it, made by another library."""
    apex = kind == "SOA"
    asked = question("_domainkey.example.com" if apex else NAME, Type.SOA if apex else Type.TXT)
    reply = dns.message.make_response(dns.message.from_wire(query(7, asked, recursive=apex)))
    if apex:
        soa = "ns1.example.com. hostmaster.example.com. 1 3600 600 86400 300"
        reply.authority = [dns.rrset.from_text("example.com.", 300, "IN", "SOA", soa)]
        reply.flags |= dns.flags.RA
    else:
        reply.answer = [dns.rrset.from_text(f"{NAME}.", 300, "IN", "TXT", '"v=DKIM1; p=" "" "AAAA"')]
        reply.flags |= dns.flags.AA
    return asked, reply.to_wire()


def test_plain_answers_are_read() -> None:
    """The text and the cut come out as another library put them in; a zone of another size is none."""
    asked, data = answer("TXT")
    assert single_text(data, asked) == b"v=DKIM1; p=AAAA"
    asked, data = answer("SOA")
    size = len(b"\7example\3com\0")
    assert zone_security(data, asked, size) is Security.INSECURE
    assert zone_security(data, asked, len(b"\3com\0")) is None


@settings(max_examples=5000 if FULL else 1000)
@given(
    st.sampled_from(["TXT", "SOA"]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
    st.integers(0, 40),
)
def test_what_is_read_plainly_is_read_alike_with_care(kind: str, changes: list[tuple[int, int]], cut: int) -> None:
    """Answers with changed octets or a missing end: never an exception, and never another answer than the reader's."""
    asked, data = answer(kind)
    changed = bytearray(data[: len(data) - cut] if cut % 2 else data)
    for at, octet in changes:
        changed[max(2, at % len(changed))] = octet
    changed[12 : 12 + len(asked)] = asked  # anything else is dropped before
    short: object
    if kind == "TXT":
        short = single_text(bytes(changed), asked)
    else:
        short = zone_security(bytes(changed), asked, len(b"\7example\3com\0"))
    if short is None:
        return
    try:
        message = read_message(bytes(changed), NAME if kind == "TXT" else "_domainkey.example.com", asked)
    except MalformedMessage:
        assert kind == "SOA"  # its own data do not matter here
        return
    assert not message.truncated
    if kind == "TXT":
        assert message.rcode == 0
        assert message.authoritative
        [(ttl, text)] = texts_of(message.answers)
        assert text == short
        assert SHORTEST_TTL <= ttl <= LONGEST_TTL
    else:
        assert [r.name for r in message.authority] == ["example.com"]
        assert short == (Security.UNKNOWN if not message.recursion else short)
        assert (short is Security.SECURE) == (message.recursion and message.authentic)
