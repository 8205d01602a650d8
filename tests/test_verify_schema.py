"""The JSON Schema of verify-dns is true of everything that it prints."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.findings import finding
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.output.machine import document, line
from dkimctl.record.model import record_for
from dkimctl.verify.report import AnswerState, Report, ServerAnswer, Target, Verdict
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere
from tests.schemas import assert_valid, validator

HOME = "127.0.0.1"
PAIR = generate(Algorithm.RSA)
RECORD = record_for(PAIR.public, "rsa", Tags())


def example() -> Report:
    """A report with something in every field."""
    answer = ServerAnswer(
        "s._domainkey.example.com", "ns1.example.com", HOME, AnswerState.TEXT, (RECORD.text,), ttl=300, serial=1
    )
    return Report(
        Target("s", "example.com"),
        "example.com",
        "s",
        "s._domainkey.example.com",
        Verdict.RIGHT,
        (finding(CATALOGUE["DKIM310"], "s._domainkey.example.com", "seen"),),
        answers=(answer, replace(answer, state=AnswerState.ALIAS, texts=(), alias="other.example", ttl=None)),
        resolvers=(answer,),
        text=RECORD.text,
        record=RECORD,
        publish=RECORD.text,
        publish_at="s._domainkey.example.com",
    )


@pytest.mark.parametrize("code", [code for code in CATALOGUE if code < "DKIM6"])
def test_every_kind_of_finding_fits(code: str) -> None:
    """A report with any finding of the catalogue is valid, alone on a line and among others in one document."""
    report = replace(example(), findings=(finding(CATALOGUE[code], "s._domainkey.example.com", "seen"),))
    assert_valid(line("report", report))
    assert_valid(document("reports", [report, example()]))
    assert_valid(document("reports", [], complete=False))


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": 2, "reports": []},
        {"schema": 1},
        {"schema": 1, "reports": [], "report": None},
        {"schema": 1, "error": {"message": "no", "hint": "", "problems": []}},
        {"schema": 1, "reports": [{"owner": "s._domainkey.example.com"}]},
    ],
)
def test_anything_else_does_not_fit(wrong: object) -> None:
    """What the program never prints is not valid: the schema says something."""
    assert not validator("verify-dns").is_valid(wrong)


# --- what the program really prints -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads to a knot with records of many kinds, and to a zone whose server is dead."""
    port = free_port_everywhere(HOME)
    zone = name_servers(HOME) + "".join(
        [
            txt("good._domainkey", RECORD.text),
            txt("cut._domainkey", RECORD.text[:255]),
            txt("two._domainkey", RECORD.text, "v=spf1 -all"),
            txt("odd._domainkey", "v=DKIM1; n=\xe9; p="),
            "alias._domainkey CNAME good._domainkey\nlost._domainkey CNAME nowhere\n",
        ]
    )
    zones = {"example.com": zone, "dead.example": name_servers("127.0.0.9")}
    knot = Knot(tmp_path_factory.mktemp("schema") / "knot", HOME, port, zones).start()
    yield {"DKIMCTL_NAMESERVERS": f"{HOME}:{port}", "DKIMCTL_DNS_PORT": str(port)}
    knot.stop()


NAMES = "".join(f"example.com {name}\n" for name in ("good", "cut", "two", "odd", "alias", "lost", "none"))


@needs("knotd")
@pytest.mark.parametrize("more", [(), ("--recursive",)])
def test_what_is_printed_is_valid(world: dict[str, str], dkimctl_inside: Dkimctl, more: tuple[str, ...]) -> None:
    """One document of json, and each line of jsonl: right, wrong, unknown, with resolvers and without."""
    names = dkimctl_inside.scratch.home / "names"
    names.write_text(NAMES + "dead.example s\n" * 2)
    arguments = ("verify-dns", "--from-file", names, *more)
    run = dkimctl_inside(*arguments, "--format", "json", env=world)
    assert_valid(run.out)
    assert {report["verdict"] for report in run.json["reports"]} == {"right", "wrong", "unknown"}
    lines = dkimctl_inside(*arguments, "--format", "jsonl", env=world).out.splitlines()
    assert len(lines) == 8
    for text in lines:
        assert_valid(text)


@needs("knotd")
def test_one_name_looked_at_closely_is_valid(world: dict[str, str], dkimctl_inside: Dkimctl) -> None:
    """So is the report of a single name, which has the serials too."""
    run = dkimctl_inside("verify-dns", "example.com", "-s", "good", "--json", env=world)
    assert_valid(run.out)
    assert run.json["reports"][0]["answers"][0]["serial"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify-dns", "example.com", "--json"), 2),
        (("verify-dns", "not a domain", "-s", "a", "--format", "json"), 2),
        (("verify-dns", "--from-file", "/absent", "--format", "json"), 3),
        (("verify-dns", "--concurrency", "0", "--format", "json"), 2),
        (("verify-dns", "--nonsense", "--format=json"), 2),
        (("verify-dns", "example.com", "-s", "a", "--json", "--config", "broken.toml"), 2),
        (("verify-dns", "--from-message", "empty.eml", "--json"), 1),
    ],
)
def test_errors_are_valid(dkimctl_inside: Dkimctl, arguments: tuple[str, ...], code: int) -> None:
    """What could not even begin is an error document: a wrong argument, a missing file, a broken configuration."""
    home = dkimctl_inside.scratch.home
    (home / "broken.toml").write_text("[dns]\ntimeout = -1\nnonsense = 1\n")
    (home / "empty.eml").write_text("From: a@example.com\n\nhello\n")
    run = dkimctl_inside(*arguments, cwd=home)
    assert run.code == code, run.err
    assert_valid(run.out)
    assert run.json["error"]["exit_code"] == code
