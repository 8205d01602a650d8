"""The corpus of records: judged alike by the parser and end to end, and as real verifiers judge them."""

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.config.settings import Lookup
from dkimctl.keys.pair import Algorithm
from dkimctl.output.plain import plain_lines
from dkimctl.output.verification import report_blocks
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import UnreadableRecord, parse_record
from dkimctl.verify.check import check
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target
from tests.askers import ASKERS, timeless, use_asker
from tests.conftest import needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere
from tests.record_corpus import Case, Keys, corpus, make_keys
from tests.schemas import assert_valid_report

HOME = "127.0.0.1"
RecordProperty = Callable[[str, object], None]
COUNTED = "counted: corpus of key records"
_CONFIRMING = {"DKIM300", "DKIM310", "DKIM501"}  # what only the way through DNS shows


@pytest.fixture(scope="module")
def keys() -> Keys:
    """The keys of the corpus."""
    return make_keys()


@pytest.fixture(scope="module")
def cases(keys: Keys) -> list[Case]:
    """The corpus."""
    return corpus(keys)


@pytest.fixture(autouse=True)
def without_known_bad_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged key is an accidental number, which has small factors as likely as not: that is not the subject here."""
    monkeypatch.setattr("dkimctl.keys.knownbad.is_installed", lambda: False)


@pytest.fixture(scope="module")
def served(cases: list[Case], keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """A knot that serves every record of the corpus at its own selector, and two records at another."""
    port = free_port_everywhere(HOME)
    zone = name_servers(HOME) + "".join(txt(f"{case.name}._domainkey", case.text) for case in cases)
    zone += txt("two._domainkey", f"v=DKIM1; p={keys.usual.public.base64}", "v=spf1 -all")
    knot = Knot(tmp_path_factory.mktemp("corpus") / "knot", HOME, port, {"example.com": zone}).start()
    yield Lookup((f"{HOME}:{port}",), port, timeout=12.0)
    knot.stop()


def test_the_corpus_is_large_and_its_names_are_unique(cases: list[Case], record_property: RecordProperty) -> None:
    """At least 150 records, each with a name of its own, and every finding about a text in at least one of them."""
    assert len({case.name for case in cases}) == len(cases) >= 150
    seen = {code for case in cases for code in case.codes}
    about_text = {code for code in CATALOGUE if code[4] in "234"} - {
        "DKIM301",
        "DKIM300",
        "DKIM310",
        "DKIM402",
        "DKIM309",
        "DKIM311",
    }
    assert about_text <= seen, about_text - seen
    record_property(COUNTED, len(cases))


def test_every_record_gets_its_findings(cases: list[Case], record_property: RecordProperty) -> None:
    """Each text leads to exactly the findings that are written beside it."""
    wrong = {
        case.name: sorted(found ^ case.codes)
        for case in cases
        if (found := {f.code for f in judge(case.text, Target("s", "example.com")).findings}) != case.codes
    }
    assert wrong == {}
    record_property(f"{COUNTED}, judged as written beside them by their text alone", len(cases))


def test_every_parsed_record_makes_the_round_trip(cases: list[Case], record_property: RecordProperty) -> None:
    """What was parsed and printed is parsed to the same tags again, and printed to the same text."""
    count = 0
    for case in cases:
        record = parse_record(case.text)
        if isinstance(record, KeyRecord):
            again = parse_record(record.text)
            assert again == record, case.name
            assert isinstance(again, KeyRecord)
            assert again.text == record.text
            count += 1
    record_property(f"{COUNTED}, parsed, printed and parsed again to the same", count)


def test_the_offered_text_is_right(cases: list[Case], keys: Keys) -> None:
    """Whatever is offered for publication is itself without an error or a warning, and holds the same key."""
    offered = 0
    for case in cases:
        judgement = judge(case.text, Target("s", "example.com"))
        if judgement.publish is not None:
            better = judge(judgement.publish, Target("s", "example.com"))
            assert {f.code for f in better.findings} <= {"DKIM308", "DKIM304", "DKIM305"}, case.name
            assert case.pair is None or better.key == case.pair.public, case.name
            offered += 1
    assert offered >= 70
    for case in cases:
        target = Target("s", "example.com", keys.usual.public)
        publish = judge(case.text, target).publish
        assert publish is None or judge(publish, target).findings == (), case.name


def test_an_encoded_key_is_decoded(cases: list[Case]) -> None:
    """What a form, a web page, JSON or mail made of a record is undone, and the key proposed as it was meant."""
    encoded = [case for case in cases if "encoded-" in case.name]
    assert len(encoded) >= 19
    for case in encoded:
        assert case.pair is not None
        better = judge(case.text, Target("s", "example.com")).publish
        assert better is not None, case.name
        assert judge(better, Target("s", "example.com")).key == case.pair.public, case.name


@needs("knotd")
@pytest.mark.parametrize("asker", ASKERS)
def test_end_to_end_is_the_same(
    asker: str, cases: list[Case], served: Lookup, monkeypatch: pytest.MonkeyPatch, record_property: RecordProperty
) -> None:
    """Through a real name server every record gets its text's findings, in a report for people and for programs."""
    use_asker(asker, monkeypatch)
    targets = {case.name: case for case in cases}
    reports = list(check([Target(name, "example.com") for name in targets], served))
    for report in reports:
        assert_valid_report(report)
        lines = "".join(plain_lines(report_blocks(report))).splitlines()
        assert max(map(len, lines)) <= 80, report.selector
        assert all(line.isprintable() for line in lines), report.selector
    wrong = {
        r.selector: r for r in reports if {f.code for f in r.findings} - _CONFIRMING != targets.pop(r.selector).codes
    }
    assert wrong == {}
    assert targets == {}
    record_property(f"{COUNTED}, judged as written beside them when a real knot serves them", len(cases))


@needs("knotd")
def test_both_askers_come_to_the_same_reports(
    cases: list[Case], keys: Keys, served: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dnspython and our own engine decode every record of the corpus to the same report."""
    targets = [Target(case.name, "example.com", key) for case in cases for key in (None, keys.usual.public)]
    reports = []
    for asker in ASKERS:
        use_asker(asker, monkeypatch)
        found = check(targets, served, thorough=True)
        reports.append({(report.owner, report.target.expected): timeless(report) for report in found})
    assert reports[0] == reports[1]
    assert len(reports[0]) == len(targets)


# --- real verifiers ---------------------------------------------------------------------------------------------------

MESSAGE = (
    "From: a@example.com\nTo: b@example.org\nSubject: x\nDate: Mon, 23 Nov 2026 01:00:00 +0000\n"
    "Message-ID: <1@example.com>\n\nhello\n"
)

WHY = {
    "opendkim": {
        "DKIM202": "any text is a tag's name",
        "DKIM204": "it passes over what is no base64",
        "DKIM206": "it reads keys with octets after them, and goes by the signature's algorithm",
        "DKIM207": "it passes over quotes and backslashes in p=",
        "DKIM208": "the last of two equal tags counts",
        "DKIM209": "it drops the space in DKIM 1",
        "DKIM211": "it ends reading at an octet 0, and takes other octets in a tag's name",
        "DKIM213": "tags come in any order",
        "DKIM306": "k= in capitals",
        "DKIM403": "h= in capitals",
        "DKIM405": "s= in capitals",
        "DKIM214": "padding is optional",
    },
    "dkimpy": {
        "DKIM202": "a tag's name is any text that starts with a letter",
        "DKIM204": "it passes over what is no base64",
        "DKIM205": "it reads PKCS#1",
        "DKIM206": "it reads keys with octets after them",
        "DKIM207": "it passes over quotes and backslashes in p=",
        "DKIM211": "it looks at no octet",
        "DKIM212": "it reads records of any length",
        "DKIM213": "tags come in any order",
        "DKIM403": "it does not look at h=",
        "DKIM410": "it knows no list in s=",
    },
}
"""Why a verifier accepts what we call an error, or refuses what we do not, by code."""


def compare(verifier: str, verdicts: dict[str, bool], cases: list[Case], record_property: RecordProperty) -> list[str]:
    """Count the verdicts that are ours and list those that are not; the cases without an explanation."""
    unexplained, differences = [], Counter[str]()
    for case in cases:
        errors = {code for code in case.codes if CATALOGUE[code].severity == "error"}
        if verdicts[case.name] is not bool(errors):
            continue
        codes = errors or case.codes & set(WHY[verifier])
        does = "accepts" if verdicts[case.name] else "refuses"
        if not codes or not codes <= set(WHY[verifier]):
            unexplained.append(f"{case.name} ({', '.join(sorted(errors)) or 'right'}): {verifier} {does} it")
        differences[
            f"{does} {' with '.join(sorted(codes))}: " + "; ".join(WHY[verifier][c] for c in sorted(codes))
        ] += 1
    same = len(cases) - differences.total()
    record_property(f"{COUNTED}, verdict of the real {verifier} the same", same)
    record_property(f"{COUNTED}, verdict of the real {verifier} not the same, for a known reason", differences.total())
    for difference, count in differences.items():
        record_property(f"{COUNTED}, {verifier} {difference}", count)
    return unexplained


def misstated(verifier: str, verdicts: dict[str, bool], cases: list[Case]) -> list[str]:
    """The codes whose entry in the catalogue does not say what this verifier did with the cases of that code alone."""
    did: dict[str, set[bool]] = {}
    for case in cases:
        if len(case.codes - {"DKIM308"}) == 1:
            did.setdefault(next(iter(case.codes - {"DKIM308"})), set()).add(verdicts[case.name])
    return [
        f"{code}: {CATALOGUE[code].verifiers!r}, but {verifier} {sorted(verdicts)}"
        for code, verdicts in sorted(did.items())
        if not fits(said(verifier, CATALOGUE[code].verifiers), verdicts)
    ]


def said(verifier: str, text: str) -> set[bool]:
    """Which verdicts of a verifier the text of an entry speaks of."""
    clauses = [clause for clause in text.split(";") if verifier in clause or "both" in clause]
    verbs = {verb for clause in clauses for verb in re.findall(r"\b(accept|refuse)s?\b", clause)}
    return {verb == "accept" for verb in verbs}


def fits(said: set[bool], did: set[bool]) -> bool:
    """True when what was said covers what was done; of one who did both it is enough to say that it accepts some."""
    return said == did or (did == {True, False} and True in said)


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


def verified_by_opendkim(messages: dict[str, Path], served: Lookup, directory: Path) -> dict[str, bool]:
    """Whether the signature of each message verifies, by name."""
    conf = directory / "verify.conf"
    address, _, port = served.nameservers[0].partition(":")
    conf.write_text(f"Mode v\nNameservers {address}@{port}\nSyslog no\nTemporaryDirectory {directory}\n")
    files = ",".join(map(str, messages.values()))
    ran = subprocess.run(["opendkim", "-x", str(conf), "-v", "-t", files], capture_output=True, text=True, timeout=300)
    said = {Path(line.split(":")[1].strip()).stem: line for line in ran.stdout.splitlines() if "verification" in line}
    return {name: "succeeded" in said[name] for name in messages}


@needs("knotd", "opendkim")
def test_opendkim_takes_none_of_several_records(keys: Keys, served: Lookup, tmp_path: Path) -> None:
    """As DKIM102 says: with a second record at the name no signature verifies, though the right one is there."""
    message = signed(Case("two", "", frozenset(), keys.usual), tmp_path)
    assert verified_by_opendkim({"two": message}, served, tmp_path) == {"two": False}
    assert "opendkim refuses it" in CATALOGUE["DKIM102"].verifiers


@needs("knotd", "opendkim")
def test_opendkim_agrees(
    cases: list[Case], messages: dict[str, Path], served: Lookup, tmp_path: Path, record_property: RecordProperty
) -> None:
    """The real opendkim verifies exactly the records we call usable, but for what is explained and told."""
    verdicts = verified_by_opendkim(messages, served, tmp_path)
    judged = [case for case in cases if case.pair]
    assert compare("opendkim", verdicts, judged, record_property) == []
    assert misstated("opendkim", verdicts, judged) == []


@needs("opendkim")
def test_dkimpy_agrees(cases: list[Case], messages: dict[str, Path], record_property: RecordProperty) -> None:
    """dkimpy verifies exactly the records we call usable, but for what is explained and told."""
    import dkim

    judged = [case for case in cases if case.pair is not None]
    verdicts = {}
    for case in judged:
        text = case.text.encode("latin-1")
        try:
            verdicts[case.name] = dkim.verify(messages[case.name].read_bytes(), dnsfunc=lambda *_, t=text, **__: t)
        except dkim.NaClNotFoundError:
            verdicts[case.name] = False  # it took k=ed25519 at its word, and cannot verify RSA with that
    assert compare("dkimpy", verdicts, judged, record_property) == []
    assert misstated("dkimpy", verdicts, judged) == []


def test_texts_that_are_no_record_say_why(cases: list[Case]) -> None:
    """Every unreadable record has a reason in words, and no reason leaks control characters."""
    for case in cases:
        record = parse_record(case.text)
        if isinstance(record, UnreadableRecord):
            assert record.why
            assert record.why.isprintable(), case.name
