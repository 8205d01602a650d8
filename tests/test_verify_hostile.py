"""verify-dns against servers that break the rules: each gets its finding, and nothing hangs or falls over."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.output.plain import plain_lines
from dkimctl.output.verification import report_blocks
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.report import Report, Target, Verdict
from tests.askers import ASKERS, timeless, use_asker
from tests.conftest import DkimctlInside, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.hostile_dns import Hostile, Script, Send, answer
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid_report

HOME = "127.0.0.1"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text.encode()


def silent(query: bytes, send: Send) -> None:
    """No answer."""


def good(query: bytes, send: Send) -> None:
    """The right answer."""
    send(answer(query, GOOD))


def truncated(query: bytes, send: Send) -> None:
    """Come back over TCP."""
    send(answer(query, truncated=True))


def no_edns(query: bytes, send: Send) -> None:
    """FORMERR while there is an additional section."""
    send(answer(query[:10] + b"\0\0" + query[12:-11], rcode=1) if query[11] else answer(query, GOOD))


def forged_first(query: bytes, send: Send) -> None:
    """A wrong id, another question, rubbish, then the right answer."""
    send(answer(query, b"v=DKIM1; p=", id=1))
    send(answer(query, b"v=DKIM1; p=", name="s._domainkey.other.example."))
    send(b"")
    send(b"\xff" * 11)
    send(answer(query, GOOD))


def other_port(query: bytes, send: Send) -> None:
    """The right answer, from a socket that was not asked: it cannot know where to, so it only sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOME, 0))
        other.connect(_last_source(send))
        other.send(answer(query, GOOD))


def _last_source(send: Send) -> tuple[str, int]:
    source: tuple[str, int] = send.__defaults__[0]  # type: ignore[attr-defined]  # where the answer would go
    return source


def pointer_loop(query: bytes, send: Send) -> None:
    """An answer whose owner name points at itself."""
    whole = answer(query, GOOD)
    question_end = 12 + len(query[12:].split(b"\0\x10\0\1")[0]) + 5
    loop = question_end.to_bytes(2, "big")
    send(whole[:question_end] + bytes((0xC0 | loop[0], loop[1])) + whole[question_end + 2 :])


def pointer_forward(query: bytes, send: Send) -> None:
    """An answer whose owner name points ahead."""
    whole = answer(query, GOOD)
    question_end = 12 + len(query[12:].split(b"\0\x10\0\1")[0]) + 5
    send(whole[:question_end] + b"\xc1\x00" + whole[question_end + 2 :])


def cut_message(query: bytes, send: Send) -> None:
    """Half an answer without the truncation bit."""
    whole = answer(query, GOOD)
    send(whole[: len(whole) // 2])


def replies(*texts: bytes, **how: object) -> Script:
    """A script that answers with these records."""
    return lambda query, send: send(answer(query, *texts, **how))  # type: ignore[arg-type]


def stays_open(query: bytes, send: Send) -> None:
    """TCP accepted, then nothing: the connection stays open."""


def half_an_answer(query: bytes, send: Send) -> None:
    """TCP accepted, and the first half of an answer, whose length speaks of all of it."""
    whole = answer(query, GOOD)
    send(whole[: len(whole) // 2], claimed=len(whole))


TIMEOUT = 0.6  # seconds for one answer, where none comes
PATIENCE = 6.0  # where one comes, however busy this machine is
DEADLINE = 20 * TIMEOUT  # the most questions that one name leads to, one after the other; generous on a busy machine
MANY = tuple(b"record %d" % n for n in range(500))
CASES: dict[str, tuple[Script, Script | None, set[str]]] = {
    "silent": (silent, None, {"DKIM107", "DKIM511"}),
    "refused": (replies(rcode=5), None, {"DKIM108"}),
    "servfail": (replies(rcode=2), None, {"DKIM108"}),
    "notauth": (replies(rcode=9), None, {"DKIM108"}),
    "lame": (replies(GOOD, lame=True), None, {"DKIM108"}),
    "noedns": (no_edns, None, {"DKIM300", "DKIM508"}),
    "tcprefused": (truncated, None, {"DKIM502"}),
    "tcpstalls": (truncated, stays_open, {"DKIM107"}),
    "tcphalf": (truncated, half_an_answer, {"DKIM107"}),
    "formerr": (replies(rcode=1), None, {"DKIM108"}),
    "tcpgood": (truncated, good, {"DKIM300", "DKIM501"}),
    "tcpjunk": (truncated, lambda query, send: send(b"junk"), {"DKIM502"}),
    "wrongid": (replies(GOOD, id=7), None, {"DKIM107", "DKIM511"}),
    "wrongquestion": (replies(GOOD, name="x.example."), None, {"DKIM107", "DKIM511"}),
    "otherport": (other_port, None, {"DKIM107", "DKIM511"}),
    "forgedfirst": (forged_first, None, {"DKIM300"}),
    "pointerloop": (pointer_loop, None, {"DKIM107"}),
    "pointerforward": (pointer_forward, None, {"DKIM107"}),
    "cutmessage": (cut_message, None, {"DKIM107"}),
    "huge": (truncated, replies(b"v=DKIM1; n=" + b"x" * 65000 + b"; p="), {"DKIM212", "DKIM302", "DKIM501"}),
    "many": (truncated, replies(*MANY), {"DKIM102", "DKIM113", "DKIM201", "DKIM501"}),
    "emptystring": (replies(b""), None, {"DKIM113", "DKIM201"}),
    "ttlzero": (replies(GOOD, ttl=0), None, {"DKIM300", "DKIM506"}),
    "ttlhuge": (replies(GOOD, ttl=2**31 - 1), None, {"DKIM300", "DKIM507"}),
    "nxdomain": (replies(rcode=3), None, {"DKIM101"}),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Report]]:
    """A knot that names the servers of every zone, and the hostile servers themselves."""
    addresses = {name: f"127.0.7.{n}" for n, name in enumerate(CASES, 1)}
    port = free_port_everywhere(HOME, *addresses.values())
    zones = {f"{name}.example": name_servers(address) for name, address in addresses.items()}
    knot = Knot(tmp_path_factory.mktemp("hostile") / "knot", HOME, port, zones).start()
    servers = [Hostile(addresses[name], port, udp, tcp).start() for name, (udp, tcp, _) in CASES.items()]

    def look(name: str) -> Report:
        timeout = TIMEOUT if "DKIM107" in CASES[name][2] else PATIENCE
        lookup = Lookup((f"{HOME}:{port}",), port, timeout=timeout)
        [report] = check([Target("s", f"{name}.example", PAIR.public)], lookup)
        return report

    yield look
    for server in servers:
        server.stop()
    knot.stop()


@needs("knotd")
def test_a_silent_resolver_is_left_for_the_next(tmp_path: Path) -> None:
    """Of two resolvers the first is dead: it costs its time once, and every zone is found through the other."""
    port = free_port_everywhere(HOME, "127.0.6.1")
    zones = {f"z{n}.example": name_servers(HOME) + txt("s._domainkey", GOOD.decode()) for n in range(40)}
    knot = Knot(tmp_path / "knot", HOME, port, zones).start()
    dead = Hostile("127.0.6.1", port, silent).start()
    lookup = Lookup((f"127.0.6.1:{port}", f"{HOME}:{port}"), port, timeout=2.0)
    reports = list(check([Target("s", zone, PAIR.public) for zone in zones], lookup, concurrency=4))
    dead.stop()
    knot.stop()
    assert {f.code for report in reports for f in report.findings} == {"DKIM300"}
    assert dead.asked <= 4 * 3  # the four names that were under way, each question sent three times


@needs("knotd")
@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_server_gets_its_finding(
    hostile: Callable[[str], Report],
    name: str,
    asker: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Whatever the server does, the report comes in time, it says what was done, and it is as the schema says."""
    use_asker(asker, monkeypatch)
    begun = time.monotonic()
    report = hostile(name)
    assert time.monotonic() - begun < DEADLINE
    assert_valid_report(report)
    shown = "".join(plain_lines(report_blocks(report)))
    assert all(line.isprintable() and len(line) <= 80 for line in shown.splitlines()), shown
    assert {f.code for f in report.findings} == CASES[name][2], report.findings
    if report.verdict is Verdict.RIGHT:
        assert report.text == GOOD.decode()
    record_property("counted: hostile name servers that got their finding within the deadline", 1)


@needs("knotd")
@pytest.mark.parametrize("name", [name for name in CASES if name != "many"])  # whose order is random
def test_both_askers_come_to_the_same_report(
    hostile: Callable[[str], Report], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dnspython and our own engine read the same out of what a hostile server sends, to the last word."""
    reports = []
    for asker in ASKERS:
        use_asker(asker, monkeypatch)
        reports.append(timeless(hostile(name)))
    assert reports[0] == reports[1]


@pytest.mark.parametrize("option", ["--from-file", "--resume"])
def test_a_list_that_is_a_hole_of_terabytes_is_an_error(
    dkimctl_inside: DkimctlInside, tmp_path: Path, option: str
) -> None:
    """A named file without an end of line is not read into the memory until that is full: exit code 2 or 3 at once."""
    names, hole = tmp_path / "names", tmp_path / "hole"
    names.write_text("s1._domainkey.example.com\n")
    hole.touch()
    os.truncate(hole, 4 << 40)
    listed = ["--from-file", names, "--resume", hole] if option == "--resume" else ["--from-file", hole]
    ran = dkimctl_inside("verify-dns", *listed, "--nameserver", "127.0.0.1:9")
    assert ran.code in (2, 3)
    assert str(hole) in ran.err
