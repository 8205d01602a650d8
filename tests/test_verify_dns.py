"""verify-dns against real knot servers: the key record as each authoritative server serves it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.dns.txt import txt_strings
from dkimctl.errors import Unavailable
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.polling import await_key
from dkimctl.verify.report import Report, Target, Verdict
from tests.clocks import ManualClock
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid_report

FIRST, SECOND, NOBODY = "127.0.0.1", "127.0.0.2", "127.0.0.9"


@dataclass(frozen=True)
class World:
    """Two knots, the keys, and how to ask."""

    pair: KeyPair
    long_pair: KeyPair
    edwards: KeyPair
    lookup: Lookup
    environment: dict[str, str]

    def look(self, selector: str, domain: str = "example.com", expected: KeyPair | None = None, **how: bool) -> Report:
        """The report about one record, compared with the usual key."""
        [report] = check([Target(selector, domain, (expected or self.pair).public)], self.lookup, **how)
        return report


def codes(report: Report) -> set[str]:
    """The codes of its findings."""
    return {f.code for f in report.findings}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two knots over IPv4 and one over IPv6 serve the zones while the tests of this file run."""
    directory = tmp_path_factory.mktemp("dns")
    pair, other, long_pair = generate(Algorithm.RSA), generate(Algorithm.RSA), generate(Algorithm.RSA, 4096)
    edwards = generate(Algorithm.ED25519)
    good = record_for(pair.public, "rsa", Tags()).text
    wrong = record_for(other.public, "rsa", Tags()).text
    long = record_for(long_pair.public, "rsa", Tags()).text
    zone = name_servers(FIRST, SECOND) + "".join(
        [
            txt("good._domainkey", good),
            txt("cut._domainkey", good[:255]),
            txt("cut2._domainkey", good[:253]),
            txt("wrong._domainkey", wrong),
            txt("two._domainkey", good, "v=spf1 -all"),
            txt("revoked._domainkey", "v=DKIM1; p="),
            txt("long._domainkey", long),
            txt("stream._domainkey", record_for(pair.public, "rsa", Tags(note="n" * 1000)).text),
            txt("ed._domainkey", record_for(edwards.public, "ed25519", Tags()).text),
            txt("spf._domainkey", "v=spf1 -all"),
            txt("escape._domainkey", f"v=DKIM1; n=\x1b[31m; {good[8:]}", "\x1b]0;title\x07"),
            txt("folded._domainkey", f"v=DKIM1; n=a\r\n b\tc; {good[8:]}"),
            "alias._domainkey CNAME good._domainkey\n",
            "away._domainkey CNAME key.other.example.\n",
            "unregistered._domainkey CNAME key.unregistered.com.\n",
            "broken._domainkey CNAME nothing\nroot._domainkey CNAME .\nself._domainkey CNAME self._domainkey\n",
            'below DNAME other.example.\nvoid._domainkey TXT "" "" ""\n',
            "loop._domainkey CNAME pool._domainkey\npool._domainkey CNAME loop._domainkey\n",
            "c0._domainkey CNAME good._domainkey\n",
            *(f"c{n}._domainkey CNAME c{n - 1}._domainkey\n" for n in range(1, 21)),
            "empty.empty._domainkey A 192.0.2.1\n",
            "delegated._domainkey NS ns1\ndelegated._domainkey NS ns2\n",
        ]
    )
    sub = name_servers(FIRST, SECOND) + txt("@", good)
    zones = {
        "example.com": zone,
        "delegated._domainkey.example.com": sub,
        "lagging.example": name_servers(FIRST, SECOND) + txt("good._domainkey", good),
        "half.example": name_servers(FIRST, NOBODY) + txt("good._domainkey", good),
        "dead.example": name_servers(NOBODY),
        "lame.example": name_servers(FIRST, SECOND) + txt("good._domainkey", good),
        "noaddress.example": name_servers(FIRST) + "@ NS nowhere\n" + txt("good._domainkey", good),
        "other.example": name_servers(FIRST) + txt("key", good) + txt("good._domainkey", good),
        "both.example": name_servers(FIRST) + "ns1 AAAA ::1\n" + txt("good._domainkey", good),
        "six.example": name_servers("::1") + txt("good._domainkey", good),
        "far.example": name_servers(FIRST) + "ns1 AAAA 2001:db8::1\n" + txt("good._domainkey", good),
        "com": name_servers(FIRST),
    }
    port = free_port_everywhere(FIRST, SECOND, NOBODY, "::1")
    aliased = {
        "example.com": zone,
        "delegated._domainkey.example.com": sub,
        "lagging.example": name_servers(FIRST, SECOND) + txt("good._domainkey", wrong),
    }
    knots = [
        Knot(directory / "first", FIRST, port, zones).start(),
        Knot(directory / "second", SECOND, port, aliased).start(),
        Knot(directory / "six", "::1", port, {zone: zones[zone] for zone in ("six.example", "both.example")}).start(),
    ]
    nameserver = f"{FIRST}:{port}"
    yield World(
        pair,
        long_pair,
        edwards,
        Lookup((nameserver,), port, timeout=6.0),
        {"DKIMCTL_NAMESERVERS": nameserver, "DKIMCTL_DNS_PORT": str(port)},
    )
    for knot in knots:
        knot.stop()


@needs("knotd")
@pytest.mark.parametrize(
    ("selector", "domain", "expected"),
    [
        ("good", "example.com", {"DKIM300"}),
        ("delegated", "example.com", {"DKIM300"}),
        ("alias", "example.com", {"DKIM103", "DKIM300"}),
        ("away", "example.com", {"DKIM103", "DKIM300"}),
        ("c8", "example.com", {"DKIM103", "DKIM300"}),
        ("good", "six.example", {"DKIM300"}),
        ("good", "far.example", {"DKIM117", "DKIM300"}),
        ("good", "unregistered.com", {"DKIM114"}),
        ("unregistered", "example.com", {"DKIM103", "DKIM104"}),
        ("good", "both.example", {"DKIM300"}),
        ("absent", "example.com", {"DKIM101"}),
        ("empty", "example.com", {"DKIM101"}),
        ("cut", "example.com", {"DKIM203"}),
        ("cut2", "example.com", {"DKIM203"}),
        ("wrong", "example.com", {"DKIM301"}),
        ("two", "example.com", {"DKIM102"}),
        ("revoked", "example.com", {"DKIM302"}),
        ("spf", "example.com", {"DKIM201"}),
        ("broken", "example.com", {"DKIM103", "DKIM104"}),
        ("root", "example.com", {"DKIM103", "DKIM104"}),
        ("loop", "example.com", {"DKIM105"}),
        ("self", "example.com", {"DKIM105"}),
        ("good", "below.example.com", {"DKIM103", "DKIM125", "DKIM300"}),
        ("void", "example.com", {"DKIM201"}),
        ("c20", "example.com", {"DKIM105"}),
        ("good", "lagging.example", {"DKIM106", "DKIM301"}),
        ("good", "half.example", {"DKIM107"}),
        ("good", "dead.example", {"DKIM107", "DKIM511"}),
        ("good", "lame.example", {"DKIM108"}),
        ("good", "noaddress.example", {"DKIM115"}),
        ("good", "unknown.example", {"DKIM109"}),
    ],
)
def test_what_dns_has_is_found_out(world: World, selector: str, domain: str, expected: set[str]) -> None:
    """Each state of a key record at real servers leads to its own findings, and to no others."""
    report = world.look(selector, domain)
    assert codes(report) == expected
    assert_valid_report(report)


@needs("knotd")
def test_unknown_is_neither_right_nor_wrong(world: World) -> None:
    """A server that could not be asked leaves the verdict open, even where the others are right."""
    assert world.look("good", "half.example").verdict is Verdict.UNKNOWN
    assert world.look("good", "dead.example").verdict is Verdict.UNKNOWN
    assert world.look("good", "lagging.example").verdict is Verdict.WRONG


@needs("knotd")
def test_a_truncated_record_names_its_length_and_the_cause(world: World) -> None:
    """Who sees 255 or 253 octets is told that this is what OVH's TXT field keeps, and gets the whole record."""
    for selector, length in (("cut", "255"), ("cut2", "253")):
        report = world.look(selector)
        [found] = report.findings
        assert length in found.seen
        assert "OVH" in found.seen
        assert report.publish == record_for(world.pair.public, "rsa", Tags()).text


@needs("knotd")
def test_of_several_records_the_right_one_is_named(world: World, managed: Dkimctl) -> None:
    """Who sees several records is told which one to keep, and gets all of them to look at and that one to publish."""
    report = world.look("two")
    good = record_for(world.pair.public, "rsa", Tags()).text
    assert report.publish == good
    assert report.findings[0].fix.startswith("keep “v=DKIM1; ")
    assert "v=spf1 -all" in report.findings[0].seen
    run = managed("verify-dns", "example.com", "-s", "two", env=world.environment)
    assert re.search(r"^    2  v=spf1 -all$", run.out, re.MULTILINE)
    [report] = check([Target("two", "example.com", world.long_pair.public)], world.lookup)
    assert codes(report) == {"DKIM102", "DKIM201", "DKIM301"}
    assert report.publish == record_for(world.long_pair.public, "rsa", Tags()).text


@needs("knotd")
def test_servers_that_disagree_are_shown_side_by_side(world: World, managed: Dkimctl) -> None:
    """Each text is shown once with a number, and the table says which server has which, and its serial."""
    run = managed("verify-dns", "lagging.example", "-s", "good", env=world.environment)
    numbers = re.findall(
        r"^    ns[12]\.lagging\.example \S+ +text ([12]), \d+ octets, ttl 300 s, serial 1$", run.out, re.MULTILINE
    )
    assert sorted(numbers) == ["1", "2"]
    assert [line[:7] for line in run.out.splitlines() if line[4:].startswith(("1  v=", "2  v="))] == [
        "    1  ",
        "    2  ",
    ]
    assert max(map(len, run.out.splitlines())) <= 80


@needs("knotd")
def test_a_record_s_text_cannot_steer_the_terminal(world: World, managed: Dkimctl) -> None:
    """Control characters and line breaks of a record are shown as escapes, never sent to the terminal."""
    for selector in ("escape", "folded"):
        run = managed("verify-dns", "example.com", "-s", selector, env=world.environment)
        assert all(line.isprintable() for line in run.out.splitlines()), run.out
        assert max(map(len, run.out.splitlines())) <= 80


@needs("knotd")
def test_a_long_record_is_read_over_tcp(world: World) -> None:
    """An answer that fits no datagram is fetched over TCP and compared in full; opendkim would not read it whole."""
    report = world.look("stream")
    assert codes(report) == {"DKIM212", "DKIM501"}
    assert {answer.over_tcp for answer in report.answers} == {True}
    assert codes(world.look("long", expected=world.long_pair)) == {"DKIM300"}


@needs("knotd")
def test_ed25519_is_compared_as_well(world: World) -> None:
    """An Ed25519 record is right for its key and wrong for another."""
    assert codes(world.look("ed", expected=world.edwards)) == {"DKIM300", "DKIM308"}
    assert codes(world.look("ed")) == {"DKIM301", "DKIM308"}


@needs("knotd")
def test_every_server_is_asked_at_every_step_of_a_chain(world: World) -> None:
    """A CNAME is followed into another zone, and that zone's own servers are asked for its end."""
    report = world.look("away")
    assert [(a.name, a.server) for a in report.answers] == [
        ("away._domainkey.example.com", "ns1.example.com"),
        ("away._domainkey.example.com", "ns2.example.com"),
        ("key.other.example", "ns1.other.example"),
    ]


@needs("knotd")
def test_a_server_is_asked_at_every_address(world: World) -> None:
    """A server with an IPv4 and an IPv6 address is asked at both, and a zone may have nothing but IPv6."""
    port = world.lookup.port
    assert [a.address for a in world.look("good", "both.example").answers] == [f"{FIRST}:{port}", f"[::1]:{port}"]
    assert [a.address for a in world.look("good", "six.example").answers] == [f"[::1]:{port}"]


@needs("knotd")
def test_without_a_key_any_record_is_judged(world: World) -> None:
    """With no key to compare, a usable record is called usable and not right."""
    [report] = check([Target("wrong", "example.com")], world.lookup)
    assert codes(report) == {"DKIM310"}


@needs("knotd")
def test_many_targets_at_once_get_one_report_each(world: World) -> None:
    """One run over many names gives exactly one report for each, whatever the number under way."""
    targets = [Target(f"s{n}", "example.com", world.pair.public) for n in range(300)]
    for concurrency in (1, 7, 1000):
        reports = list(check(targets, world.lookup, concurrency=concurrency))
        assert sorted(r.selector for r in reports) == sorted(t.selector for t in targets)
        assert {f.code for r in reports for f in r.findings} == {"DKIM101"}


@needs("knotd")
def test_waiting_ends_with_the_right_record_or_with_the_time(world: World) -> None:
    """await_key returns at once for a right record, and the last report after the time for a wrong one."""
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    looks: list[Report] = []
    assert await_key(Target("good", "example.com", world.pair.public), world.lookup, timeout=60, clock=clock).is_right
    assert clock.slept == []
    target = Target("wrong", "example.com", world.pair.public)
    assert not await_key(target, world.lookup, timeout=30, clock=clock, report=looks.append).is_right
    assert sum(clock.slept) <= 30
    assert len(looks) == len(clock.slept) + 1 > 3


@needs("knotd")
def test_a_verifier_s_view(world: World) -> None:
    """txt_strings gives the text that a verifier would use, None where there is nothing, and says when it failed."""
    good = record_for(world.pair.public, "rsa", Tags()).text.encode()
    assert txt_strings("good._domainkey.example.com.", world.lookup) == good
    assert txt_strings("alias._domainkey.example.com", world.lookup) == good
    assert txt_strings("two._domainkey.example.com", world.lookup) == good
    assert txt_strings("absent._domainkey.example.com", world.lookup) is None
    with pytest.raises(Unavailable, match="REFUSED"):
        txt_strings("a._domainkey.unknown.example", world.lookup)
    with pytest.raises(Unavailable, match="nothing listens"):
        txt_strings("a._domainkey.example.com", Lookup((f"{NOBODY}:{world.lookup.port}",), timeout=0.5))


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def managed(world: World, dkimctl_inside: Dkimctl) -> Dkimctl:
    """A machine whose key of example.com is in DNS under `good`, `wrong` and `absent`."""
    for selector in ("good", "wrong", "absent"):
        directory = dkimctl_inside.root / "etc/opendkim/keys/example.com"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{selector}.private").write_bytes(world.pair.private_pem)
        (directory / f"{selector}.private").chmod(0o600)
    return dkimctl_inside


@needs("knotd")
def test_exit_codes_of_the_command(world: World, managed: Dkimctl) -> None:
    """0 right, 1 wrong, 3 could not ask, and of a mixture the worse."""

    def code(*arguments: str) -> int:
        return managed("verify-dns", *arguments, env=world.environment).code

    assert code("example.com", "-s", "good") == 0
    assert code("example.com", "-s", "wrong") == 1
    assert code("example.com") == 1
    assert code() == 1
    assert code("half.example", "-s", "good") == 3
    assert code("example.com", "half.example", "-s", "good") == 3
    assert code("lagging.example", "half.example", "-s", "good") == 3
    assert code("nowhere.example") == 2


@needs("knotd")
def test_the_report_reads_at_80_columns(world: World, managed: Dkimctl) -> None:
    """The text report shows problems, tags, servers and the record to publish, and no line is longer than 80."""
    run = managed("verify-dns", "example.com", env=world.environment)
    assert max(map(len, run.out.splitlines())) <= 80
    assert run.out.index("DKIM301") < run.out.index("DKIM300")
    assert "dkimctl publish example.com" in run.out
    for wanted in (
        "h=  sha256",
        "ns1.example.com",
        "127.0.0.2",
        "to publish",
        "absent._domainkey.example.com. IN TXT (",
    ):
        assert wanted in run.out


@needs("knotd")
def test_the_text_to_publish_is_a_zone_file(world: World, managed: Dkimctl) -> None:
    """The record shown for a missing one can be pasted into a zone file as it is."""
    import dns.zone

    run = managed("verify-dns", "example.com", "-s", "absent", env=world.environment)
    pasted = run.out[run.out.index("  to publish\n") + len("  to publish\n") :]
    zone = dns.zone.from_text(
        "@ 300 IN SOA a b 1 2 3 4 5\n@ 300 NS a\n" + pasted.lstrip(), "example.com", relativize=False
    )
    [text] = zone.find_rdataset("absent._domainkey.example.com.", "TXT")
    assert b"".join(text.strings).decode() == record_for(world.pair.public, "rsa", Tags()).text


def timeless(document: Any) -> Any:
    """Without how long the answers took."""
    for report in document["reports"]:
        for answer in report["answers"]:
            del answer["milliseconds"]
    return document


@needs("knotd")
def test_json_says_the_same(world: World, managed: Dkimctl) -> None:
    """--json and --format json give one document with every report, finding and answer."""
    run = managed("verify-dns", "example.com", "-s", "wrong", "--format", "json", env=world.environment)
    [report] = run.json["reports"]
    assert report["verdict"] == "wrong"
    assert report["findings"][0]["code"] == "DKIM301"
    assert report["answers"][0]["address"] == f"{FIRST}:{world.lookup.port}"
    again = managed("verify-dns", "example.com", "-s", "wrong", "--json", env=world.environment)
    assert timeless(again.json) == timeless(run.json)


@needs("knotd")
def test_a_list_goes_on_after_bad_lines(world: World, managed: Dkimctl, tmp_path: Path) -> None:
    """Comments, blank lines, CRLF and a BOM are fine; a bad line is named by number; repeats are asked once."""
    text = "\ufeffgood._domainkey.example.com\r\n# a comment\r\n\r\nexample.com wrong  # why\r\nhttp://x\r\n" * 2
    names = tmp_path / "names"
    names.write_text(text)
    run = managed("verify-dns", "--from-file", str(names), "--format", "json", env=world.environment)
    assert [(r["selector"], r["verdict"]) for r in sorted(run.json["reports"], key=lambda r: r["selector"])] == [
        ("good", "right"),
        ("wrong", "wrong"),
    ]
    assert "line 5" in run.err
    assert "line 10" in run.err
    assert run.code == 1
    names.write_text("good._domainkey.example.com\ngarbage\n")
    assert managed("verify-dns", "--from-file", str(names), env=world.environment).code == 2


@needs("knotd")
def test_a_key_file_is_compared(world: World, managed: Dkimctl, tmp_path: Path) -> None:
    """--key FILE compares the record with a key that is in no store."""
    key = tmp_path / "mail.private"
    key.write_bytes(world.long_pair.private_pem)
    arguments = ("verify-dns", "example.com", "--key", str(key), "-s")
    assert managed(*arguments, "long", env=world.environment).code == 0
    assert managed(*arguments, "good", env=world.environment).code == 1
    assert managed("verify-dns", "example.com", "--key", str(key), env=world.environment).code == 2


@needs("knotd")
def test_resolvers_are_asked_on_request(world: World, managed: Dkimctl) -> None:
    """--recursive shows what each resolver holds and for how long; without it none is asked for the record."""
    run = managed("verify-dns", "example.com", "-s", "good", "--recursive", "--json", env=world.environment)
    [answer] = run.json["reports"][0]["resolvers"]
    assert (answer["state"], answer["ttl"]) == ("text", 300)
    run = managed("verify-dns", "example.com", "-s", "good", "--json", env=world.environment)
    assert run.json["reports"][0]["resolvers"] == []


def test_a_name_server_must_be_an_address(dkimctl_inside: Dkimctl) -> None:
    """A host name, an empty port or a wrong one is refused before anything is asked."""
    for text in ("dns.example", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "[::1", "[::1]5", ""):
        run = dkimctl_inside("verify-dns", "example.com", "-s", "a", "--nameserver", text)
        assert run.code == 2, (text, run.err)
        assert "hint" in run.err


def test_json_errors_are_documents(dkimctl_inside: Dkimctl) -> None:
    """With --json an error is a document on stdout as well."""
    run = dkimctl_inside("verify-dns", "example.com", "--json")
    assert json.loads(run.out)["error"]["exit_code"] == run.code == 2
