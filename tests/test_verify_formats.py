"""The forms of verify-dns for programs, its ways to name what is checked, and long runs."""

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.cli.app import App
from dkimctl.cli.report_printer import ReportPrinter
from dkimctl.cli.verify_names import Source
from dkimctl.errors import UsageError
from dkimctl.findings import Finding, Severity
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.output.verification_machine import nagios_text, prometheus_sample
from dkimctl.record.model import record_for
from dkimctl.verify.report import Report, Target, Verdict
from dkimctl.verify.resume_file import Notes
from dkimctl.verify.tally import tally_of
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere

HOME = "127.0.0.1"
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text
TESTING = txt("testing._domainkey", GOOD.replace("v=DKIM1;", "v=DKIM1; t=y;"))
NAMES = [f"s{n}._domainkey.example.com" for n in range(20)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads to a knot with twenty good records, one bad and one with a warning."""
    port = free_port_everywhere(HOME)
    records = "".join(txt(name.removesuffix(".example.com"), GOOD) for name in NAMES)
    zones = {
        "example.com": name_servers(HOME) + records + txt("bad._domainkey", GOOD[:255]) + TESTING,
        "dead.example": name_servers("127.0.0.9"),
    }
    knot = Knot(tmp_path_factory.mktemp("formats") / "knot", HOME, port, zones).start()
    yield {"DKIMCTL_NAMESERVERS": f"{HOME}:{port}", "DKIMCTL_DNS_PORT": str(port)}
    knot.stop()


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """A list of the twenty good names and the bad one."""
    path = tmp_path / "names"
    path.write_text("\n".join([*NAMES, "example.com bad"]) + "\n")
    return path


@needs("knotd")
def test_json_lines_come_one_for_each_name(world: dict[str, str], names: Path, dkimctl_inside: Dkimctl) -> None:
    """--format jsonl prints a document on each line, with the schema's number, and the exit code of the worst."""
    run = dkimctl_inside("verify-dns", "--from-file", names, "--format", "jsonl", env=world)
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert {line["schema"] for line in lines} == {1}
    assert sorted(line["report"]["owner"] for line in lines) == sorted([*NAMES, "bad._domainkey.example.com"])
    assert run.code == 1


@needs("knotd")
def test_many_names_get_a_summary_and_the_problems(world: dict[str, str], names: Path, dkimctl_inside: Dkimctl) -> None:
    """The text for many names counts the findings and shows only what is wrong."""
    run = dkimctl_inside("verify-dns", "--from-file", names, env=world)
    assert "21 key records: 20 right, 1 wrong" in run.out
    assert re.search(r"20 × ok +DKIM310", run.out)
    assert "bad._domainkey.example.com: wrong" in run.out
    assert NAMES[0] not in run.out


@needs("knotd")
def test_nagios_gets_one_status_line(world: dict[str, str], names: Path, dkimctl_inside: Dkimctl) -> None:
    """It says the state that Nagios reads from the exit code, the first problem, and performance data; -v lists all."""
    run = dkimctl_inside("verify-dns", "--from-file", names, "--format", "nagios", "-v", env=world)
    first, *rest = run.out.splitlines()
    assert first == f"DKIM CRITICAL - 20 right, 1 wrong: {rest[0]} | right=20 wrong=1 unknown=0"
    assert [line.split(":")[0] for line in rest] == ["bad._domainkey.example.com"]
    assert run.code == 2
    run = dkimctl_inside("verify-dns", "dead.example", "-s", "a", "--format", "nagios", env=world)
    assert run.out.startswith("DKIM UNKNOWN")
    assert run.code == 3


@needs("knotd")
def test_quiet_is_silent_only_while_all_is_right(
    world: dict[str, str], names: Path, tmp_path: Path, dkimctl_inside: Dkimctl
) -> None:
    """With -q cron has nothing to mail for right records, of few names or many; a warning and an error are printed."""
    right = tmp_path / "right"
    right.write_text("\n".join(NAMES) + "\n")
    for which in (("--from-file", right), ("example.com", "-s", "s1")):
        run = dkimctl_inside("verify-dns", *which, "-q", env=world)
        assert (run.code, run.out, run.err) == (0, "", "")
        assert dkimctl_inside("verify-dns", *which, env=world).out
    warned = dkimctl_inside("verify-dns", "example.com", "-s", "testing", "-q", env=world)
    assert (warned.code, "warning" in warned.out) == (0, True)
    wrong = dkimctl_inside("verify-dns", "--from-file", names, "-q", env=world)
    assert (wrong.code, "bad._domainkey.example.com: wrong" in wrong.out) == (1, True)
    assert '"schema"' in dkimctl_inside("verify-dns", "example.com", "-s", "s1", "-q", "--json", env=world).out


def test_a_directory_of_any_name_breaks_no_format() -> None:
    """What would end a label or a line of the output is escaped."""
    name = 'a "b"\nc\\d|e'
    found = Finding("DKIM100", Severity.ERROR, "a title", "", "seen", "")
    report = Report(Target("s", name), name, "s", f"s._domainkey.{name}", Verdict.WRONG, (found,))
    assert prometheus_sample(report) == '00{domain="a \\"b\\"\\nc\\\\d|e",selector="s"}\n'
    assert nagios_text(tally_of([report]), 2, verbose=True).splitlines()[1:] == [
        's._domainkey.a "b" c\\d/e: DKIM100 a title (seen)',
    ]


@pytest.mark.parametrize("command", [("verify-dns", "example.com", "-s", "x"), ("doctor", "--no-dns"), ("status",)])
@pytest.mark.parametrize("form", ["nagios", "prometheus"])
@pytest.mark.parametrize("before", [True, False])
def test_json_excludes_other_formats(
    dkimctl_inside: Dkimctl, command: tuple[str, ...], form: str, before: bool
) -> None:
    """--json with a format that is no JSON is a usage error, as a document and in words; never silence."""
    words = ("--json", "--format", form) if before else ("--format", form, "--json")
    ran = dkimctl_inside(*command, *words)
    assert (ran.code, ran.json["error"]["exit_code"]) == (2, 2)
    assert f"dkimctl: error: --json and --format {form} exclude each other\n" in ran.err
    assert "dkimctl: hint: " in ran.err


@needs("knotd")
def test_prometheus_reads_the_metrics(world: dict[str, str], names: Path, dkimctl_inside: Dkimctl) -> None:
    """Every line is a comment or a metric with a number; the bad record is 0, the good ones 1."""
    run = dkimctl_inside("verify-dns", "--from-file", names, "--format", "prometheus", env=world)
    for line in run.out.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9]+', line), line
    assert 'dkimctl_key_record_right{domain="example.com",selector="bad"} 0' in run.out
    assert run.out.count(" 1\n") > 20


@needs("knotd")
def test_a_run_is_resumed(world: dict[str, str], names: Path, dkimctl_inside: Dkimctl, tmp_path: Path) -> None:
    """--resume passes over the names that were done, notes those that are done now, and reports all of them."""
    done = tmp_path / "done"
    done.write_text("".join(f"{name} right\n" for name in NAMES[:15]))
    arguments = ("verify-dns", "--from-file", names, "--format", "jsonl", "--resume", done)
    assert len(dkimctl_inside(*arguments, env=world).out.splitlines()) == 6
    run = dkimctl_inside(*arguments, env=world)
    assert (run.code, run.out) == (1, "")
    assert run.err == f"dkimctl: done before: 20 right, 1 wrong, which {done} lists\n"
    assert len(done.read_text().splitlines()) == 21


def test_no_report_is_lost_of_a_name_that_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What --resume will pass over has left this process before, buffered as stdout is in a pipe."""
    raw = io.BytesIO()
    seen: list[int] = []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    monkeypatch.setattr(Notes, "add", lambda self, notes: seen.append(raw.getvalue().count(b"\n")))
    outcome = ReportPrinter(App(), "jsonl", resume=str(tmp_path / "done"))
    outcome.still_to_do(Source(()))
    report = Report(Target("s", "example.com"), "example.com", "s", NAMES[0], Verdict.RIGHT, ())
    outcome.show([outcome.portion([report]), outcome.portion([report])])
    assert seen == [1, 2]


def test_half_a_line_of_the_resumed_run_does_not_count(tmp_path: Path) -> None:
    """A run that was stopped while it wrote leaves a part of a name, which could be another name: it is taken out."""
    path = tmp_path / "done"
    path.write_text(f"{NAMES[0]} wrong\n{NAMES[1]} right\nmail._domainkey.example.co")
    notes = Notes(str(path))
    assert (notes.in_words, "mail._domainkey.example.co" in notes.done) == ("1 right, 1 wrong", False)
    notes.add([f"{NAMES[2]} right"])
    notes.close()
    assert path.read_text() == f"{NAMES[0]} wrong\n{NAMES[1]} right\n{NAMES[2]} right\n"


@pytest.mark.parametrize(
    "content", [f"{NAMES[0]}\n", NAMES[0], "example.com mail\n", "\0\0\0", f"{NAMES[0]} right\n\n"]
)
def test_a_file_of_another_kind_is_not_taken_for_what_is_done(tmp_path: Path, content: str) -> None:
    """A list of names given to --resume by mistake, or a damaged file: refused, the line named, the file as it was."""
    path = tmp_path / "names"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"line \d of .*names was not written by --resume"):
        Notes(str(path))
    assert path.read_text() == content


@needs("knotd")
def test_nagios_gets_the_warnings_of_the_earlier_part(
    world: dict[str, str], dkimctl_inside: Dkimctl, tmp_path: Path
) -> None:
    """A resumed run ends with the worse of both parts: WARNING again, when the names it passes over had one."""
    (tmp_path / "names").write_text("example.com testing\n")
    arguments = ("verify-dns", "--from-file", tmp_path / "names", "--resume", tmp_path / "done", "--format", "nagios")
    runs = [dkimctl_inside(*arguments, env=world) for _ in range(2)]
    assert [run.code for run in runs] == [1, 1]
    assert [run.out for run in runs] == ["DKIM WARNING - 1 right | right=1 wrong=0 unknown=0\n"] * 2
    assert (tmp_path / "done").read_text() == "testing._domainkey.example.com right warning\n"


@needs("knotd")
def test_both_forms_of_an_international_name_are_one(
    world: dict[str, str], dkimctl_inside: Dkimctl, tmp_path: Path
) -> None:
    """A domain as Unicode, in capitals or as A-labels is the same name, in a list and as an argument."""
    (tmp_path / "names").write_text(
        "b\u00fccher.example s1\nxn--bcher-kva.example s1\ns1._domainkey.B\u00dcCHER.example.\n"
        "bu\u0308cher\u3002example S1\n"
    )
    for arguments in (("--from-file", tmp_path / "names"), ("B\u00fccher.example", "-s", "s1")):
        run = dkimctl_inside("verify-dns", *arguments, "--json", env=world)
        assert [report["owner"] for report in run.json["reports"]] == ["s1._domainkey.xn--bcher-kva.example"], run.err
        assert run.err == ""


@needs("knotd")
def test_what_could_not_be_asked_is_asked_again(world: dict[str, str], dkimctl_inside: Dkimctl, tmp_path: Path) -> None:
    """A name whose servers gave no answer is not noted as done."""
    (tmp_path / "names").write_text("dead.example s\n")
    arguments = ("verify-dns", "--from-file", tmp_path / "names", "--resume", tmp_path / "done")
    for _ in range(2):
        run = dkimctl_inside(*arguments, env=world)
        assert run.code == 3
        assert "DKIM107" in run.out
    assert (tmp_path / "done").read_text() == ""


@needs("knotd")
def test_watch_ends_when_all_is_right(world: dict[str, str], dkimctl_inside: Dkimctl) -> None:
    """--watch says a line for each change, ends with 0 at once when all is right, and with 1 when the time is up."""
    run = dkimctl_inside("verify-dns", "example.com", "-s", "s1", "--watch", env=world)
    assert run.code == 0
    assert run.err.count("s1._domainkey.example.com: right") == 1
    run = dkimctl_inside("verify-dns", "example.com", "-s", "bad", "--watch", "--timeout", "1", env=world)
    assert run.code == 1
    assert run.err.count("bad._domainkey.example.com: wrong") == 1
    assert "DKIM203" in run.out
    assert "authoritative servers of example.com" in run.out


@needs("knotd")
def test_signatures_of_a_message_name_the_records(
    world: dict[str, str], dkimctl_inside: Dkimctl, tmp_path: Path
) -> None:
    """--from-message checks d= and s= of every signature, folded or not, and refuses a message without any."""
    message = tmp_path / "message"
    message.write_text(
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; b=x\n"
        "DKIM-Signature: v=1; a=rsa-sha256;\n\td=Example.COM;\n\ts=bad; b=x\nFrom: a@example.com\n\nhello\n"
    )
    run = dkimctl_inside("verify-dns", "--from-message", message, "--json", env=world)
    assert sorted(r["selector"] for r in run.json["reports"]) == ["bad", "s1"]
    run = dkimctl_inside("verify-dns", "--from-message", "-", input="From: a\n\nhello\n", env=world)
    assert run.code == 1
    assert "no DKIM-Signature" in run.err


@needs("knotd")
def test_a_bad_signature_does_not_hide_the_others(
    world: dict[str, str], dkimctl_inside: Dkimctl, tmp_path: Path
) -> None:
    """A signature that names no domain is told by its number and the rest is checked; d= may be UTF-8 (RFC 8616)."""
    message = tmp_path / "message"
    message.write_bytes(
        b"DKIM-Signature: v=1; d=nonsense; s=s1; b=x\r\nDKIM-Signature: v=1; d=example.com; s=..; b=x\r\n"
        b"dkim-signature: v=1; d=example.com; s=s1; b=x\r\nDKIM-Signature: v=1; d=example.com; s=s1; b=y\r\n"
        b"DKIM-Signature: v=1; d=d\xc3\xa9ad.example; s=s1; b=x\r\nFrom: a@example.com\r\n\r\nhello\r\n"
    )
    run = dkimctl_inside("verify-dns", "--from-message", message, "--json", env=world)
    assert sorted(r["owner"] for r in run.json["reports"]) == [
        "s1._domainkey.example.com",
        "s1._domainkey.xn--dad-bma.example",
    ]
    assert "signature 1 of " in run.err
    assert "signature 2 of " in run.err


@needs("knotd")
def test_a_closed_pipe_is_no_error(world: dict[str, str], names: Path, dkimctl: Dkimctl) -> None:
    """`dkimctl verify-dns … | head -1` ends without a traceback."""
    import subprocess
    import sys

    environment = dkimctl.scratch.environment(world)
    command = f"{sys.executable} -m dkimctl verify-dns --from-file {names} --format jsonl | head -1"
    ran = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60)
    assert len(ran.stdout.splitlines()) == 1
    assert "Traceback" not in ran.stderr


def test_bad_lists_and_names_get_one_clear_line(dkimctl_inside: Dkimctl, tmp_path: Path) -> None:
    """Names that are no names are refused with a hint, before anything is asked."""
    for text in (
        "http://example.com/",
        "a@example.com",
        "192.0.2.1",
        "a..b",
        "x" * 64 + ".com",
        ".".join(["abcd"] * 60),
    ):
        run = dkimctl_inside("verify-dns", text, "-s", "a")
        assert run.code == 2, text
        assert "hint" in run.err
        assert "Traceback" not in run.err
    assert dkimctl_inside("verify-dns", "--from-file", tmp_path / "absent").code == 3
    for nothing in ("", "# a comment\n\n", "garbage\n"):
        (tmp_path / "nothing").write_text(nothing)
        run = dkimctl_inside("verify-dns", "--from-file", tmp_path / "nothing")
        assert (run.code, run.out) == (2, "")
        assert "no key record is named" in run.err
    assert dkimctl_inside("verify-dns", "example.com", "--from-file", tmp_path / "absent").code == 2


def test_the_catalogue_is_complete() -> None:
    """Every finding has a title, a meaning that cites its evidence, and a fix unless nothing is wrong."""
    for code, entry in CATALOGUE.items():
        assert code == entry.code
        if code > "DKIM6":
            continue
        assert entry.title
        assert entry.meaning.endswith(".")
        assert entry.fix or entry.severity in ("ok", "info"), code
        assert re.search(r"RFC \d+|measured|opendkim|server", entry.meaning), code
