"""The corpus of records: judged alike by the parser and end to end, and as real verifiers judge them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.keys.pair import Algorithm
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import UnreadableRecord, parse_record
from dkimctl.verify.catalogue import CATALOGUE
from dkimctl.verify.check import check
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target
from tests.conftest import needs
from tests.dns_servers import Knot, free_port_everywhere, name_servers, txt
from tests.record_corpus import Case, Keys, corpus, make_keys

HOME = "127.0.0.1"
_PRAISE = {"DKIM300", "DKIM310", "DKIM501"}  # what only the way through DNS shows


@pytest.fixture(scope="module")
def keys() -> Keys:
    """The keys of the corpus."""
    return make_keys()


@pytest.fixture(scope="module")
def cases(keys: Keys) -> list[Case]:
    """The corpus."""
    return corpus(keys)


@pytest.fixture(scope="module")
def served(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """A knot that serves every record of the corpus at its own selector."""
    port = free_port_everywhere(HOME)
    zone = name_servers(HOME) + "".join(txt(f"{case.name}._domainkey", case.text) for case in cases)
    knot = Knot(tmp_path_factory.mktemp("corpus") / "knot", HOME, port, {"example.com": zone}).start()
    yield Lookup((f"{HOME}:{port}",), port)
    knot.stop()


def test_the_corpus_is_large_and_its_names_are_unique(cases: list[Case]) -> None:
    """At least 150 records, each with a name of its own, and every finding about a text in at least one of them."""
    assert len({case.name for case in cases}) == len(cases) >= 150
    seen = {code for case in cases for code in case.codes}
    about_text = {code for code in CATALOGUE if code[4] in "234"} - {"DKIM301", "DKIM300", "DKIM310", "DKIM402"}
    assert about_text <= seen, about_text - seen


def test_every_record_gets_its_findings(cases: list[Case]) -> None:
    """Each text leads to exactly the findings that are written beside it."""
    wrong = {
        case.name: sorted(found ^ case.codes)
        for case in cases
        if (found := {f.code for f in judge(case.text, Target("s", "example.com")).findings}) != case.codes
    }
    assert wrong == {}


def test_every_parsed_record_makes_the_round_trip(cases: list[Case]) -> None:
    """What was parsed and printed is parsed to the same tags again, and printed to the same text."""
    for case in cases:
        record = parse_record(case.text)
        if isinstance(record, KeyRecord):
            again = parse_record(record.text)
            assert again == record, case.name
            assert isinstance(again, KeyRecord)
            assert again.text == record.text


def test_the_offered_text_is_right(cases: list[Case], keys: Keys) -> None:
    """Whatever is offered for publication is itself without an error or a warning, and holds the same key."""
    offered = 0
    for case in cases:
        judgement = judge(case.text, Target("s", "example.com"))
        if judgement.publish is not None:
            better = judge(judgement.publish, Target("s", "example.com"))
            assert {f.code for f in better.findings} <= {"DKIM308", "DKIM401", "DKIM304", "DKIM305"}, case.name
            assert case.pair is None or better.key == case.pair.public, case.name
            offered += 1
    assert offered >= 60
    for case in cases:
        target = Target("s", "example.com", keys.usual.public)
        publish = judge(case.text, target).publish
        assert publish is None or judge(publish, target).findings == (), case.name


@needs("knotd")
def test_end_to_end_is_the_same(cases: list[Case], served: Lookup) -> None:
    """Through a real name server every record gets the same findings as its text alone."""
    targets = {case.name: case for case in cases}
    reports = check([Target(name, "example.com") for name in targets], served)
    wrong = {r.selector: r for r in reports if {f.code for f in r.findings} - _PRAISE != targets.pop(r.selector).codes}
    assert wrong == {}
    assert targets == {}


# --- real verifiers ---------------------------------------------------------------------------------------------------

MESSAGE = (
    "From: a@example.com\nTo: b@example.org\nSubject: x\nDate: Mon, 23 Nov 2026 01:00:00 +0000\n"
    "Message-ID: <1@example.com>\n\nhello\n"
)

ACCEPTED_ALL_THE_SAME = {
    "opendkim": {
        "DKIM202": "it takes any text as a tag's name",
        "DKIM204": "it skips what is no base64",
        "DKIM206": "it reads keys with rubbish behind them, and Ed25519 keys without k=",
        "DKIM207": "it skips quotes and backslashes in p=",
        "DKIM208": "the last of two equal tags counts",
        "DKIM209": "it takes the spaces out of DKIM 1",
        "DKIM211": "it stops reading at an octet 0",
        "DKIM306": "k= in capitals",
        "DKIM405": "s= in capitals",
    },
    "dkimpy": {
        "DKIM202": "it takes any text that starts with a letter as a tag's name",
        "DKIM204": "it skips what is no base64",
        "DKIM205": "it reads PKCS#1",
        "DKIM206": "it reads keys with rubbish behind them",
        "DKIM207": "it skips quotes and backslashes in p=",
        "DKIM211": "it looks at no octet",
        "DKIM212": "it reads records of any length",
        "DKIM403": "it does not look at h=",
    },
}
"""Why a verifier accepts what has an error by RFC 6376, by the error's code."""

REFUSED_ALL_THE_SAME = {"opendkim": {}, "dkimpy": {"DKIM410": "it knows no list in s="}}
"""Why a verifier refuses what is right by RFC 6376."""


def disagreements(verifier: str, verdicts: dict[str, bool], cases: list[Case]) -> list[str]:
    """The cases whose verdict is neither ours nor explained."""
    unexplained = []
    for case in cases:
        errors = {code for code in case.codes if CATALOGUE[code].severity == "error"}
        accepted = verdicts[case.name]
        if accepted and errors and not errors <= set(ACCEPTED_ALL_THE_SAME[verifier]):
            unexplained.append(f"{case.name} accepted in spite of {sorted(errors)}")
        if not accepted and not errors and not case.codes & set(REFUSED_ALL_THE_SAME[verifier]):
            unexplained.append(f"{case.name} refused")
    return unexplained


def signed(case: Case, directory: Path) -> Path:
    """A file with a message signed by the case's key under its name, by opendkim."""
    assert case.pair is not None
    key = directory / f"{case.name}.private"
    key.write_bytes(case.pair.private_pem)
    key.chmod(0o600)
    plain = directory / "plain"
    plain.write_text(MESSAGE)
    algorithm = "rsa-sha256" if case.pair.algorithm is Algorithm.RSA else "ed25519-sha256"
    conf = directory / "sign.conf"
    conf.write_text(
        f"Mode s\nDomain example.com\nSelector {case.name}\nKeyFile {key}\nSignatureAlgorithm {algorithm}\n"
        "RequireSafeKeys no\nCanonicalization relaxed/relaxed\nInternalHosts 0.0.0.0/0\n"
    )
    ran = subprocess.run(["opendkim", "-x", str(conf), "-t", str(plain)], capture_output=True, text=True, timeout=60)
    header = ran.stdout.replace("\r", "").partition(f"{plain}:\n")[2]  # the first line names the file
    assert header.startswith("DKIM-Signature:"), ran
    path = directory / f"{case.name}.eml"
    path.write_text((header + MESSAGE).replace("\n", "\r\n"), newline="")
    return path


@pytest.fixture(scope="module")
def messages(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For every case with a private key a message that it should verify."""
    directory = tmp_path_factory.mktemp("signed")
    return {case.name: signed(case, directory) for case in cases if case.pair is not None}


@needs("knotd", "opendkim")
def test_opendkim_agrees(cases: list[Case], messages: dict[str, Path], served: Lookup, tmp_path: Path) -> None:
    """The real opendkim verifies exactly the records we call usable, but for the differences that are explained."""
    conf = tmp_path / "verify.conf"
    address, _, port = served.nameservers[0].partition(":")
    conf.write_text(f"Mode v\nNameservers {address}@{port}\nSyslog no\nTemporaryDirectory {tmp_path}\n")
    files = ",".join(map(str, messages.values()))
    ran = subprocess.run(["opendkim", "-x", str(conf), "-v", "-t", files], capture_output=True, text=True, timeout=300)
    said = {Path(line.split(":")[1].strip()).stem: line for line in ran.stdout.splitlines() if "verification" in line}
    verdicts = {name: "succeeded" in said[name] for name in messages}
    assert disagreements("opendkim", verdicts, [case for case in cases if case.pair]) == []


@needs("opendkim")
def test_dkimpy_agrees(cases: list[Case], messages: dict[str, Path]) -> None:
    """dkimpy verifies exactly the records we call usable, but for the differences that are explained."""
    import dkim

    judged = [case for case in cases if case.pair is not None and case.pair.algorithm is Algorithm.RSA]
    verdicts = {}
    for case in judged:
        text = case.text.encode("latin-1")
        try:
            verdicts[case.name] = dkim.verify(messages[case.name].read_bytes(), dnsfunc=lambda *_, t=text, **__: t)
        except dkim.NaClNotFoundError:
            verdicts[case.name] = False  # it took k=ed25519 at its word, and cannot verify RSA with that
    assert disagreements("dkimpy", verdicts, judged) == []


def test_texts_that_are_no_record_say_why(cases: list[Case]) -> None:
    """Every unreadable record has a reason in words, and no reason leaks control characters."""
    for case in cases:
        record = parse_record(case.text)
        if isinstance(record, UnreadableRecord):
            assert record.why
            assert record.why.isprintable(), case.name
