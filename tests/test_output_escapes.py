"""Nothing that comes from DNS or a file steers a terminal, splits a line or disguises a text, in any format."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.findings import Finding, Severity
from dkimctl.output import doctor_machine
from dkimctl.output.escapes import OF_LABELS, OF_MESSAGES, OF_RESULTS
from dkimctl.output.machine import document, element, line
from dkimctl.output.verification_machine import nagios_text, prometheus_sample
from dkimctl.sandbox.calls import LoggedCall, log_line
from dkimctl.verify.report import Report, Target, Verdict
from dkimctl.verify.tally import tally_of
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"\u200e", "\u200f", "\u061c"}
HARMLESS = {"\t", "\n"}
FORBIDDEN = {
    c
    for c in map(chr, range(0x10000))
    if unicodedata.category(c) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(c) in BIDI or c in MARKS
} - HARMLESS
HOSTILE = "".join(sorted(FORBIDDEN))
HOME = "127.0.0.1"


def assert_harmless(text: str) -> None:
    """No forbidden character, and no line that only some readers see."""
    assert {hex(ord(c)) for c in FORBIDDEN.intersection(text)} == set()
    assert text.splitlines() == text.split("\n")[:-1]


def test_every_such_character_is_known() -> None:
    """The table holds what Unicode calls a control character, a line or paragraph separator, or a bidi control."""
    assert {chr(code) for code in OF_RESULTS} == FORBIDDEN
    assert {chr(code) for code in OF_MESSAGES} == FORBIDDEN | HARMLESS
    assert {chr(code) for code in OF_LABELS} == FORBIDDEN | {"\n", "\\", '"'}


@pytest.mark.parametrize("dump", [lambda v: document("x", v), lambda v: line("x", v), element])
def test_json_is_escaped_and_reads_back(dump: object) -> None:
    """Each form of JSON has none of these characters, in keys and values, and reads back as what it was."""
    assert callable(dump)
    value = {f"{HOSTILE}\n\t": [HOSTILE, "naïve ✓ \U0001f4e7", HOSTILE.encode()]}
    text = dump(value)
    assert_harmless(text)
    read = json.loads(text)
    assert read.get("x", read) == {f"{HOSTILE}\n\t": [HOSTILE, "naïve ✓ \U0001f4e7", HOSTILE]}
    assert "naïve ✓" in text


def test_monitoring_formats_are_escaped() -> None:
    """Names and texts in Nagios' lines and Prometheus' labels; a label has no escape that Prometheus refuses."""
    name = f'a{HOSTILE}\n"\\|b'
    found = Finding("DKIM100", Severity.ERROR, "a title", "", f"seen {HOSTILE}|\n", "")
    report = Report(Target("s", name), name, "s", f"s._domainkey.{name}", Verdict.WRONG, (found,))
    for text in (nagios_text(tally_of([report]), 2, verbose=True), doctor_machine.nagios_text([found], verbose=True)):
        assert_harmless(text)
        assert len(text.splitlines()) == 2
        assert text.count("|") == 1
    sample = prometheus_sample(report)
    assert_harmless(sample)
    label = sample.partition('domain="')[2].rpartition('",selector')[0]
    assert label.replace(r"\\", "").replace(r"\n", "").replace(r"\"", "").count("\\") == 0
    assert_harmless(log_line(LoggedCall("GET", f"/{HOSTILE}", HOSTILE, 200)) + "\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads to a name server with hostile records."""
    port = free_port_everywhere(HOME)
    octets = HOSTILE.encode().decode("latin-1")  # as a name server hands them out
    records = [
        txt("n._domainkey", f"v=DKIM1; n={octets}; p=QUJD"),
        txt("p._domainkey", f"v=DKIM1; p={octets}"),
        txt("k._domainkey", f"v=DKIM1; k={octets}; h={octets}; s={octets}; t={octets}; {octets}=x; p=QUJD"),
        txt("x._domainkey", octets),
        txt("c1._domainkey", "v=DKIM1; n=\x85\x9b31m\x90; p=QUJD\x7f"),
    ]
    directory = tmp_path_factory.mktemp("hostile") / "knot"
    knot = Knot(directory, HOME, port, {"example.com": name_servers(HOME) + "".join(records)}).start()
    yield {"DKIMCTL_NAMESERVERS": f"{HOME}:{port}", "DKIMCTL_DNS_PORT": str(port)}
    knot.stop()


@needs("knotd")
@pytest.mark.parametrize("form", ["text", "json", "jsonl", "nagios", "prometheus"])
def test_what_dns_holds(world: dict[str, str], dkimctl_inside: Dkimctl, tmp_path: Path, form: str) -> None:
    """verify-dns shows hostile records in every format without one of these characters, short and in full."""
    names = tmp_path / "names"
    names.write_text("".join(f"example.com {selector}\n" for selector in ("n", "p", "k", "x", "c1")))
    for more in ((), ("-v",)):
        ran = dkimctl_inside("verify-dns", "--from-file", names, "--format", form, *more, env=world)
        assert_harmless(ran.out)
        assert_harmless(ran.err)
        assert ran.out
        if form == "jsonl":
            assert [json.loads(text)["schema"] for text in ran.out.splitlines()] == [1] * 5


@pytest.mark.parametrize("more", [(), ("--json",), ("-v",)])
def test_what_files_hold(dkimctl_inside: Dkimctl, more: tuple[str, ...]) -> None:
    """inspect shows a record, a signature and a message that hold such characters, and doctor a configuration."""
    home, root = dkimctl_inside.scratch.home, dkimctl_inside.root
    value = HOSTILE.replace("\r", "").replace("\x1a", "")
    (home / "record").write_text(f"v=DKIM1; n={value}; {value}=1; p=QUJD", newline="")
    (home / "signature").write_text(f"DKIM-Signature: v=1; a={value}; d={value}; s=x; {value}; b=x; bh=x", newline="")
    (home / "mail").write_text(
        f"From: a@example.com\nSubject: {value}\nDKIM-Signature: v=1; d={value}\n\nx", newline=""
    )
    (root / "etc").mkdir()
    (root / "etc/opendkim.conf").write_text(f"{value} x\nDomain {value}\nKeyTable {value}\n")
    for words in (("inspect", "record"), ("inspect", "signature"), ("inspect", "mail"), ("doctor",)):
        ran = dkimctl_inside(*words, *more, cwd=home)
        assert ran.code in (0, 1, 2, 3), ran.err
        assert_harmless(ran.out)
        assert_harmless(ran.err)
