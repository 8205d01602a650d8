"""Many names: the short ways give the same as the long one."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from dkimctl.cli import report_printer
from dkimctl.config.settings import Lookup
from dkimctl.errors import Unavailable, UsageError
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify import tally
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.check import check
from dkimctl.verify.judge import judge
from dkimctl.verify.parallel import Manner, check_in_parallel
from dkimctl.verify.report import Report, Target
from tests.askers import use_asker
from tests.conftest import Dkimctl, DkimctlInside, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.hostile_dns import Hostile, Send, answer
from tests.ports import free_port_everywhere
from tests.processes import started
from tests.record_corpus import corpus, make_keys
from tests.schemas import assert_valid

HOME, ONCE = "127.0.0.1", "127.0.8.9"
COUNT = 240
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few names are asked for as long lists are."""
    use_asker("engine", monkeypatch)


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """A knot with a record for each domain; every tenth is cut."""
    port = free_port_everywhere(HOME, ONCE)
    records = (txt(f"s._domainkey.d{n}", GOOD[:255] if n % 10 == 0 else GOOD) for n in range(COUNT))
    zone = name_servers(HOME) + "".join(records)
    knot = Knot(
        tmp_path_factory.mktemp("scale") / "knot", HOME, port, {"example.com": zone, "once.example": name_servers(ONCE)}
    ).start()
    yield Lookup((f"{HOME}:{port}",), port, timeout=12.0)
    knot.stop()


def targets() -> list[Target]:
    """One for each domain."""
    return [Target("s", f"d{n}.example.com", PAIR.public) for n in range(COUNT)]


def essence(report: Report) -> tuple[str, str, tuple[str, ...]]:
    """What must not depend on the way."""
    return report.owner, report.verdict, tuple(f.code for f in report.findings)


def test_the_swift_judge_judges_alike() -> None:
    """For every record of the corpus, and again when it has seen them all, it says what the slow judge says."""
    keys = make_keys()
    swift = CachedJudge()
    for _ in range(2):
        for case in corpus(keys):
            for pair in (case.pair, keys.usual):
                target = Target("s", "example.com", pair.public if pair else None)
                assert swift(case.text, target) == judge(case.text, target), case.name


MANNER: Manner[Target, list[Report]] = Manner(targets=iter, present=list)


@needs("knotd")
def test_processes_give_the_same_reports(lookup: Lookup) -> None:
    """Three processes find what one finds, each name once."""
    whole = sorted(map(essence, check(targets(), lookup)))
    shared = check_in_parallel(iter(targets()), lookup, MANNER, processes=3)
    assert sorted(essence(report) for some in shared for report in some) == whole
    assert sum(verdict == "wrong" for _, verdict, _ in whole) == COUNT // 10


def broken() -> Iterator[Target]:
    """A source that fails after a while."""
    yield from targets()[:100]
    raise UsageError("no", hint="yes")


@needs("knotd")
def test_an_error_of_the_source_is_told_after_what_is_known(lookup: Lookup) -> None:
    """What the source raises arrives here as what it was, after the reports of what it gave."""
    found = []
    with pytest.raises(UsageError, match="no") as caught:
        for some in check_in_parallel(broken(), lookup, MANNER, processes=2):
            found += some
    assert caught.value.hint == "yes"
    assert len(found) == 100


@needs("knotd")
def test_ctrl_c_never_comes_where_the_names_are_read(lookup: Lookup) -> None:
    """The thread that reads them takes no SIGINT, so that the one that writes can let it wait."""
    blocked: list[bool] = []

    def watched() -> Iterator[Target]:
        for target in targets()[:3]:
            blocked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            yield target

    manner: Manner[Target, int] = Manner(iter, len)
    assert sum(check_in_parallel(watched(), lookup, manner, processes=2)) == 3
    assert blocked == [True] * 3


@needs("knotd")
def test_an_error_in_a_process_is_ours_again(lookup: Lookup) -> None:
    """So does what is raised where the targets are made."""
    manner: Manner[Target, list[Report]] = Manner(targets=lambda names: broken(), present=list)
    with pytest.raises(UsageError, match="no"):
        list(check_in_parallel(iter(targets()), lookup, manner, processes=2))


@needs("knotd")
def test_a_bug_in_a_process_is_told_with_its_own_traceback(lookup: Lookup) -> None:
    """What is no error of ours ends the run here, where all bugs are told, and says where it happened."""
    manner: Manner[Target, int] = Manner(targets=iter, present=lambda reports: 1 // 0)
    with pytest.raises(RuntimeError, match="present=lambda"):
        list(check_in_parallel(iter(targets()), lookup, manner, processes=2))


@needs("knotd")
def test_a_process_that_is_killed_is_told(lookup: Lookup) -> None:
    """A process that ends before its time, for want of memory perhaps, ends the run: its names were not checked."""
    first = os.getpid()

    def present(reports: object) -> None:
        assert os.getpid() != first
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Unavailable, match="has ended"):
        list(check_in_parallel(iter(targets()), lookup, Manner(iter, present), processes=2))


@needs("knotd")
def test_no_process_outlives_the_first(lookup: Lookup, dkimctl: Dkimctl, tmp_path: Path) -> None:
    """After a kill -9 of the first process the others end as well."""
    names, environment = tmp_path / "names", dkimctl.scratch.environment()
    names.write_text("".join(f"d{n}.example.com s\n" for n in range(50_000)))
    environment |= {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    command = [sys.executable, "-m", "dkimctl", "verify-dns", "--from-file", str(names), "--format", "jsonl"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    assert process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)  # which lasts until nobody has its output open any more


@needs("knotd")
def test_directories_that_are_no_domains_do_not_hinder_the_others(lookup: Lookup, dkimctl: Dkimctl) -> None:
    """Among many keys those whose names cannot be in DNS are wrong, and say why; all others are checked.

    A name with other characters than letters, digits, dots and hyphens is that of no domain: passed over, and named.
    """
    too_long = ".".join(["x" * 60] * 4) + ".com"
    odd = {
        "a..example.com": "an empty label",
        "x" * 70 + ".example.com": "a label of 70 octets",
        too_long: f"{len('s._domainkey.' + too_long)} characters",
    }
    for name in [*odd, "€.example.com", *(f"d{n}.example.com" for n in range(COUNT))]:
        directory = dkimctl.root / f"etc/opendkim/keys/{name}"
        directory.mkdir(parents=True)
        (directory / "s.private").write_bytes(PAIR.private_pem)
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    run = dkimctl("verify-dns", env=environment)
    assert run.code == 1, run.err
    assert run.out.startswith(f"{COUNT + 3} key records: {COUNT - COUNT // 10} right, {COUNT // 10 + 3} wrong\n")
    assert "      3 × error    DKIM124  the record's name is not valid in DNS\n" in run.out
    assert [seen for seen in odd.values() if f"\n           {seen}\n" not in run.out] == []
    assert "€.example.com" in run.err


@pytest.mark.parametrize("form", ["text", "json", "prometheus"])
def test_many_directories_without_a_key_are_not_right(dkimctl: Dkimctl, form: str) -> None:
    """Where nothing was checked, nothing has been found right: exit 2, and no empty report."""
    for n in range(COUNT):
        (dkimctl.root / f"etc/opendkim/keys/d{n}.example.com").mkdir(parents=True)
    run = dkimctl("verify-dns", "--format", form)
    assert (run.code, "dkimctl: error: no managed domain has a key that belongs in DNS" in run.err) == (2, True)
    assert "reports" not in run.out


@needs("knotd")
def test_a_name_is_asked_once_however_often_it_is_listed(lookup: Lookup, dkimctl: Dkimctl, tmp_path: Path) -> None:
    """Of a million lines with three names there are three reports, and each record is asked for once."""
    names = tmp_path / "names"
    names.write_text("s._domainkey.d1.once.example\nd2.once.example s\nS._domainkey.D3.once.example.\n" * 333_334)
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    asked: set[tuple[int, str]] = set()  # with its id: a question whose answer is late is sent again

    def count(query: bytes, send: Send) -> None:
        message = dns.message.from_wire(query)
        asked.add((message.id, message.question[0].to_text()))
        send(answer(query, GOOD.encode()))

    server = Hostile(ONCE, lookup.port, count).start()
    run = dkimctl("verify-dns", "--from-file", names, "--format", "jsonl", env=environment)
    server.stop()
    owners = [json.loads(line)["report"]["owner"] for line in run.out.splitlines()]
    assert sorted(owners) == [f"s._domainkey.d{n}.once.example" for n in (1, 2, 3)]
    assert sorted(name for _, name in asked if name.startswith("s.")) == [
        f"{owner}. IN TXT" for owner in sorted(owners)
    ]


@needs("knotd")
@pytest.mark.parametrize("form", ["json", "jsonl", "nagios", "prometheus", "text"])
def test_every_form_tells_of_all(lookup: Lookup, dkimctl: Dkimctl, tmp_path: Path, form: str) -> None:
    """A list that several processes work on gives the same counts in every form."""
    names = tmp_path / "names"
    names.write_text("".join(f"d{n}.example.com s\n" for n in range(COUNT)))
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    run = dkimctl("verify-dns", "--from-file", names, "--format", form, env=environment)
    wrong = COUNT // 10
    told = {
        "json": lambda: [r["verdict"] for r in run.json["reports"]].count("wrong") == wrong,
        "jsonl": lambda: [json.loads(r)["report"]["verdict"] for r in run.out.splitlines()].count("wrong") == wrong,
        "nagios": lambda: run.out.startswith(f"DKIM CRITICAL - {COUNT - wrong} right, {wrong} wrong: "),
        "prometheus": lambda: run.out.count("} 0\n") == wrong + COUNT,
        "text": lambda: run.out.startswith(f"{COUNT} key records: {COUNT - wrong} right, {wrong} wrong\n"),
    }
    assert told[form](), run.out[:500] + run.err
    assert run.code == (2 if form == "nagios" else 1)


@needs("knotd")
@pytest.mark.parametrize("form", ["text", "nagios", "prometheus"])
def test_what_is_kept_of_many_names_is_bounded(
    lookup: Lookup, dkimctl_inside: DkimctlInside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Of names that are not right the first are told, the others counted; metrics wait on the disk for their turn."""
    monkeypatch.setattr(tally, "MOST_TOLD", 10)
    monkeypatch.setattr(report_printer, "_IN_MEMORY", 100)
    names = tmp_path / "names"
    names.write_text("".join(f"d{n}.example.com s\n" for n in range(COUNT)))
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    shown = ("--format", form, *(["-v"] if form == "nagios" else []))
    run = dkimctl_inside("verify-dns", "--from-file", names, *shown, env=environment)
    assert run.code == (2 if form == "nagios" else 1)
    if form == "prometheus":
        assert len(set(run.out.splitlines())) == run.out.count("\n") >= 2 * COUNT
    else:
        assert sum(line.startswith("s._domainkey.d") for line in run.out.splitlines()) == 10
        assert f"and {COUNT // 10 - 10} more" in run.out.splitlines()[-1]


@needs("knotd")
def test_ctrl_c_tells_what_is_known(lookup: Lookup, dkimctl: Dkimctl, tmp_path: Path) -> None:
    """An interrupt in the middle of a long list: exit 130, the counts in a sentence, no traceback, no process left."""
    names, environment = tmp_path / "names", dkimctl.scratch.environment()
    names.write_text("".join(f"d{n}.example.com s\n" for n in range(50_000)))
    environment |= {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    command = [sys.executable, "-m", "dkimctl", "verify-dns", "--from-file", str(names), "--format", "jsonl"]
    with started(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        first = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert json.loads(first)["schema"] == 1
    assert process.returncode == 130, err
    assert "checked so far:" in err
    assert "Traceback" not in err
    assert len(out.splitlines()) < 50_000
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@needs("knotd")
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_ctrl_c_leaves_no_half_document(lookup: Lookup, dkimctl: Dkimctl, tmp_path: Path, form: str) -> None:
    """An interrupt while the reader is slow: what was written is whole, and one document says that it lacks names."""
    names, environment = tmp_path / "names", dkimctl.scratch.environment()
    names.write_text("".join(f"d{n}.example.com s\n" for n in range(50_000)))
    environment |= {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    command = [sys.executable, "-m", "dkimctl", "verify-dns", "--from-file", str(names), "--format", form]
    with started(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        assert select.select([process.stdout], [], [], 60)[0]
        time.sleep(0.5)  # by now it waits for someone to read
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    for document in [out] if form == "json" else out.splitlines():
        assert_valid(document)
    if form == "json":
        assert json.loads(out)["complete"] is False


@needs("knotd")
def test_all_managed_keys_are_checked(lookup: Lookup, dkimctl: Dkimctl) -> None:
    """Without arguments every managed key is compared, on all cores, and the summary counts them."""
    for n in range(COUNT):
        directory = dkimctl.root / f"etc/opendkim/keys/d{n}.example.com"
        directory.mkdir(parents=True)
        (directory / "s.private").write_bytes(PAIR.private_pem)
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    run = dkimctl("verify-dns", env=environment)
    assert run.code == 1, run.err
    assert run.out.startswith(f"{COUNT} key records: {COUNT - COUNT // 10} right, {COUNT // 10} wrong")
    assert run.out.count("DKIM203  the key record is truncated\n           the record ends") == COUNT // 10
